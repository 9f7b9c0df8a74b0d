"""What the benchmark scripts share: the checking scenes, result files, tables."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deweather.data.scenes import StereoPictures, read_pair, read_rgb
from deweather.image.frames import from_frames
from deweather.weather import Scene

RESULTS = Path(__file__).parent / "results"
Pixels = NDArray[np.uint8]


def scene_of(pair: StereoPictures) -> Scene:
    """A stereo scene whose median point is 15 metres away."""
    frames = torch.from_numpy(pair.pair).permute(0, 3, 1, 2)[None].float() / 255
    disparity = torch.from_numpy(pair.disparity.astype(np.float32))[None, :, None]
    focal = torch.tensor([0.9 * pair.pair.shape[2]])
    return Scene(frames, disparity, focal, 15 * disparity.median().clamp_min(0.25)[None] / focal)


def stereo_scenes(data: Path) -> Iterator[tuple[str, Scene]]:
    """The rectified pairs under `stereo_gt` and `stereo`, by name."""
    for folder in sorted((data / "stereo_gt").glob("*/")) + sorted((data / "stereo").glob("*/")):
        yield folder.name, scene_of(read_pair(folder))


def paired_pictures(degraded: Path, clean: Path) -> Iterator[tuple[str, Pixels, Pixels]]:
    """Pictures of two folders that share their stem."""
    for path in sorted(degraded.iterdir()):
        (truth,) = clean.glob(path.stem + ".*")
        yield path.stem, read_rgb(path), read_rgb(truth)


def pixels_of(frames: torch.Tensor) -> list[Pixels]:
    """The views of frames (1, V, 3, H, W) as 8-bit arrays."""
    return from_frames(frames, np.uint8)


def psnr_rgb(views: Sequence[Pixels], clean: Sequence[Pixels]) -> float:
    """PSNR in dB, RGB 8 bit, whole frame, mean over the views, at most 100."""
    out = []
    for a, b in zip(views, clean, strict=True):
        mse = np.mean((a.astype(np.float64) - b) ** 2)
        out.append(100.0 if mse == 0 else min(100.0, 10 * np.log10(255**2 / mse)))
    return float(np.mean(out))


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "cpu_threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def write(name: str, result: dict[str, Any]) -> None:
    """Write a result file."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), **result}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def table(rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; the first row is its head, floats get two decimals."""
    cells = [[f"{c:.2f}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) + " |" for r in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)
