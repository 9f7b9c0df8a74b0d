"""Writes the table of layouts in docs/data.md from `deweather.data.layout_table`.

    python docs/layouts.py [--check]

With --check nothing is written, and the exit status says whether the page is up to date.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from deweather.data.layout_table import LAYOUTS
from deweather.image import EXTENSIONS

PAGE = Path(__file__).with_name("data.md")
BLOCK = re.compile(r"(<!-- layouts -->\n).*?(<!-- /layouts -->)", re.DOTALL)


def table() -> str:
    """A row for each layout: name, data set, weather, views, names of the files; then PICTURE."""
    lines = ["| layout | data set | weather | views | files |", "|---|---|---|---|---|"]
    for layout in LAYOUTS.values():
        files = "<br>".join("{}: `{}`".format(*name.split(": ", 1)) for name in layout.names())
        cells = (f"`{layout.name}`", layout.title, layout.weather, str(layout.views), files)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, "", f"PICTURE is any of {', '.join(EXTENSIONS)}."])


def page(text: str) -> str:
    """The page with its table made anew."""
    return BLOCK.sub(lambda block: block[1] + table() + "\n" + block[2], text)


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    before = PAGE.read_text(encoding="utf-8")
    after = page(before)
    if not args.check:
        PAGE.write_text(after, encoding="utf-8")
    return 1 if args.check and after != before else 0


if __name__ == "__main__":
    sys.exit(main())
