"""Putting weather into many pictures and pairs, with a record of each from which it can be remade.

This imports torch; the verb imports it once its arguments have turned out well.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deweather._version import __version__
from deweather.atomic import write_whole
from deweather.errors import ConfigError, PictureError
from deweather.image import OutputFormat, Picture, read_picture, write_picture
from deweather.image.frames import from_frames, to_frames
from deweather.inference import check_pair
from deweather.jobs.geometry import Geometry, Rig, check_memory, geometry_of
from deweather.jobs.parameters import HAZE, RAIN, Range, Settings, Single, Table, between, show
from deweather.jobs.plan import Job
from deweather.jobs.restore import Outcome, reason, remove_leftovers
from deweather.weather import Compose, Operator, Rain, Scene
from deweather.weather.operator import generators
from deweather.weather.presets import haze_of
from deweather.weather.streams import DrawStream


@dataclass(frozen=True)
class Task:
    """One picture or pair to be made.

    Attributes:
        job: its files; the last of the targets is the record.
        seed: of its weather.
        map_file: disparity or depth of the (left) picture.
    """

    job: Job
    seed: int
    map_file: Path | None = None

    @property
    def record(self) -> Path:
        """The JSON file that says how the picture came about."""
        return self.job.targets[-1]


@dataclass(frozen=True)
class Weather:
    """What was asked for; numbers may be ranges.

    Attributes:
        haze: parameters of the haze; empty is none.
        rain: parameters of the rain; empty is none.
    """

    haze: Settings
    rain: Settings

    def check(self) -> None:
        """Build the operators at both ends of all ranges, which checks every value.

        Raises:
            ConfigError: a value is out of its range, or one that is needed is missing.
        """
        for share in (0.0, 1.0):
            _operators(
                {key: _at(value, share, key) for key, value in self.haze.items()},
                {key: _at(value, share, key) for key, value in self.rain.items()},
            )

    def drawn(self, seed: int) -> Weather:
        """The weather of one picture: a number drawn for each range."""
        return Weather(_draw(self.haze, HAZE, seed, "haze"), _draw(self.rain, RAIN, seed, "rain"))

    def operators(self) -> Compose:
        """The operators; there must be no ranges left."""
        return _operators(self.haze, self.rain)

    def options(self) -> list[str]:
        """The weather as options of the command line."""
        both = (("--haze", self.haze), ("--rain", self.rain))
        return [word for option, values in both if values for word in (option, show(values))]


def _at(value: Single | Range, share: float, key: str) -> Single:
    return between(value, share, key) if isinstance(value, Range) else value


def _draw(values: Settings, table: Table, seed: int, kind: str) -> Settings:
    """Replace ranges; a parameter's draw does not depend on which others are ranges."""
    (generator,) = generators(seed, 1, DrawStream.of_range(kind))
    shares = torch.rand(len(table), generator=generator, dtype=torch.float64).tolist()
    share = dict(zip(table, shares, strict=True))
    return {key: _at(value, share[key], key) for key, value in values.items()}


def _operators(haze: dict[str, Any], rain: dict[str, Any]) -> Compose:
    operators: list[Operator] = []
    if haze:
        operators.append(haze_of(haze))
    if rain:
        operators.append(Rain(**rain))
    return Compose(operators)


def simulate_all(
    tasks: Sequence[Task], weather: Weather, rig: Rig, *, format: OutputFormat, overwrite: bool
) -> Iterator[Outcome]:
    """Do the tasks in order; what goes wrong with one does not stop the others.

    A picture is finished once its record says so. One that is there with other settings, or
    without a record, is left alone and fails, unless `overwrite`.
    """
    started = time.time()
    for task in tasks:
        if task.job.problem is not None:
            yield Outcome(task.job, "failed", error=task.job.problem)
            continue
        begun = time.perf_counter()
        outcome = Outcome(task.job, "done")
        try:
            _simulate(task, weather, rig, format, outcome, overwrite)
        except Exception as error:  # also a lack of memory
            outcome.status, outcome.error = "failed", _why(error, task.job)
        outcome.seconds = time.perf_counter() - begun
        yield outcome
    remove_leftovers({target.parent for task in tasks for target in task.job.targets}, started)


def _why(error: Exception, job: Job) -> str:
    if isinstance(error, RuntimeError) and "allocate memory" in str(error):
        return reason(MemoryError(), job)
    return reason(error, job)


