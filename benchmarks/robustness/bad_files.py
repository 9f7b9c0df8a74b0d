"""Bad files among good ones: every one must be reported by name and reason, and harm no other.

    python benchmarks/robustness/bad_files.py

The files are those of `tests/image/bad_files.py`. Each is put beside three good pictures and
`deweather restore` is called on the folder (and on the file itself where a search of the folder does
not find it); then all of them together in one call of the installed command. Not every kind
ends in a failed file: a folder whose name ends in .png is a folder to be searched, and a file
that is missing, given by its name, is wrong usage and stops the call before it begins.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from interrupted import command, make_weights
from PIL import Image
from typer.testing import CliRunner

from deweather.cli.app import app
from deweather.image import EXTENSIONS

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from common import table, write

from tests.image.bad_files import BAD_FILES

GOOD = ("a.png", "m.jpg", "z.tif")  # before, among and after the bad ones


def add_good(folder: Path) -> None:
    """Three good pictures."""
    for number, name in enumerate(GOOD):
        Image.linear_gradient("L").resize((40 + number, 30)).convert("RGB").save(folder / name)


def is_searched(path: Path) -> bool:
    """Whether a search of its folder takes a path for a picture."""
    known = path.suffix.lower() in EXTENSIONS
    return known and path.parent.is_dir() and path.name in os.listdir(path.parent)


def one(name: str, folder: Path, weights: Path) -> dict[str, Any]:
    """Call the command on one bad file among good ones."""
    source = folder / "in"
    source.mkdir()
    add_good(source)
    bad = BAD_FILES[name](source)
    searched = is_searched(bad) and not bad.is_dir()
    sources = [str(source)] if searched else [str(source), str(bad)]
    call = command(source, folder / "out", weights)
    options = call[call.index("--out") :]
    result = CliRunner().invoke(app, ["restore", *sources, *options, "--json"])
    records = {r["source"]: r for r in map(json.loads, result.stdout.splitlines())}
    error = records.get(str(bad), {}).get("error") or ""
    crashed = result.exception is not None and not isinstance(result.exception, SystemExit)
    good = [n for n in GOOD if (folder / "out" / n).is_file()]
    usage = result.exit_code == 2 and bool(result.stderr.startswith("Error: "))
    return {
        "name": name,
        "file": bad.name[:40],
        "how": "usage" if usage else "failed",
        "exit_code": result.exit_code,
        "crashed": crashed or "Traceback" in result.stderr,
        "reason": error or result.stderr.strip().removeprefix(f"Error: {bad}: "),
        "good_restored": len(good),
        "passed": not crashed
        and (usage or (result.exit_code == 1 and bool(error) and len(good) == len(GOOD)))
        and str(bad) in result.stderr,
    }


def together(names: list[str], folder: Path, weights: Path) -> dict[str, Any]:
    """Call the installed command on all that a search finds, in one folder."""
    source = folder / "in"
    source.mkdir()
    bad = [path for path in (BAD_FILES[name](source) for name in names) if is_searched(path)]
    bad = [path for path in bad if not path.is_dir()]
    add_good(source)
    (source / "file.png").unlink(missing_ok=True)  # a good one, helper of a bad one
    words = [*command(source, folder / "out", weights), "--json"]
    ran = subprocess.run(words, check=False, capture_output=True, text=True)
    records = {r["source"]: r for r in map(json.loads, ran.stdout.splitlines())}
    reported = [p for p in bad if records.get(str(p), {}).get("status") == "failed"]
    listed = [p for p in bad if f"failed: {p}: " in ran.stderr]
    return {
        "bad": len(bad),
        "reported": len(reported),
        "listed_at_the_end": len(listed),
        "good_restored": sum((folder / "out" / n).is_file() for n in GOOD),
        "other_files_in_out": len(list((folder / "out").rglob("*"))) - len(GOOD),
        "exit_code": ran.returncode,
        "passed": ran.returncode == 1
        and len(bad) == len(reported) == len(listed)
        and len(list((folder / "out").iterdir())) == len(GOOD)
        and "Traceback" not in ran.stderr,
    }


def main() -> None:
    """Try every bad file, print the table, write the result file; exit 1 where one did harm."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    # No command line holds a null character, and permissions do not stop root.
    left_out = {"name_with_null"} | ({"no_permission"} if os.geteuid() == 0 else set())
    names = [name for name in BAD_FILES if name not in left_out]
    with tempfile.TemporaryDirectory() as home:
        weights = make_weights(Path(home))
        rows = []
        for number, name in enumerate(names):
            folder = Path(home, str(number))
            folder.mkdir()
            rows.append(one(name, folder, weights))
            rows[-1]["reason"] = rows[-1]["reason"].replace(home, "").partition("\n")[0]
        folder = Path(home, "all")
        folder.mkdir()
        everything = together(names, folder, weights)
    result = {
        "kinds": len(rows),
        "left_out": sorted(left_out),
        "passed": all(row["passed"] for row in rows) and everything["passed"],
        "how": dict(Counter(row["how"] for row in rows)),
        "together": everything,
        "files": rows,
    }
    head = ["kind", "how", "exit", "good", "passed", "reason"]
    cells = [
        [r["name"], r["how"], r["exit_code"], r["good_restored"], r["passed"], r["reason"][:90]]
        for r in rows
    ]
    print(table(head, cells))
    print("together:", everything, "| passed:", result["passed"])
    write("bad_files", result)
    sys.exit(not result["passed"])


if __name__ == "__main__":
    main()
