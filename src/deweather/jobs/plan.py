"""Which pictures become which files, settled before the first pixel is read."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deweather.errors import ConfigError, PictureError
from deweather.image import Found, OutputFormat, find_pairs, find_pictures, plan_outputs

_NO_PARTNER = (
    "it has no partner among the {other} pictures. Give left and right pictures the same names."
)


@dataclass(frozen=True)
class Job:
    """One picture, or the two of a pair, to be restored.

    Attributes:
        sources: one file, or left and right.
        targets: the files to be written, one for each source; none where there is a problem.
        side_by_side: whether the one picture holds both views.
        problem: why it cannot be done, known from the names alone.
    """

    sources: tuple[Path, ...]
    targets: tuple[Path, ...]
    side_by_side: bool = False
    problem: str | None = None

    def finished(self) -> bool:
        """Whether all outputs are there: `write_picture` makes files appear complete or never."""
        return self.problem is None and all(target.is_file() for target in self.targets)


def plan_jobs(
    sources: Sequence[Path],
    out: Path,
    *,
    rights: Sequence[Path] = (),
    side_by_side: bool = False,
    format: OutputFormat = "keep",
    overwrite: bool = False,
) -> list[Job]:
    """What a call of `deweather restore` has to do.

    Args:
        sources: files and folders; the left views if there are `rights`.
        out: folder of the outputs; those of pairs go into its `left` and `right`. What lies in it
            is never taken as input when it lies within a folder of `sources`.
        rights: files and folders of the right views.
        side_by_side: whether each picture holds the left and the right view.
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
        jobs = _pairs(sources, rights, out, format)
    else:
        items = _without_results(find_pictures(sources), sources, out)
        if not items:
            raise ConfigError(f"all pictures found lie in the output folder {out} itself.")
        plan = plan_outputs(items, out, format)
        jobs = [Job((source,), (target,), side_by_side) for source, target in plan]
    _protect_inputs(jobs, overwrite)
    return jobs


def _pairs(
    lefts: Sequence[Path], rights: Sequence[Path], out: Path, format: OutputFormat
) -> list[Job]:
    pairs, lonely_lefts, lonely_rights = find_pairs(lefts, rights)
    # A right view is filed under the left one's name, with an extension that tells its own format.
    as_left = [Found(pair.left, pair.relative) for pair in pairs]
    as_right = [Found(p.right, p.relative.with_suffix(p.right.suffix)) for p in pairs]
    plans = zip(
        plan_outputs(as_left, out / "left", format),
        plan_outputs(as_right, out / "right", format),
        strict=True,
    )
    # Those without a partner come first: a slip in the names shows before hours of work.
    lonely = [(path, "right") for path in lonely_lefts] + [(path, "left") for path in lonely_rights]
    return [
        *(Job((path,), (), problem=_NO_PARTNER.format(other=other)) for path, other in lonely),
        *(Job((left, right), (to_left, to_right)) for (left, to_left), (right, to_right) in plans),
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
                    f"{job.sources[0]}. Name another --out folder."
                )


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells whether two names are one file; None where there is no file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
