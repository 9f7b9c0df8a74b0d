"""What a batch says: a bar on a terminal, a line per file elsewhere, JSON for programs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from deweather.cli.console import one_line, say, say_json

if TYPE_CHECKING:
    from deweather.jobs.plan import Job
    from deweather.jobs.restore import Outcome

Sink = Callable[["Outcome"], None]


def report(
    outcomes: Iterable[Outcome],
    ended: list[Outcome],
    total: int,
    *,
    as_json: bool,
    done: str = "restored",
) -> None:
    """Show outcomes as they come, then a summary on stderr that lists those that failed.

    Args:
        outcomes: the batch at work.
        ended: takes the outcomes as they come.
        total: how many there will be.
        as_json: print one JSON object for each on stdout, and nothing else there.
        done: what the summary says of those that were done.
    """
    try:
        with ExitStack() as stack:
            sink: Sink = _json if as_json else _line
            if sys.stdout.isatty() and not as_json:
                sink = _bar(stack, total)
            for outcome in outcomes:
                ended.append(outcome)
                sink(outcome)
        count = Counter(outcome.status for outcome in ended)
        again = "(--overwrite makes them again)"
        skipped = f", {count['skipped']} already there {again}" if count["skipped"] else ""
        say(f"{count['done']} {done}{skipped}, {count['failed']} failed", error=True)
    finally:  # also when interrupted: beside a bar failures are shown nowhere else
        for outcome in ended:
            if outcome.status == "failed":
                say(f"failed: {_names(outcome.job)}: {one_line(outcome.error)}", error=True)


def describe(outcome: Outcome) -> str:
    """One line on an outcome."""
    names = _names(outcome.job)
    if outcome.status == "failed":
        return f"{names}: failed: {one_line(outcome.error)}"
    targets = " + ".join(one_line(target) for target in outcome.job.targets)
    if outcome.status == "skipped":
        return f"{names} -> {targets} (exists; --overwrite makes it again)"
    notes = "".join(f" [{one_line(note)}]" for note in outcome.notes)
    return f"{names} -> {targets} ({outcome.seconds:.1f} s){notes}"


def _names(job: Job) -> str:
    return " + ".join(one_line(source) for source in job.sources)


def _line(outcome: Outcome) -> None:
    say(describe(outcome))


def _json(outcome: Outcome) -> None:
    job = outcome.job
    say_json(
        {
            "source": str(job.sources[0]),
            "right": str(job.sources[1]) if len(job.sources) == 2 else None,
            "outputs": [] if outcome.status == "failed" else [str(t) for t in job.targets],
            "status": outcome.status,
            "seconds": round(outcome.seconds, 3),
            "width": outcome.width,
            "height": outcome.height,
            "notes": outcome.notes,
            "error": outcome.error,
        }
    )


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
        name = one_line(outcome.job.sources[0].name).replace("[", "\\[")
        progress.update(task, advance=1, failed=f"{failed} failed" if failed else "", at=name)

    return sink
