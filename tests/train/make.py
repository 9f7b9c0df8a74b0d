"""Tiny recipes and pictures to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deweather.train.recipe import Recipe
from deweather.train.run import Machine

CPU = Machine("cpu")


def save_picture(path: Path, seed: int, width: int = 80, height: int = 60) -> Path:
    """A smooth picture of random colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def recipe(
    model: str = "stereoirr-tiny", kind: str = "rain", steps: int = 4, **more: Any
) -> Recipe:
    """A recipe of a few small steps; `more` replaces or adds to its sections."""
    values: dict[str, Any] = {
        "name": "t",
        "model": {"name": model},
        "weather": {"kind": kind},
        "data": {"patch": 32, "batch_pictures": 4, "layered_share": 1.0},
        "optimizer": {"warmup": 0},
        "steps": steps,
        "checkpoint_every": 2,
        "log_every": 1,
        "ema": 0.5,
    }
    for name, value in more.items():
        both = isinstance(value, dict) and isinstance(values.get(name), dict)
        values[name] = values[name] | value if both else value
    return Recipe(**values)
