"""Which pictures become which files: jobs from names alone, before the first pixel is read."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deweather.errors import ConfigError, PictureError
from deweather.image import (
    Found,
    OutputFormat,
    find_pairs,
    find_pictures,
    output_name,
    plan_outputs,
    source_name,
)

Source = Path | bytes | BinaryIO
"""A picture file, its content, or a stream of it (open for reading bytes)."""

Target = Path | BinaryIO | type[bytes]
"""A file to be written, a stream, or `bytes`: the content goes into `Outcome.contents`."""

_NO_PARTNER = (
    "it has no partner among the {other} pictures. Give left and right pictures the same names."
)


@dataclass(frozen=True)
class Job:
    """One picture, or the two of a pair, to become as many files. Without streams it can be pickled.

    Attributes:
        sources: one picture, or left and right.
        targets: what is to be written, one for each source; none where there is a problem.
        format: of the targets; "keep" is that of their extension, and of the source without one.
        overwrite: whether targets may replace files; a job whose files are there is done otherwise.
        problem: why it cannot be done, known from the names alone.

    Raises:
        ConfigError: there is not one target for each source.
        PictureError: there is no such format.
    """

    sources: tuple[Source, ...]
    targets: tuple[Target, ...]
    format: OutputFormat = "keep"
    overwrite: bool = False
    problem: str | None = None

    def __post_init__(self) -> None:
        """Give the targets the extension of the format, as writing them will."""
        if self.problem is not None:
            return
        if len(self.sources) != len(self.targets):
            raise ConfigError(
                f"a job with {len(self.sources)} sources and {len(self.targets)} targets; give a "
                "target for each source."
            )
        named = (output_name(t, self.format) if isinstance(t, Path) else t for t in self.targets)
        object.__setattr__(self, "targets", tuple(named))

    def finished(self) -> bool:
        """Whether all outputs are there: `write_picture` makes files appear complete or never."""
        return self.problem is None and all(
            isinstance(target, Path) and target.is_file() for target in self.targets
        )

    @property
    def source_names(self) -> tuple[str, ...]:
        """The sources in words."""
        return tuple(map(source_name, self.sources))

    @property
    def output_names(self) -> tuple[str, ...]:
        """What the job writes, in words."""
        return tuple("<bytes>" if t is bytes else source_name(t) for t in self.targets)

    @property
    def folders(self) -> set[Path]:
        """The folders that the job writes into."""
        return {target.parent for target in self.targets if isinstance(target, Path)}


@dataclass(frozen=True)
class RestoreJob(Job):
    """A job of taking weather out.

    Attributes:
        side_by_side: whether the one picture holds both views.
    """

    side_by_side: bool = False


def plan_restore(
    sources: Sequence[Path],
    out: Path,
    *,
    rights: Sequence[Path] = (),
    side_by_side: bool = False,
    format: OutputFormat = "keep",
    overwrite: bool = False,
) -> list[RestoreJob]:
    """Jobs of restoring files and folders; as `plan_files`.

    Args:
        sources: files and folders; the left views if there are `rights`.
        out: folder of the outputs.
        rights: files and folders of the right views.
        side_by_side: whether each picture holds the left and the right view.
        format: format of the outputs.
        overwrite: whether outputs may replace files, including their own sources.

    Raises:
        PictureError, PairError, ConfigError: as `plan_files`.
    """
    jobs = plan_files(sources, out, rights=rights, format=format, overwrite=overwrite)
    return [RestoreJob(**vars(job), side_by_side=side_by_side) for job in jobs]


def plan_files(
    sources: Sequence[Path],
    out: Path,
    *,
    rights: Sequence[Path] = (),
    format: OutputFormat = "keep",
    overwrite: bool = False,
) -> list[Job]:
    """Which pictures among files and in folders become which files of an output folder.

    Args:
        sources: files and folders; the left views if there are `rights`.
        out: folder of the outputs; those of pairs go into its `left` and `right`. What lies in it
            is never taken as input when it lies within a folder of `sources`.
        rights: files and folders of the right views.
        format: format of the outputs.
        overwrite: whether outputs may replace files, including their own sources.

    Raises:
        PictureError: a source is missing, or there is nothing to do.
        PairError: of left and right no two match. A single one without partner is a job with a
            problem.
        ConfigError: an output would replace an input.
    """
    for source in (*sources, *rights):
        if not os.path.lexists(source):  # unlike Path.is_dir it takes names of any length
            raise PictureError(f"{source}: there is no such file or folder. Check the path.")
    if os.path.lexists(out) and not os.path.isdir(out):
        raise ConfigError(f"--out {out} is a file; name a folder.")
    _keep_apart(sources, rights, out, overwrite)
    if rights:
        jobs = _pairs(sources, rights, out, format, overwrite)
    else:
        items = _without_results(find_pictures(sources), sources, out)
        if not items:
            raise ConfigError(f"all pictures found lie in the output folder {out} itself.")
        plan = plan_outputs(items, out, format)
        jobs = [Job((source,), (target,), format, overwrite) for source, target in plan]
    _protect_inputs(jobs, overwrite)
    return jobs


def _pairs(
    lefts: Sequence[Path], rights: Sequence[Path], out: Path, format: OutputFormat, overwrite: bool
) -> list[Job]:
    pairs, unpaired_lefts, unpaired_rights = find_pairs(lefts, rights)
    # A right view is filed under the left one's name, with an extension that tells its own format.
    as_left = [Found(pair.left, pair.relative) for pair in pairs]
    as_right = [Found(p.right, p.relative.with_suffix(p.right.suffix)) for p in pairs]
    plans = zip(
        plan_outputs(as_left, out / "left", format),
        plan_outputs(as_right, out / "right", format),
        strict=True,
    )
    # Those without a partner come first: a slip in the names shows before hours of work.
    unpaired = [(path, "right") for path in unpaired_lefts]
    unpaired += [(path, "left") for path in unpaired_rights]
    return [
        *(Job((p,), (), problem=_NO_PARTNER.format(other=other)) for p, other in unpaired),
        *(
            Job((left, right), (to_left, to_right), format, overwrite)
            for (left, to_left), (right, to_right) in plans
        ),
    ]


def _keep_apart(
    sources: Sequence[Path], rights: Sequence[Path], out: Path, overwrite: bool
) -> None:
    """Refuse output folders in which results and originals would mix."""
    homes = (out / "left", out / "right") if rights else (out,)
    for folder in filter(Path.is_dir, (*sources, *rights)):
        if not overwrite and any(_same(folder, home) for home in homes):
            raise ConfigError(
                f"--out {out} puts the results into {folder}, among the pictures themselves. Name "
                "another folder, or add --overwrite to replace the pictures."
            )
        if rights and _within(out, folder):
            raise ConfigError(
                f"--out {out} lies within {folder}, whose pictures are matched as pairs. Name a "
                "folder outside of it."
            )


def _without_results(items: list[Found], sources: Sequence[Path], out: Path) -> list[Found]:
    """Leave out what was found in the output folder because that lies within a source folder."""
    around = [s for s in sources if s.is_dir() and _within(out, s) and not _same(out, s)]
    if not around:
        return items
    inside = [s for s in sources if s not in around and _within(s, out)]

    def asked_for(path: Path) -> bool:
        return any(path.is_relative_to(source) for source in inside)

    return [item for item in items if asked_for(item.path) or not _within(item.path, out)]


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _within(path: Path, folder: Path) -> bool:
    """Whether a path lies in a folder at any depth, or is that folder."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _protect_inputs(jobs: Sequence[Job], overwrite: bool) -> None:
    """Refuse to write over an input unless asked, and over that of another job always."""
    readers: dict[tuple[int, int], set[int]] = defaultdict(set)
    for index, job in enumerate(jobs):
        for source in job.sources:
            if (identity := _identity(source)) is not None:
                readers[identity].add(index)
    for index, job in enumerate(jobs):
        for target in job.targets:
            identity = _identity(target)
            if identity is None or not readers[identity]:
                continue
            if not overwrite:
                raise ConfigError(
                    f"{target} is an input and would be replaced. Name another --out folder, or "
                    "add --overwrite to replace it."
                )
            if readers[identity] != {index}:
                raise ConfigError(
                    f"{target} is an input and would be replaced by the result of "
                    f"{job.source_names[0]}. Name another --out folder."
                )


def _identity(file: Source | Target) -> tuple[int, int] | None:
    """What tells whether two names are one file; None where there is no file."""
    if not isinstance(file, Path):
        return None
    try:
        status = file.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