def _simulate(
    task: Task,
    weather: Weather,
    rig: Rig,
    format: OutputFormat,
    outcome: Outcome,
    overwrite: bool,
) -> None:
    request = {
        "seed": task.seed,
        "haze": show(weather.haze) or None,
        "rain": show(weather.rain) or None,
        "camera": show(rig.settings()) or None,
        "geometry": rig.source if task.map_file else None,
        "views": len(task.job.sources),
    }
    if not overwrite and _finished(task, request):
        outcome.status = "skipped"
        return
    pictures = [read_picture(source) for source in task.job.sources]
    views = [picture.pixels for picture in pictures]
    outcome.height, outcome.width = views[0].shape[:2]
    if len(views) == 2:
        check_pair(views[0], views[1])
    check_memory(views)
    geometry = geometry_of(views, rig, task.map_file, task.seed)
    scene = Scene.of(to_frames(views), geometry.disparity, geometry.camera)
    drawn = weather.drawn(task.seed)
    degraded = drawn.operators()(scene, task.seed)
    record = {
        "deweather": __version__,
        "torch": torch.__version__,
        "finished": False,
        "sources": [str(source) for source in task.job.sources],
        "outputs": [str(target) for target in task.job.targets[:-1]],
        "request": request,
        "again": _command(task, drawn, rig),
        "width": outcome.width,
        "height": outcome.height,
        "geometry": _described(geometry, scene, rig.assumptions(len(views))),
        "haze": _plain(drawn.haze),
        "rain": _plain(drawn.rain),
        "drawn": {name: _summary(value) for name, value in degraded.record.items()},
    }
    _write_all(task, pictures, degraded.frames, record, format)
    outcome.notes = list(dict.fromkeys(n for p in pictures for n in p.info.notes))


def _finished(task: Task, request: dict[str, Any]) -> bool:
    """Whether the task is done already.

    Raises:
        PictureError: outputs are there that were made otherwise, or not by this verb.
    """
    there = [target for target in task.job.targets[:-1] if os.path.lexists(target)]
    try:
        record = json.loads(task.record.read_text(encoding="utf-8"))
        finished, asked = bool(record["finished"]), dict(record["request"])
    except FileNotFoundError:
        if there:
            raise PictureError(
                f"{there[0]} exists and has no record, so it was not made by this command. Name "
                "another folder, or add --overwrite to replace it."
            ) from None
        return False
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PictureError(
            f"{task.record} exists and is no record of this command. Name another folder, or add "
            "--overwrite to replace it."
        ) from error
    if asked != request and finished:
        other = ", ".join(key for key in request if asked.get(key) != request[key])
        raise PictureError(
            f"{task.record.with_suffix('').name} exists with other settings ({other}). Name "
            "another folder, or add --overwrite to replace it."
        )
    return finished and len(there) == len(task.job.targets) - 1


def _write_all(
    task: Task,
    pictures: list[Picture],
    frames: Tensor,
    record: dict[str, Any],
    format: OutputFormat,
) -> None:
    """Write record and pictures, so that a killed run is told from a finished one.

    First a record that says it is not finished, by which the next run knows the pictures for its
    own; then the pictures; then the record as it stays.
    """
    _write_json(task.record, record)
    arrays = from_frames(frames, pictures[0].pixels.dtype)
    for target, picture, pixels in zip(task.job.targets[:-1], pictures, arrays, strict=True):
        write_picture(target, picture, pixels, format=format, overwrite=True)
    _write_json(task.record, {**record, "finished": True})


def _write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON whole: there is never half a record."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(value, indent=1) + "\n").encode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}).") from error


def _command(task: Task, drawn: Weather, rig: Rig) -> str:
    """A command that makes the same pixels, in the folder `again`."""
    words = ["deweather", "simulate", str(task.job.sources[0])]
    if len(task.job.sources) == 2:
        words += ["--right", str(task.job.sources[1])]
    if task.map_file is not None:
        words += [f"--{rig.source}", str(task.map_file)]
    if camera := show(rig.settings()):
        words += ["--camera", camera]
    words += [*drawn.options(), "--seed", str(task.seed), "--out", "again"]
    return shlex.join(words)


def _described(geometry: Geometry, scene: Scene, assumed: list[str]) -> dict[str, Any]:
    depth = scene.depth().flatten()[:: max(1, scene.depth().numel() // 100_000)]
    near, middle, far = depth.quantile(depth.new_tensor([0.05, 0.5, 0.95])).tolist()
    return {
        "source": geometry.source,
        "focal": geometry.camera.focal_length,
        "baseline": geometry.camera.baseline,
        "depth_5_50_95_percent": [near, middle, far],
        "assumed": assumed,
    }


def _plain(values: Settings) -> dict[str, Any] | None:
    if not values:
        return None
    return {k: _number(v) if isinstance(v, float) else v for k, v in values.items()}


def _number(value: float) -> float | str:
    """A number; infinity, which JSON lacks, as text."""
    return value if math.isfinite(value) else str(value)


def _summary(value: Tensor) -> Any:
    """A parameter of the one picture, or mean, least and largest value of a map."""
    if value.ndim <= 1:
        return _number(float(value.reshape(-1)[0]))
    if value.ndim == 2:
        return [_number(number) for number in value[0].tolist()]
    value = value.float()
    parts = (("mean", value.mean()), ("min", value.min()), ("max", value.max()))
    return {name: _number(float(part)) for name, part in parts}
