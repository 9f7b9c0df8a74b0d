"""Weather put into clear picture files: a job in, pictures, a record and an outcome out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from deweather.atomic import remove_leftovers
from deweather.image import Picture, read_picture, write_picture
from deweather.image.disparity import Quantity
from deweather.image.frames import from_frames, to_frames
from deweather.inference import check_pair
from deweather.jobs.memory import check_memory
from deweather.jobs.outcome import Outcome, reason
from deweather.jobs.plan import Job
from deweather.jobs.simulation_record import is_finished, record_of, write_record
from deweather.jobs.weather_ranges import WeatherRanges
from deweather.weather import Scene
from deweather.weather.geometry import PartialCamera, find_geometry

_BYTES_PER_PIXEL = 256  # of each view at the peak: measured up to 220, with all options


@dataclass(frozen=True)
class SimulateJob(Job):
    """A job of putting weather into a picture or pair.

    Attributes:
        weather: what is put in; ranges are drawn from by the seed.
        camera: as far as it is known.
        map_file: disparity or depth of the (left) picture.
        quantity: what such files hold; None where there are none.
        seed: of the weather.
        record: the JSON file that says how the picture came about.
    """

    sources: tuple[Path, ...]
    targets: tuple[Path, ...]
    _: KW_ONLY
    weather: WeatherRanges
    camera: PartialCamera
    map_file: Path | None = None
    quantity: Quantity | None = None
    seed: int = 0
    record: Path

    @property
    def output_names(self) -> tuple[str, ...]:
        """What the job writes: the pictures and the record."""
        return (*super().output_names, str(self.record))

    @property
    def folders(self) -> set[Path]:
        """The folders that the job writes into."""
        return super().folders | {self.record.parent}


def run_all(jobs: Sequence[SimulateJob]) -> Iterator[Outcome]:
    """Do the jobs in order; what goes wrong with one does not stop the others.

    At the end the incomplete files that killed runs left behind are removed.
    """
    started = time.time()
    for job in jobs:
        yield run(job)
    remove_leftovers({folder for job in jobs for folder in job.folders}, started)


def run(job: SimulateJob) -> Outcome:
    """Put weather into a picture or pair; whatever goes wrong becomes part of the outcome.

    A picture is finished once its record says so. One that is there with other settings, or
    without a record, is left alone and the job fails, unless it may overwrite.
    """
    if job.problem is not None:
        return Outcome.of(job, "failed", error=job.problem)
    begun = time.perf_counter()
    facts: dict[str, Any] = {}
    try:
        if not job.overwrite and is_finished(job):
            outcome = Outcome.of(job, "skipped")
        else:
            _simulate(job, facts)
            outcome = Outcome.of(job, "done", **facts)
    except Exception as error:  # also a lack of memory
        outcome = Outcome.of(job, "failed", error=reason(error, job), **facts)
    return replace(outcome, seconds=time.perf_counter() - begun)


def _simulate(job: SimulateJob, facts: dict[str, Any]) -> None:
    """Make and write the pictures; width, height and notes go into `facts` as they are known."""
    pictures = [read_picture(source) for source in job.sources]
    views = [picture.pixels for picture in pictures]
    facts["height"], facts["width"] = views[0].shape[:2]
    if len(views) == 2:
        check_pair(views[0], views[1])
    check_memory(views, _BYTES_PER_PIXEL)
    geometry = find_geometry(
        views,
        job.camera,
        map_file=job.map_file,
        quantity=job.quantity or "disparity",
        seed=job.seed,
    )
    scene = Scene.of(to_frames(views), geometry.disparity, geometry.camera)
    drawn = job.weather.drawn(job.seed)
    degraded = drawn.operators()(scene, job.seed)
    record = record_of(job, drawn, scene, geometry, degraded)
    _write_all(job, pictures, degraded.frames, record)
    facts["notes"] = tuple(dict.fromkeys(n for p in pictures for n in p.info.notes))


def _write_all(
    job: SimulateJob, pictures: list[Picture], frames: Tensor, record: dict[str, Any]
) -> None:
    """Write record and pictures, so that a killed run is told from a finished one.

    First a record that says it is not finished, by which the next run knows the pictures for its
    own; then the pictures; then the record as it stays.
    """
    write_record(job.record, record)
    arrays = from_frames(frames, pictures[0].pixels.dtype)
    for target, picture, pixels in zip(job.targets, pictures, arrays, strict=True):
        write_picture(target, picture, pixels, format=job.format, overwrite=True)
    write_record(job.record, {**record, "finished": True})
