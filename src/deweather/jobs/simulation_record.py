"""The record of a simulated picture: what was asked for, drawn and assumed, as JSON beside it.

From a record the picture can be made again, and a finished picture is told from one that a killed run
left, or that was made otherwise.
"""

from __future__ import annotations

import json
import math
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deweather._version import __version__
from deweather.atomic import write_whole
from deweather.errors import ConfigError, PictureError
from deweather.jobs.known_camera import assumptions, camera_parameters
from deweather.jobs.parameters import Parameters, format_parameters
from deweather.jobs.weather_ranges import WeatherRanges
from deweather.weather import Degraded, Scene
from deweather.weather.geometry import Geometry

if TYPE_CHECKING:
    from deweather.jobs.simulate import SimulateJob


def request_of(job: SimulateJob) -> dict[str, Any]:
    """What a job asks for; equal requests make equal pictures of equal sources."""
    return {
        "seed": job.seed,
        "haze": format_parameters(job.weather.haze) or None,
        "rain": format_parameters(job.weather.rain) or None,
        "camera": format_parameters(camera_parameters(job.camera)) or None,
        "geometry": job.quantity if job.map_file else None,
        "views": len(job.sources),
    }


def is_finished(job: SimulateJob) -> bool:
    """Whether the job is done already, by its record.

    Raises:
        PictureError: outputs are there that were made otherwise, or not by this job.
    """
    there = [target for target in job.targets if os.path.lexists(target)]
    try:
        record = json.loads(job.record.read_text(encoding="utf-8"))
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
            f"{job.record} exists and is no record of this command. Name another folder, or add "
            "--overwrite to replace it."
        ) from error
    request = request_of(job)
    if asked != request and finished:
        other = ", ".join(key for key in request if asked.get(key) != request[key])
        raise PictureError(
            f"{job.record.with_suffix('').name} exists with other settings ({other}). Name "
            "another folder, or add --overwrite to replace it."
        )
    return finished and len(there) == len(job.targets)


def record_of(
    job: SimulateJob, drawn: WeatherRanges, scene: Scene, geometry: Geometry, degraded: Degraded
) -> dict[str, Any]:
    """The record of a picture that is not written yet.

    Args:
        job: what was asked for.
        drawn: the weather of this picture, without ranges.
        scene: the clear scene.
        geometry: its disparity and where that comes from.
        degraded: the scene in the weather.
    """
    height, width = scene.frames.shape[-2:]
    return {
        "deweather": __version__,
        "torch": torch.__version__,
        "finished": False,
        "sources": [str(source) for source in job.sources],
        "outputs": [str(target) for target in job.targets],
        "request": request_of(job),
        "again": _command(job, drawn),
        "width": width,
        "height": height,
        "geometry": _described(
            geometry, scene, assumptions(job.camera, len(job.sources), job.quantity)
        ),
        "haze": _plain(drawn.haze),
        "rain": _plain(drawn.rain),
        "drawn": {name: _summary(value) for name, value in degraded.record.items()},
    }


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record whole: there is never half of one.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(record, indent=1) + "\n").encode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}).") from error


def _command(job: SimulateJob, drawn: WeatherRanges) -> str:
    """A command that makes the same pixels, in the folder `again`."""
    words = ["deweather", "simulate", str(job.sources[0])]
    if len(job.sources) == 2:
        words += ["--right", str(job.sources[1])]
    if job.map_file is not None:
        words += [f"--{job.quantity}", str(job.map_file)]
    parts = {"camera": camera_parameters(job.camera), "haze": drawn.haze, "rain": drawn.rain}
    for option, values in parts.items():
        if values:
            words += [f"--{option}", format_parameters(values)]
    words += ["--seed", str(job.seed), "--out", "again"]
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


def _plain(values: Parameters) -> dict[str, Any] | None:
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
