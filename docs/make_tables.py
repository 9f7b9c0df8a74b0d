"""Writes the tables of docs/data.md and docs/formats.md, from the layouts and the committed results.

    python docs/make_tables.py [--check]

With --check nothing is written, and the exit status says whether the pages are up to date.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deweather.data.layout_table import LAYOUTS
from deweather.image import EXTENSIONS
from deweather.metrics import PROTOCOLS

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from markdown_table import table

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results"


KEPT = {"icc": "ICC", "xmp": "XMP", "dpi": "resolution", "exif readable": "EXIF"}


def result(name: str) -> dict[str, Any]:
    """A result file."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def layouts() -> str:
    """A row for each layout: name, data set, weather, views, names of the files; then PICTURE."""
    head = ("layout", "data set", "weather", "views", "files")
    rows: list[Sequence[object]] = []
    for layout in LAYOUTS.values():
        files = "<br>".join("{}: `{}`".format(*name.split(": ", 1)) for name in layout.names())
        views = "1 or 2" if layout.mixed else layout.views
        rows.append((f"`{layout.name}`", layout.title, layout.weather, views, files))
    return f"{table(head, rows)}\n\nPICTURE is any of {', '.join(EXTENSIONS)}."


def lost(kept: dict[str, bool]) -> str:
    """What does not come back from a file that was written with all that belongs to it."""
    if not kept:
        return "16 bits"
    names = [name for key, name in KEPT.items() if not kept[key]]
    if kept["exif readable"] and not kept.get("exif to the byte", True):
        names.append("EXIF rewritten")
    return ", ".join(names) or "nothing"


def beside(row: dict[str, Any], own: dict[str, Any], task: str) -> list[str]:
    """Time in units of ours, and bytes a pixel."""
    figures = row.get(task)
    if figures is None:
        return ["–", "–"]
    ratio = figures["seconds"] / own[task]["seconds"]
    return [f"{ratio:.2f}", f"{figures['bytes_a_pixel']:.1f}"]


def libraries(kind: str) -> str:
    """PNG or TIFF: a row for each library."""
    found = result("image_libraries")
    rows = found["formats"][kind]
    head = ("library", "MiB", "read", "written", "lost", "damage refused", "odd files read",
            "reading: time", "bytes a pixel", "writing: time", "bytes a pixel")  # fmt: skip
    out: list[Sequence[object]] = []
    for name, row in rows.items():
        exact, robust = row["exact"], row["robust"]
        out.append(
            [
                name,
                f"{found['libraries'][name]['mebibytes']:.0f}",
                exact["read"],
                exact["written"],
                lost(row["kept"]),
                robust["refused"],
                robust["odd read"],
                *beside(row, rows["own"], "read"),
                *beside(row, rows["own"], "write"),
            ]
        )
    return table(head, out)


def readers() -> str:
    """AVIF, HEIC and JPEG XL: a row for each format and library."""
    titles = {"avif": "AVIF", "heic": "HEIC", "jxl": "JPEG XL"}
    said = {True: "yes", False: "no"}
    head = ("format", "library", "8 bits", "deeper, off by", "ICC", "EXIF", "MiB before the size")
    out: list[Sequence[object]] = []
    for case in result("image_formats")["cases"]:
        name, found = [titles[case["format"]], case["library"]], case["found"]
        if found is None:
            out.append([*name, "not read"])
            continue
        facts = [said[found[key]] for key in ("exact", "profile", "exif")]
        out.append([*name, facts[0], found["deep error"], *facts[1:], found["limit MiB"]])
    return table(head, out)


def protocols() -> str:
    """A row for each protocol of scores."""
    rows = [(f"`{p.name}`", p.title) for p in PROTOCOLS.values()]
    return table(("protocol", "how two pictures are compared"), rows)


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "layouts": ("data.md", layouts),
    "protocols": ("data.md", protocols),
    "png": ("formats.md", lambda: libraries("png")),
    "tiff": ("formats.md", lambda: libraries("tiff")),
    "readers": ("formats.md", readers),
}
"""Name of a block: its page, and what makes its table."""


def with_table(text: str, name: str) -> str:
    """A page's text with the table of one block made anew."""
    block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return block.sub(lambda found: f"{found[1]}{TABLES[name][1]()}\n{found[2]}", text)


def main() -> int:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    stale = 0
    for name, (page, _) in TABLES.items():
        text = (DOCS / page).read_text(encoding="utf-8")
        made = with_table(text, name)
        stale += made != text
        if not args.check:
            (DOCS / page).write_text(made, encoding="utf-8")
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
