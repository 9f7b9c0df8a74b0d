"""An installation -> what is wrong with it: versions, devices, weights, and a picture restored twice."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import PIL
import torch
from torch import Tensor

from deweather._version import __version__
from deweather.image import Camera
from deweather.inference import Restorer
from deweather.inference.networks import DEFAULTS
from deweather.weather import Compose, Haze, Rain, Scene
from deweather.weights import find_weights, list_weights


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    ok: bool
    detail: str


def find_versions() -> dict[str, str]:
    """Versions of what restoring stands on."""
    return {
        "deweather": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "Pillow": PIL.__version__,
        "OpenCV": cv2.__version__,
    }


def find_devices() -> list[str]:
    """What networks can run on here, best last."""
    devices = [f"cpu, {torch.get_num_threads()} threads"]
    if torch.backends.mps.is_available():
        devices.append("mps")
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        devices.append(f"cuda:{index}, {facts.name}, {facts.total_memory / 2**30:.0f} GiB")
    return devices


def check_weights() -> list[Check]:
    """Every bundled file is the one of its card, and each task has its default."""

    def checksum(name: str) -> Callable[[], str]:
        return lambda: f"{find_weights(name).name} is the file of its card"

    names = sorted({*list_weights(), *DEFAULTS.values()})
    return [_check(f"weights {name}", checksum(name)) for name in names]


def check_restoring(device: str) -> list[Check]:
    """Load the bundled networks onto a device and restore small synthetic pictures with them."""
    restorers: list[Restorer] = []

    def load() -> str:
        restorers.append(Restorer("auto", device=device))
        return f"loaded onto {restorers[0].device}"

    loading = _check("networks", load)
    if not loading.ok:
        return [loading]
    return [
        loading,
        _check("restores a picture", lambda: restore_twice(restorers[0], views=1)),
        _check("restores a pair", lambda: restore_twice(restorers[0], views=2)),
    ]


def _check(name: str, test: Callable[[], str]) -> Check:
    try:
        return Check(name, True, test())
    except Exception as error:  # whatever is wrong with the installation, say it
        kind = "" if str(error) else type(error).__name__
        return Check(name, False, f"{kind}{error}")


def restore_twice(restorer: Restorer, views: int) -> str:
    """Restore a synthetic scene in haze and rain twice and look at the results.

    Raises:
        RuntimeError: they are not finite, in range, of the size given, or not twice the same.
    """
    frames = synthetic_weather(views)
    first, second = (restorer.restore(frames) for _ in range(2))
    if first.shape != frames.shape:
        raise RuntimeError(f"the shape is {tuple(first.shape)}, not {tuple(frames.shape)}")
    if not bool(torch.isfinite(first).all()):
        raise RuntimeError("there are values that are not finite")
    low, high = float(first.min()), float(first.max())
    if low < 0 or high > 1:
        raise RuntimeError(f"values go from {low:.4f} to {high:.4f}, beyond [0, 1]")
    apart = float((first - second).abs().max())
    # Graphics cards may add in another order each time; the CPU may not.
    if apart > (0 if restorer.device.type == "cpu" else 1 / 255):
        raise RuntimeError(f"two runs differ by up to {apart:.5f}")
    change = float((first - frames).abs().mean() * 255)
    height, width = np.asarray(frames.shape[-2:])
    return f"{width}x{height}, finite, in range, repeatable, mean change {change:.1f} of 255"


def synthetic_weather(views: int) -> Tensor:
    """Frames (1, views, 3, 96, 128) of blocks on a slope in haze and rain, always the same."""
    generator = torch.Generator().manual_seed(7)
    colours = torch.rand(1, 1, 3, 12, 16, generator=generator)
    clean = colours.repeat_interleave(8, -1).repeat_interleave(8, -2).expand(1, views, 3, 96, 128)
    disparity = torch.linspace(1, 8, 96).view(1, 1, 1, 96, 1).expand(1, views, 1, 96, 128)
    scene = Scene.of(clean, disparity, Camera(focal_length=100.0, baseline=0.5))
    return Compose([Haze(visibility=60.0), Rain(rate=40.0)])(scene, seed=7).frames
