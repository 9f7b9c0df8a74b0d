"""What a batch says: a bar on a terminal, a line per file elsewhere, JSON for programs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING

import typer

from deweather.cli.console import one_line, say, say_json

if TYPE_CHECKING:
    from deweather.jobs.outcome import Outcome

Sink = Callable[["Outcome"], None]


def report(
    outcomes: Iterable[Outcome],
    ended: list[Outcome],
    total: int,
    *,
    as_json: bool,
    to_stderr: bool = False,
    done: str = "restored",
) -> None:
    """Show outcomes as they come, then a summary on stderr that lists those that failed.

    Args:
        outcomes: the batch at work.
        ended: takes the outcomes as they come.
        total: how many there will be.
        as_json: print one JSON object for each on stdout, and nothing else there.
        to_stderr: print nothing on stdout, which takes the pictures themselves.
        done: what the summary says of those that were done.
    """
    try:
        with ExitStack() as stack:
            sink: Sink = _json if as_json else lambda o: say(describe(o), error=to_stderr)
            if sys.stdout.isatty() and not as_json and not to_stderr:
                sink = _bar(stack, total)
            for outcome in outcomes:
                ended.append(outcome)
                sink(outcome)
        count = Counter(outcome.status for outcome in ended)
        again = "(--overwrite makes them again)"
        skipped = f", {count['skipped']} already there {again}" if count["skipped"] else ""
        cancelled = f", {count['cancelled']} cancelled" if count["cancelled"] else ""
        say(f"{count['done']} {done}{skipped}{cancelled}, {count['failed']} failed", error=True)
    finally:  # also when interrupted: beside a bar failures are shown nowhere else
        for outcome in ended:
            if outcome.status == "failed":
                say(f"failed: {_names(outcome)}: {one_line(outcome.error)}", error=True)


def describe(outcome: Outcome) -> str:
    """One line on an outcome."""
    names = _names(outcome)
    if outcome.status == "failed":
        return f"{names}: failed: {one_line(outcome.error)}"
    if outcome.status == "cancelled":
        return f"{names}: cancelled"
    targets = " + ".join(map(one_line, outcome.outputs))
    if outcome.status == "skipped":
        return f"{names} -> {targets} (exists; --overwrite makes it again)"
    notes = "".join(f" [{one_line(note)}]" for note in outcome.notes)
    return f"{names} -> {targets} ({outcome.seconds:.1f} s){notes}"


def _names(outcome: Outcome) -> str:
    return " + ".join(map(one_line, outcome.sources))


def _json(outcome: Outcome) -> None:
    say_json(outcome.as_dict())


def _bar(stack: ExitStack, total: int) -> Sink:
    """A progress bar that stays as long as the stack; notes are printed above it.

    Failures are only counted: the list at the end says them all, once.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}", style="red"),
        TextColumn("{task.fields[at]}"),
    )
    progress = stack.enter_context(Progress(*columns, console=Console(highlight=False)))
    task = progress.add_task("", total=total, failed="", at="")
    failed = 0

    def sink(outcome: Outcome) -> None:
        nonlocal failed
        failed += outcome.status == "failed"
        if outcome.notes:
            progress.console.print(Text(describe(outcome)), soft_wrap=True)
        # Square brackets in a file name are no markup.
        name = one_line(PurePath(outcome.sources[0]).name).replace("[", "\\[")
        progress.update(task, advance=1, failed=f"{failed} failed" if failed else "", at=name)

    return sink


@contextmanager
def interruptible(total: int, overwrite: bool) -> Iterator[list[Outcome]]:
    """A list for outcomes; Ctrl-C in the block ends the program and says how to continue.

    Args:
        total: how many outcomes there will be.
        overwrite: whether the same command would do again what is done.
    """
    ended: list[Outcome] = []
    try:
        yield ended
    except KeyboardInterrupt as interrupt:
        how = (
            "The same command would start over; leave out --overwrite to keep what is done."
            if overwrite
            else "Give the same command again to continue."
        )
        say(f"Interrupted after {len(ended)} of {total}. {how}", error=True)
        raise typer.Exit(130) from interrupt
