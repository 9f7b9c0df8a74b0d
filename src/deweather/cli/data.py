"""`deweather data`: which layouts of data sets are known, and what is wrong with a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from deweather.cli.console import one_line, say, say_json, say_table
from deweather.cli.options import DataLayout, DataSet, Json

if TYPE_CHECKING:
    from deweather.data import Layout
    from deweather.data.audit import Audit

_SHOWN = 20  # lines of each kind of finding; JSON has all

app = typer.Typer(
    help="Look at data sets: known layouts, what is wrong with a folder.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("layouts")
def layouts(as_json: Json = False) -> None:
    """List the layouts of data sets, and the names of files that each looks for."""
    from deweather.data.layout_table import LAYOUTS

    if as_json:
        say_json(
            [
                {
                    "name": layout.name,
                    "title": layout.title,
                    "weather": layout.weather,
                    "views": layout.views,
                    "border": layout.border,
                    "files": layout.names(),
                }
                for layout in LAYOUTS.values()
            ]
        )
        return
    for layout in LAYOUTS.values():
        border = f", border of {layout.border} pixels" if layout.border else ""
        say(f"{layout.name}: {layout.title}; {layout.weather}, {_views(layout)}{border}")
        for line in layout.names():
            say(f"  {line}")


@app.command("audit")
def audit(
    folder: DataSet,
    *,
    layout: DataLayout,
    pairs: Annotated[
        int, typer.Option(min=0, help="Stereo pairs to match points in, spread over all.")
    ] = 20,
    as_json: Json = False,
) -> None:
    """Look at every picture of a data set and report what is wrong.

    Unreadable files, pictures without partners, pictures of one sample that differ in size, the
    same picture in two splits, pairs that are swapped or not rectified. Exit code: 0 nothing is
    wrong, 1 something is, 2 wrong usage or a folder that does not fit the layout, 130 interrupted.
    """
    from deweather.data.audit import audit as look
    from deweather.data.listing import find_samples

    listing = find_samples(folder, layout)
    with ExitStack() as stack:
        progress = _bar(stack) if sys.stderr.isatty() and not as_json else None
        found = look(listing, pairs=pairs, workers=os.cpu_count() or 1, progress=progress)
    if as_json:
        say_json({"ok": found.ok, **asdict(found)})
    else:
        _say_report(found)
    if not found.ok:
        raise typer.Exit(1)


def _views(layout: Layout) -> str:
    """What samples of a layout are, in words."""
    if layout.mixed:
        return "single pictures and pairs"
    return "pairs" if layout.views == 2 else "single pictures"


def _bar(stack: ExitStack) -> Callable[[int, int], None]:
    """A progress bar on stderr that stays as long as the stack."""
    from rich.console import Console
    from rich.progress import Progress

    bar = stack.enter_context(Progress(console=Console(stderr=True), transient=True))
    task = bar.add_task("pictures", total=None)
    return lambda done, total: bar.update(task, completed=done, total=total)


def _say_report(found: Audit) -> None:
    from deweather.data import find_layout

    views = _views(find_layout(found.layout))
    say(f"{one_line(found.root)}: layout {found.layout}, {found.samples} samples, {views}")
    say_table(["split", "samples"], list(found.splits.items()))
    _say_list("size: pictures", [f"{size}: {count}" for size, count in found.sizes.items()])
    _say_list("unreadable", found.unreadable)
    _say_list("without partners", found.unmatched)
    _say_list("of differing sizes", found.mismatched)
    _say_list(
        "in two splits",
        [f"{d.one} ({d.splits[0]}) is {d.other} ({d.splits[1]})" for d in found.duplicates],
    )
    _say_list("clean pictures of no sample (harmless)", found.unused)
    if found.pairs:
        say(f"pairs in which points were matched: {len(found.pairs)}")
        say_table(
            ["pair", "points", "median disparity (px)", "rows apart (px)", "finding"],
            [(p.id, p.points, p.disparity, p.off_row, p.finding) for p in found.pairs],
        )
    say("Nothing is wrong." if found.ok else "Something is wrong, see above.")


def _say_list(title: str, lines: Sequence[str]) -> None:
    """A heading and at most 20 lines; nothing where there are none."""
    if not lines:
        return
    say(f"{title} ({len(lines)}):")
    for line in lines[:_SHOWN]:
        say(f"  {one_line(line)}")
    if len(lines) > _SHOWN:
        say(f"  and {len(lines) - _SHOWN} more; --json lists all")
