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
from deweather.errors import Cancelled, PictureError
from deweather.image import Picture, read_picture, read_stream, source_name
from deweather.inference import IsCancelled, OnProgress, Restored, Restorer
from deweather.inference.hooks import Hooks
from deweather.jobs.outcome import Outcome, reason
from deweather.jobs.plan import RestoreJob, Source

_READ_AHEAD_BYTES = 16 << 20
"""Files up to this size are read while the one before is restored. Larger ones wait for their turn:
they would double the memory that the largest pictures need."""


@dataclass
class _File:
    """A picture, and the file that it was read from, or the content of that."""

    picture: Picture
    source: Path | bytes


def run_all(
    jobs: Sequence[RestoreJob],
    restorer: Restorer,
    progress: OnProgress | None = None,
    cancelled: IsCancelled | None = None,
) -> Iterator[Outcome]:
    """Do the jobs one after the other; what goes wrong with one does not stop the others.

    First come the outcomes of those that cannot be done, or are done already, then the others in
    their order. A job that comes twice is done once. At the end the incomplete files that killed
    runs left behind are removed.

    Args:
        jobs: of pictures and pairs.
        restorer: takes the weather out.
        progress: as for `run`.
        cancelled: as for `run`; once it is True all jobs that are left are cancelled.
    """
    started = time.time()
    pending: Counter[RestoreJob] = Counter()
    for job in jobs:
        if (settled := _settled(job)) is not None:
            yield settled
        else:
            pending[job] += 1
    order, hooks = list(pending), Hooks(progress, cancelled)
    with ThreadPoolExecutor(1, "read") as pool:
        reader = _Reader(pool)
        for job, following in zip_longest(order, order[1:]):
            reader.following = following
            outcome = _restored(job, reader.read, restorer, hooks)
            yield outcome
            for _ in range(pending[job] - 1):
                yield Outcome.of(job, "skipped") if outcome.status == "done" else outcome
    remove_leftovers({folder for job in jobs for folder in job.folders}, started)


def run(
    job: RestoreJob,
    restorer: Restorer,
    progress: OnProgress | None = None,
    cancelled: IsCancelled | None = None,
) -> Outcome:
    """Restore and write the pictures of a job; whatever goes wrong becomes part of the outcome.

    Outputs appear complete or never. Of a job that is done already nothing is read, unless it may
    overwrite.

    Args:
        job: a picture or a pair.
        restorer: takes the weather out.
        progress: told after each step of a stage, in this thread.
        cancelled: asked before each step, at least once a tile. Once it is True nothing is written.
    """
    if (settled := _settled(job)) is not None:
        return settled
    return _restored(job, _read_all, restorer, Hooks(progress, cancelled))


class _Reader:
    """Reads the files of jobs in their order, small ones while the job before is restored.

    Attributes:
        following: the job after the one that is read next.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.following: RestoreJob | None = None
        self._pool = pool
        self._ahead: Future[list[_File]] | None = None

    def read(self, job: RestoreJob) -> list[_File]:
        loading = self._ahead or self._pool.submit(_read_all, job)
        wait([loading])
        self._ahead = None
        if self.following is not None and _is_small(self.following):
            self._ahead = self._pool.submit(_read_all, self.following)
        return loading.result()


def _settled(job: RestoreJob) -> Outcome | None:
    """The outcome of a job that cannot be done, or is done already."""
    if job.problem is not None:
        return Outcome.of(job, "failed", error=job.problem)
    if job.finished() and not job.overwrite:
        return Outcome.of(job, "skipped")
    return None


def _restored(
    job: RestoreJob, read: Callable[[RestoreJob], list[_File]], restorer: Restorer, hooks: Hooks
) -> Outcome:
    begun = time.perf_counter()
    facts: dict[str, Any] = {}
    try:
        hooks.check()
        files = read(job)
        facts["height"], facts["width"] = files[0].picture.pixels.shape[:2]
        restored = restorer.restore_pictures(
            [file.picture for file in files],
            side_by_side=job.side_by_side,
            progress=hooks.progress,
            cancelled=hooks.cancelled,
        )
        facts["contents"] = _write_all(job, files, restored)
        facts["notes"] = _notes([file.picture for file in files])
        outcome = Outcome.of(job, "done", **facts)
    except Cancelled:
        outcome = Outcome.of(job, "cancelled", **facts)
    except Exception as error:  # also a lack of memory, or a driver that gives up
        outcome = Outcome.of(job, "failed", error=reason(error, job), **facts)
    return replace(outcome, seconds=time.perf_counter() - begun)


def _read_all(job: RestoreJob) -> list[_File]:
    return [_read(source) for source in job.sources]


def _read(source: Source) -> _File:
    file = source if isinstance(source, Path | bytes) else read_stream(source)
    return _File(read_picture(file, name=source_name(source)), file)


def _is_small(job: RestoreJob) -> bool:
    """Whether the files of a job are small; a stream may be of any size."""
    try:
        return sum(map(_size, job.sources)) <= _READ_AHEAD_BYTES
    except OSError:
        return False


def _size(source: Source) -> float:
    if isinstance(source, Path):
        return source.stat().st_size
    return len(source) if isinstance(source, bytes) else float("inf")


def _write_all(
    job: RestoreJob, files: Sequence[_File], restored: Sequence[Restored]
) -> tuple[bytes, ...]:
    """Write the results; the content of those whose target is `bytes`."""
    contents: list[bytes] = []
    streams: list[tuple[BinaryIO, bytes]] = []
    for target, file, result in zip(job.targets, files, restored, strict=True):
        if isinstance(target, Path):
            # Of a pair that was cut short one file may be there: only the other one is written.
            if job.overwrite or not target.is_file():
                result.write(target, source=file.source, format=job.format, overwrite=job.overwrite)
        elif target is bytes:
            contents.append(result.content(source=file.source, format=job.format))
        else:
            content = result.content(source=file.source, format=job.format)
            streams.append((cast(BinaryIO, target), content))
    for stream, content in streams:  # all results are complete by now
        _write_stream(stream, content)
    return tuple(contents)


def _write_stream(stream: BinaryIO, content: bytes) -> None:
    try:
        stream.write(content)
        stream.flush()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(
            f"{source_name(stream)}: cannot be written ({reason}). Check what reads it."
        ) from error


def _notes(pictures: list[Picture]) -> tuple[str, ...]:
    """The notes of all pictures; those of one view only say of which."""
    if len(pictures) == 1:
        return tuple(pictures[0].info.notes)
    left, right = (picture.info.notes for picture in pictures)
    both = [note for note in left if note in right]
    lefts = [f"Left: {note}" for note in left if note not in both]
    rights = [f"Right: {note}" for note in right if note not in both]
    return (*both, *lefts, *rights)
