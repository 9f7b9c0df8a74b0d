"""Rows of values -> a Markdown table, for pages of the docs and for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, aligned: bool = False) -> str:
    """A Markdown table; floats get two decimals, None a dash, a bar within a cell is escaped.

    Args:
        head: names of the columns.
        rows: cells; missing ones at the end are empty.
        aligned: pad the cells, for reading in a terminal.
    """

    def text(value: Any) -> str:
        if value is None:
            return "–"
        said = f"{value:.2f}" if isinstance(value, float) else str(value)
        return said.replace("|", "\\|")

    cells = [
        [text(value) for value in row] + [""] * (len(head) - len(row)) for row in (head, *rows)
    ]
    if not aligned:
        lines = ["| " + " | ".join(row) + " |" for row in cells]
        return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) + " |" for r in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)
