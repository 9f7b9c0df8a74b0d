"""Which clear pictures become which simulated ones: file jobs, disparity files and seeds in, jobs out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deweather.image.disparity import SUFFIXES, Quantity
from deweather.jobs.plan import Job
from deweather.jobs.simulate import SimulateJob
from deweather.jobs.weather_ranges import WeatherRanges
from deweather.weather.geometry import PartialCamera


def plan_simulation(
    jobs: Sequence[Job],
    out: Path,
    weather: WeatherRanges,
    camera: PartialCamera,
    *,
    source: Path,
    maps: Path | None = None,
    quantity: Quantity | None = None,
    seed: int = 0,
    count: int = 1,
) -> list[SimulateJob]:
    """What is to be made of each picture or pair, `count` times.

    The seeds go round all pictures before the second result of the first, so more results can be
    asked for later without a seed being used twice.

    Args:
        jobs: the pictures and where they go, as `plan_files` gives them.
        out: folder of the outputs; the records go into its `records`.
        weather: what is put into them.
        camera: as far as it is known.
        source: the picture, or the folder in which they were found.
        maps: disparity or depth of the picture, or a folder of files named like the pictures.
        quantity: what `maps` holds.
        seed: of the first result.
        count: results of each picture; with more than one they are numbered.
    """
    records = out / "records"
    shared: dict[str, Any] = {"weather": weather, "camera": camera, "quantity": quantity}
    planned = []
    for job in jobs:
        if job.problem is not None:
            record = records / f"{Path(job.source_names[0]).name}.json"
            planned.append(SimulateJob(**vars(job), **shared, seed=seed, record=record))
    sound = [job for job in jobs if job.problem is None]
    for n in range(count * len(sound)):
        copy, index = divmod(n, len(sound))
        job = SimulateJob(**vars(sound[index]), **shared, seed=seed + n, record=records)
        targets = tuple(_numbered(target, copy, count) for target in job.targets)
        name = targets[0].relative_to(out / "left" if len(targets) == 2 else out)
        record = records / name.with_name(name.name + ".json")
        planned.append(_with_map(replace(job, targets=targets, record=record), source, maps))
    return planned


def _numbered(target: Path, copy: int, count: int) -> Path:
    return target if count == 1 else target.with_name(f"{target.stem}_{copy:04d}{target.suffix}")


def _with_map(job: SimulateJob, source: Path, maps: Path | None) -> SimulateJob:
    """The job with its disparity or depth file, or with the problem that there is none."""
    if maps is None or not maps.is_dir():
        return replace(job, map_file=maps)
    stem = maps / job.sources[0].relative_to(source)
    for suffix in SUFFIXES:
        file = stem.with_suffix(suffix)
        if file.is_file():
            return replace(job, map_file=file)
    problem = f"there is no {stem.with_suffix('')} with extension {', '.join(SUFFIXES)} for it."
    return replace(job, problem=problem)
