"""Restoring many files with one restorer: what goes wrong with one does not stop the others.

This imports torch; the verb imports it once its arguments have turned out well.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from deweather.errors import DeweatherError
from deweather.image import (
    OutputFormat,
    Picture,
    copy_picture,
    read_picture,
    split_side_by_side,
    write_picture,
)
from deweather.inference import Restorer, check_pair
from deweather.jobs.plan import Job

Array = NDArray[Any]

_READ_AHEAD_BYTES = 16 << 20
"""Files up to this size are read while the one before is restored. Larger ones wait for their turn:
they would double the memory that the largest pictures need."""

_LEFTOVER = re.compile(r"\.dw-[0-9a-f]{12}\.tmp")
"""Names under which `write_picture` builds a file before it is complete."""


@dataclass
class Outcome:
    """What became of a job.

    Attributes:
        job: the job.
        status: whether it was done now, had been done before, or failed.
        seconds: it took, from waiting for the pixels to the file written.
        width: of the picture as stored upright, of each view where they are two files.
        height: likewise.
        notes: what was changed or lost, in plain sentences.
        error: why it failed.
    """

    job: Job
    status: Literal["done", "skipped", "failed"]
    seconds: float = 0.0
    width: int | None = None
    height: int | None = None
    notes: list[str] = field(default_factory=list)
    error: str | None = None


def restore_all(
    jobs: Sequence[Job], restorer: Restorer, *, format: OutputFormat, overwrite: bool
) -> Iterator[Outcome]:
    """Do the jobs in order; those that are finished are skipped unless `overwrite`.

    At the end the incomplete files that killed runs left behind are removed.
    """
    started = time.time()
    pending: list[Job] = []
    for job in jobs:
        if job.problem is not None:
            yield Outcome(job, "failed", error=job.problem)
        elif job.finished() and not overwrite:
            yield Outcome(job, "skipped")
        else:
            pending.append(job)
    with ThreadPoolExecutor(1, "read") as reader:
        ahead: Future[list[Picture]] | None = None
        for job, following in zip_longest(pending, pending[1:]):
            begun = time.perf_counter()
            loading = ahead or reader.submit(_read, job)
            wait([loading])
            ahead = reader.submit(_read, following) if following and _small(following) else None
            outcome = _restore(job, loading, restorer, format, overwrite)
            del loading  # and with it the pixels
            outcome.seconds = time.perf_counter() - begun
            yield outcome
    remove_leftovers({target.parent for job in jobs for target in job.targets}, started)


def _read(job: Job) -> list[Picture]:
    return [read_picture(source) for source in job.sources]


def _small(job: Job) -> bool:
    try:
        return sum(source.stat().st_size for source in job.sources) <= _READ_AHEAD_BYTES
    except OSError:
        return False


def _restore(
    job: Job,
    loading: Future[list[Picture]],
    restorer: Restorer,
    format: OutputFormat,
    overwrite: bool,
) -> Outcome:
    """Restore and write the pictures of a job; whatever goes wrong becomes part of the outcome."""
    outcome = Outcome(job, "done")
    try:
        pictures = loading.result()
        outcome.height, outcome.width = pictures[0].pixels.shape[:2]
        changed = _restore_pixels(job, pictures, restorer)
        for target, source, picture in zip(job.targets, job.sources, pictures, strict=True):
            # Of a pair that was cut short one file may be there: only the other one is written.
            if overwrite or not target.is_file():
                _write(target, source, picture, changed=changed, format=format, overwrite=overwrite)
        outcome.notes = _notes(pictures)
    except Exception as error:  # also a lack of memory, or a driver that gives up
        outcome.status, outcome.error = "failed", reason(error, job)
    return outcome


def _write(
    target: Path,
    source: Path,
    picture: Picture,
    *,
    changed: bool,
    format: OutputFormat,
    overwrite: bool,
) -> None:
    """Write a result; where nothing was changed, and the format stays, the file itself is kept."""
    if not changed and target.suffix.lower() == source.suffix.lower():
        copy_picture(source, target, overwrite=overwrite)
        # Of the notes on reading one holds for a copy, too: its further frames were not looked at.
        first = " Only the first of its pictures was looked at." if picture.info.several else ""
        picture.info.notes[:] = [f"Nothing was removed, the file is a copy.{first}"]
        return
    write_picture(target, picture, picture.pixels, format=format, overwrite=overwrite)
    if not changed:
        picture.info.note("Nothing was removed.")


def _restore_pixels(job: Job, pictures: list[Picture], restorer: Restorer) -> bool:
    """Restore the pixels of each file of a job in place; whether any changed."""
    views = [picture.pixels for picture in pictures]
    if not job.side_by_side:
        if len(views) == 2:
            check_pair(views[0], views[1])
        return restorer.restore_in_place(views)
    return restorer.restore_in_place(split_side_by_side(views[0]))


def _notes(pictures: list[Picture]) -> list[str]:
    """The notes of all pictures; those of one view only say of which."""
    if len(pictures) == 1:
        return list(pictures[0].info.notes)
    left, right = (picture.info.notes for picture in pictures)
    both = [note for note in left if note in right]
    lefts = [f"Left: {note}" for note in left if note not in both]
    rights = [f"Right: {note}" for note in right if note not in both]
    return both + lefts + rights


def reason(error: Exception, job: Job) -> str:
    """Why a job failed, without the name of its source, which is shown beside it."""
    if isinstance(error, MemoryError):
        return "the picture does not fit into memory. Close other programs or reduce it."
    if not isinstance(error, DeweatherError):
        return f"{type(error).__name__}: {error}"
    text = str(error)
    return text.removeprefix(f"{job.sources[0]}: ") if len(job.sources) == 1 else text


def remove_leftovers(folders: set[Path], before: float) -> None:
    """Remove incomplete files that killed runs left in output folders.

    Only those last written before this run began: another run may be at work on newer ones.
    """
    for folder in folders:
        with suppress(OSError):
            for path in folder.iterdir():
                if _LEFTOVER.fullmatch(path.name) and path.stat().st_mtime < before:
                    path.unlink(missing_ok=True)
