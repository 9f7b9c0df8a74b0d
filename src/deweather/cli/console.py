"""What reaches the terminal: a line stays one line, and a closed pipe is no error."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

_WIDTH_ELSEWHERE = 160  # columns for tables that go into a file or pipe


def say(text: str = "", *, error: bool = False) -> None:
    """Print a line to stdout, or to stderr, at once.

    Characters that the stream cannot show are escaped. Once nobody reads the stream any more
    (`deweather … | head`) its lines are dropped and the work goes on.
    """
    stream = sys.stderr if error else sys.stdout
    try:
        try:
            print(text, file=stream, flush=True)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            shown = text.encode(encoding, "backslashreplace").decode(encoding)
            print(shown, file=stream, flush=True)
    except BrokenPipeError:
        _silence(stream)


def drop_unread() -> None:
    """Give up what stdout still holds where nobody reads it, so that the exit finds no broken pipe."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)


def _silence(stream: TextIO) -> None:
    """Let a stream end in nothing, so that the flush at exit finds no broken pipe either."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def one_line(text: object) -> str:
    """A text with control characters, line ends and undecodable bytes escaped, fit for one line."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text)
    )


def say_json(value: Any) -> None:
    """Print a value as one line of JSON; ASCII only, so any file name survives any terminal."""
    say(json.dumps(value))


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; columns that hold numbers are set flush right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[str(cell) for cell in row] for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = any(row[index][:1].isdigit() or row[index][:1] in "+-" for row in cells)
        table.add_column(column, justify="right" if numeric else "left")
    for row in cells:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH_ELSEWHERE
    page = io.StringIO()
    Console(file=page, width=width, highlight=False).print(table)
    for line in page.getvalue().rstrip().splitlines():
        say(line.rstrip())
