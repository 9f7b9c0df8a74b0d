"""Shared by the benchmark scripts: checking scenes, cases to score, result files, tables."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import markdown_table
import numpy as np
import torch
from numpy.typing import NDArray

from deweather.data import PictureSet, SceneLibrary
from deweather.data.scene_library import StereoPictures
from deweather.image.frames import from_frames, to_frames
from deweather.jobs.evaluate import Case
from deweather.weather import Scene, random_haze, random_rain

RESULTS = Path(__file__).parent / "results"
Pixels = NDArray[np.uint8]


def scene_of(pair: StereoPictures) -> Scene:
    """A stereo scene whose median point is 15 metres away."""
    disparity = torch.from_numpy(pair.disparity.astype(np.float32))[None, :, None]
    focal = torch.tensor([0.9 * pair.pair.shape[2]])
    baseline = 15 * disparity.median().clamp_min(0.25)[None] / focal
    return Scene(to_frames(list(pair.pair)), disparity, focal, baseline)


def pixels_of(frames: torch.Tensor) -> list[Pixels]:
    """The views of frames (1, V, 3, H, W) as 8-bit arrays."""
    return from_frames(frames, np.uint8)


def simulated(data: Path, kind: str, seeds: int) -> Iterator[Case]:
    """The clean pairs of a folder in random weather of our simulator, `seeds` draws a scene.

    Args:
        data: holds stereo_gt/ and stereo/.
        kind: haze; rain, to come out as the clean scene; or streaks, the same rain, to come out without
            its streaks but with its veil.
        seeds: draws of each scene.
    """
    for number, pair in enumerate(SceneLibrary.read(data).pairs):
        scene = scene_of(pair)
        for draw in range(seeds):
            seed = 1000 * number + draw
            if kind == "haze":
                example = random_haze(scene, seed, clear_share=0)
            else:
                veil = kind == "streaks"
                example = random_rain(scene, seed, clear_share=0, haze_share=0, keep_veil=veil)
            name = f"{Path(pair.id).name}#{draw}"
            yield Case.of(name, pixels_of(example.degraded), pixels_of(example.target))


def clear(data: Path) -> Iterator[Case]:
    """Clear pictures that are to stay as they are: single ones, then pairs."""
    for folder in (data / "rain100l/clean", data / "its/clear"):
        for number, sample in enumerate((found := PictureSet.find(folder, "clear")).samples):
            views = found.load(number).clean
            yield Case.of(sample.id, views, views)
    for pair in SceneLibrary.read(data).pairs:
        views = list(pair.pair)
        yield Case.of(Path(pair.id).name, views, views)


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "cpu_threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def read(name: str) -> dict[str, Any]:
    """A result file."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def write(name: str, result: dict[str, Any]) -> None:
    """Write a result file."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), **result}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table whose cells are padded, for reading in a terminal."""
    return markdown_table.table(head, rows, aligned=True)
