"""Twenty runs over a folder of pictures, each killed at a random moment: is anything ever half done?

    python benchmarks/robustness/interrupted.py [--kills 20] [--seed 1]

After every kill each output that is there must be byte for byte that of an uninterrupted run, and
the inputs must be unchanged. When a killed run had finished the folder, the next one starts over in
a new one. At the end a run is left alone in each of these folders: it must exit with 0, complete the
folder, and leave no incomplete file behind. The network is tiny and untrained, and only haze is
removed, so that a good share of the time goes into writing: files are the subject, not quality.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from deweather.checksum import sha256
from deweather.errors import PictureError
from deweather.image import read_picture
from deweather.models import create_model
from deweather.weights.files import save_weights

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import table, write

SUFFIXES = (".png", ".tif", ".png", ".jpg", ".png", ".webp")
SIZE = (1400, 1000)


def make_weights(folder: Path) -> Path:
    """Untrained weights for haze."""
    torch.manual_seed(0)
    path = folder / "haze.safetensors"
    network = create_model("stereoirr-tiny")
    save_weights(path, network, model="stereoirr-tiny", switches={}, task="haze")
    return path


def make_pictures(folder: Path, count: int) -> None:
    """Noisy pictures in several formats and folders; noise makes large files, slow to write."""
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"set {number % 3}" / f"{number}{SUFFIXES[number % len(SUFFIXES)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(SIZE)
        noise = rng.integers(-8, 9, (SIZE[1], SIZE[0], 3))
        noisy = np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(path)


def command(source: Path, out: Path, weights: Path) -> list[str]:
    """The call of `deweather restore`."""
    words = [sys.executable, "-m", "deweather", "restore", source, "--out", out]
    words += ["--weather", "haze", "--weights", weights, "--device", "cpu"]
    return [str(word) for word in words]


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def is_output(name: str) -> bool:
    """Whether a file goes by the name of a result and not by that of an incomplete one."""
    return not Path(name).name.startswith(".")


def decodes(path: Path) -> bool:
    """Whether a picture can be read to its end."""
    try:
        return read_picture(path).pixels.size > 0
    except PictureError:
        return False


def killed_run(words: Sequence[str], delay: float) -> bool:
    """Start a run and kill it after `delay` seconds; whether it had to be killed."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            return True
    return False


def look(out: Path, expected: dict[str, str]) -> dict[str, Any]:
    """What a killed run left: outputs, those that are wrong, incomplete files."""
    found = digests(out) if out.exists() else {}
    outputs = {name: digest for name, digest in found.items() if is_output(name)}
    return {
        "outputs": len(outputs),
        "wrong": [name for name, digest in outputs.items() if digest != expected.get(name)],
        "unreadable": [name for name in outputs if not decodes(out / name)],
        "incomplete_files": len(found) - len(outputs),
    }


def interrupt(folder: Path, kills: int, count: int, seed: int) -> dict[str, Any]:
    """Run the experiment in an empty folder."""
    source = folder / "in"
    make_pictures(source, count)
    inputs = digests(source)
    weights = make_weights(folder)
    whole = command(source, folder / "whole", weights)
    duration = timed(whole)
    expected = digests(folder / "whole")
    start_up = timed(whole)  # all is there, so nothing else is done

    rng = random.Random(seed)
    rows: list[dict[str, Any]] = []
    rounds = 1
    while len(rows) < kills:
        out = folder / f"out {rounds}"
        # A quarter of the kills anywhere, the others while there is work going on.
        early = rng.random() < 0.25
        delay = rng.uniform(0 if early else start_up, start_up + 0.4 * (duration - start_up))
        if not killed_run(command(source, out, weights), delay):
            rounds += 1
            continue
        row = {"round": rounds, "killed_after_s": round(delay, 2), **look(out, expected)}
        row["inputs_changed"] = digests(source) != inputs
        rows.append(row)
        if row["outputs"] == count:
            rounds += 1
    completions = []
    for number in range(1, rounds + 1):
        out = folder / f"out {number}"
        ran = subprocess.run(command(source, out, weights), check=False, capture_output=True)
        completions.append({"round": number, "exit_code": ran.returncode, **look(out, expected)})
    return {
        "pictures": count,
        "uninterrupted_s": round(duration, 2),
        "start_up_s": round(start_up, 2),
        "killed_while_writing": killed_while_writing(rows),
        "kills": rows,
        "completions": completions,
        "inputs_changed": digests(source) != inputs,
    }


def timed(words: Sequence[str]) -> float:
    """Seconds that a run takes."""
    begun = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - begun


def killed_while_writing(rows: Sequence[dict[str, Any]]) -> int:
    """How many kills left an incomplete file that was not there before."""
    count, before = 0, (0, 0)
    for row in rows:
        after = (row["round"], row["incomplete_files"])
        count += after[1] > (before[1] if after[0] == before[0] else 0)
        before = after
    return count


def passed(result: dict[str, Any]) -> bool:
    """Whether nothing was lost, half done or left behind."""
    looks = [*result["kills"], *result["completions"]]
    return (
        not any(one["wrong"] or one["unreadable"] for one in looks)
        and not any(one["inputs_changed"] for one in (*result["kills"], result))
        and all(
            one["exit_code"] == 0
            and one["outputs"] == result["pictures"]
            and one["incomplete_files"] == 0
            for one in result["completions"]
        )
    )


def main() -> None:
    """Kill runs, print the table, write the result file; exit 1 where something was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = interrupt(Path(folder), args.kills, args.pictures, args.seed)
    result = {"seed": args.seed, "passed": passed(result), **result}
    head = ["round", "killed after (s)", "outputs", "wrong", "unreadable", "incomplete files"]
    rows = [
        [
            row["round"],
            row["killed_after_s"],
            row["outputs"],
            len(row["wrong"]),
            len(row["unreadable"]),
            row["incomplete_files"],
        ]
        for row in result["kills"]
    ]
    print(table(head, rows))
    print("killed while writing:", result["killed_while_writing"])
    for one in result["completions"]:
        print("left alone:", one)
    print("passed:", result["passed"])
    write("interrupted", result)
    sys.exit(not result["passed"])


if __name__ == "__main__":
    main()
