"""Weather taken out of picture files: a job and a restorer in, an outcome out, never an exception."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO, cast

from deweather.atomic import remove_leftovers
from deweather.errors import PictureError
from deweather.image import (
    Picture,
    copy_picture,
    output_kind,
    picture_bytes,
    read_picture,
    read_stream,
    source_name,
    split_side_by_side,
    write_picture,
)
from deweather.inference import Restorer, check_pair
from deweather.jobs.outcome import Outcome, reason
from deweather.jobs.plan import RestoreJob, Source

_READ_AHEAD_BYTES = 16 << 20
"""Files up to this size are read while the one before is restored. Larger ones wait for their turn:
they would double the memory that the largest pictures need."""


@dataclass
class _Read:
    """A picture, and the file that it was read from, or the content of that."""

    picture: Picture
    source: Path | bytes

    def content(self) -> bytes:
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


def run_all(jobs: Sequence[RestoreJob], restorer: Restorer) -> Iterator[Outcome]:
    """Do the jobs one after the other; what goes wrong with one does not stop the others.

    First come the outcomes of those that cannot be done, or are done already, then the others in
    their order. A job that comes twice is done once. At the end the incomplete files that killed
    runs left behind are removed.
    """
    started = time.time()
    pending: Counter[RestoreJob] = Counter()
    for job in jobs:
        if (settled := _settled(job)) is not None:
            yield settled
        else:
            pending[job] += 1
    order = list(pending)
    with ThreadPoolExecutor(1, "read") as reader:
        ahead: Future[list[_Read]] | None = None
        for job, following in zip_longest(order, order[1:]):
            begun = time.perf_counter()
            loading = ahead or reader.submit(_read_all, job)
            wait([loading])
            ahead = reader.submit(_read_all, following) if following and _small(following) else None
            outcome = _restored(job, loading.result, restorer)
            del loading  # and with it the pixels
            yield replace(outcome, seconds=time.perf_counter() - begun)
            for _ in range(pending[job] - 1):
                yield Outcome.of(job, "skipped") if outcome.status == "done" else outcome
    remove_leftovers({folder for job in jobs for folder in job.folders}, started)


def run(job: RestoreJob, restorer: Restorer) -> Outcome:
    """Restore and write the pictures of a job; whatever goes wrong becomes part of the outcome.

    Outputs appear complete or never. Of a job that is done already nothing is read, unless it may
    overwrite.
    """
    if (settled := _settled(job)) is not None:
        return settled
    begun = time.perf_counter()
    outcome = _restored(job, lambda: _read_all(job), restorer)
    return replace(outcome, seconds=time.perf_counter() - begun)


def _settled(job: RestoreJob) -> Outcome | None:
    """The outcome of a job that cannot be done, or is done already."""
    if job.problem is not None:
        return Outcome.of(job, "failed", error=job.problem)
    if job.finished() and not job.overwrite:
        return Outcome.of(job, "skipped")
    return None


def _restored(job: RestoreJob, read: Callable[[], list[_Read]], restorer: Restorer) -> Outcome:
    facts: dict[str, Any] = {}
    try:
        files = read()
        pictures = [file.picture for file in files]
        facts["height"], facts["width"] = pictures[0].pixels.shape[:2]
        changed = _restore_pixels(job, pictures, restorer)
        facts["contents"] = _write_all(job, files, changed)
        facts["notes"] = _notes(pictures)
        return Outcome.of(job, "done", **facts)
    except Exception as error:  # also a lack of memory, or a driver that gives up
        return Outcome.of(job, "failed", error=reason(error, job), **facts)


def _read_all(job: RestoreJob) -> list[_Read]:
    return [_read(source) for source in job.sources]


def _read(source: Source) -> _Read:
    file = source if isinstance(source, Path | bytes) else read_stream(source)
    return _Read(read_picture(file, name=source_name(source)), file)


def _small(job: RestoreJob) -> bool:
    """Whether the files of a job are small; a stream may be of any size."""
    try:
        return sum(map(_size, job.sources)) <= _READ_AHEAD_BYTES
    except OSError:
        return False


def _size(source: Source) -> float:
    if isinstance(source, Path):
        return source.stat().st_size
    return len(source) if isinstance(source, bytes) else float("inf")


def _restore_pixels(job: RestoreJob, pictures: list[Picture], restorer: Restorer) -> bool:
    """Restore the pixels of each file of a job in place; whether any changed."""
    views = [picture.pixels for picture in pictures]
    if not job.side_by_side:
        if len(views) == 2:
            check_pair(views[0], views[1])
        return restorer.restore_in_place(views)
    return restorer.restore_in_place(split_side_by_side(views[0]))


def _write_all(job: RestoreJob, files: list[_Read], changed: bool) -> tuple[bytes, ...]:
    """Write the results; the content of those whose target is `bytes`."""
    contents: list[bytes] = []
    streams: list[tuple[BinaryIO, bytes]] = []
    for target, file in zip(job.targets, files, strict=True):
        path = target if isinstance(target, Path) else None
        # Of a pair that was cut short one file may be there: only the other one is written.
        if path is not None and path.is_file() and not job.overwrite:
            continue
        picture = file.picture
        # Where nothing was changed, and the format stays, the file itself is kept.
        kept = not changed and output_kind(path, picture, job.format) == picture.info.kind
        if path is not None:
            _write_file(path, file, job, kept)
        else:
            content = file.content() if kept else _encoded(picture, job)
            if target is bytes:
                contents.append(content)
            else:
                streams.append((cast(BinaryIO, target), content))
        if not changed:
            _note_unchanged(picture, kept)
    for stream, content in streams:  # all results are complete by now
        _write_stream(stream, content)
    return tuple(contents)


def _encoded(picture: Picture, job: RestoreJob) -> bytes:
    return picture_bytes(picture, picture.pixels, job.format)


def _write_file(path: Path, file: _Read, job: RestoreJob, kept: bool) -> None:
    if kept:
        copy_picture(file.source, path, overwrite=job.overwrite)
    else:
        pixels = file.picture.pixels
        write_picture(path, file.picture, pixels, format=job.format, overwrite=job.overwrite)


def _write_stream(stream: BinaryIO, content: bytes) -> None:
    try:
        stream.write(content)
        stream.flush()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(
            f"{source_name(stream)}: cannot be written ({reason}). Check what reads it."
        ) from error


def _note_unchanged(picture: Picture, kept: bool) -> None:
    if not kept:
        picture.info.note("Nothing was removed.")
        return
    # Of the notes on reading one holds for a copy, too: its further frames were not looked at.
    first = " Only the first of its pictures was looked at." if picture.info.several else ""
    picture.info.notes[:] = [f"Nothing was removed, the file is a copy.{first}"]


def _notes(pictures: list[Picture]) -> tuple[str, ...]:
    """The notes of all pictures; those of one view only say of which."""
    if len(pictures) == 1:
        return tuple(pictures[0].info.notes)
    left, right = (picture.info.notes for picture in pictures)
    both = [note for note in left if note in right]
    lefts = [f"Left: {note}" for note in left if note not in both]
    rights = [f"Right: {note}" for note in right if note not in both]
    return (*both, *lefts, *rights)
