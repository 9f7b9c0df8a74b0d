"""Middlebury's motorcycle in our own haze and rain -> restored, scored, as sheets of pictures.

The pair ships with scikit-image (D. Scharstein et al., "High-resolution stereo datasets with
subpixel-accurate ground truth", GCPR 2014). It is kept out of all training and checking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from deweather.atomic import replacing
from deweather.errors import MissingExtraError
from deweather.image import Camera
from deweather.image.frames import from_frames, to_frames
from deweather.inference import Restorer
from deweather.metrics import psnr
from deweather.weather import Compose, Haze, Operator, Rain, Scene, Sensor
from deweather.weather.matching import both_views

CAMERA = Camera(focal_length=994.978, baseline=0.193001)
"""Of scikit-image's quarter-size pictures, from its docstring."""

_OFFSET = 31
"""Pixels between the principal points of both cameras (31.086)."""

SEED = 20

_MARGIN = 4  # pixels between the pictures of a sheet
_HEADLINE = 20  # pixels above them, for labels


@dataclass(frozen=True)
class DemoScene:
    """A scene and what the camera saw of it.

    Attributes:
        name: haze, rain or clear.
        weather: in words.
        truth: (1, 2, 3, H, W), without weather.
        seen: the same shape, rounded to 8 bits as in a file.
    """

    name: str
    weather: str
    truth: Tensor
    seen: Tensor


def motorcycle() -> Scene:
    """The clean pair with its measured disparity, about 500x710 pixels, 2 to 5 metres away.

    Middlebury's disparities are counted from principal points that lie `_OFFSET` pixels apart. The
    right picture is cropped by as much, so that disparity d means depth f·B/d.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    try:
        from skimage.data import stereo_motorcycle
    except ImportError as error:
        raise MissingExtraError("scikit-image", "demo") from error
    left, right, measured = stereo_motorcycle()  # type: ignore[no-untyped-call]
    known = np.where(np.isfinite(measured), measured + _OFFSET, 0).astype(np.float32)
    width = left.shape[1] - _OFFSET
    disparity = both_views(known[:, :width])
    frames = to_frames([left[:, :width], right[:, _OFFSET:]])
    return Scene.of(frames, torch.from_numpy(disparity)[None, :, None], CAMERA)


def demo_scenes() -> list[DemoScene]:
    """The motorcycle in haze, in rain with a little mist, and in clear air; always the same."""
    clean = motorcycle()
    grain = Sensor(noise=0.004)
    cases: list[tuple[str, str, Operator]] = [
        (
            "haze",
            "haze, visibility 12 m",
            Compose([Haze(visibility=12.0, airlight=(0.80, 0.82, 0.85), inhomogeneity=0.3), grain]),
        ),
        (
            "rain",
            "rain of 150 mm/h and thin mist",
            Compose([Haze(150.0, airlight=0.8), Rain(150.0, wind=1.5, brightness=2.0), grain]),
        ),
        ("clear", "clear air", Compose([])),
    ]
    scenes = []
    for name, words, operator in cases:
        seen = (operator(clean, SEED).frames * 255).round() / 255
        scenes.append(DemoScene(name, words, clean.frames, seen))
    return scenes


@dataclass(frozen=True)
class DemoScore:
    """PSNR of a scene in dB by `metrics.REPORT`, restored alone (1 view) or as a pair."""

    scene: str
    views: int
    before: float
    after: float


def run_demo(scenes: Sequence[DemoScene], restorer: Restorer, out: Path) -> Iterator[DemoScore]:
    """Restore each scene as a picture and as a pair, write the pictures and yield the scores.

    Args:
        scenes: of `demo_scenes`.
        restorer: takes the weather out.
        out: folder of the sheets; the single pictures go into its folder `pictures`.
    """
    for scene in scenes:
        for views in (1, 2):
            seen, truth = scene.seen[:, :views], scene.truth[:, :views]
            restored = restorer.restore(seen)
            write_sheet(out, scene, seen=seen, restored=restored, truth=truth)
            before, after = (round(float(psnr(x, truth)), 3) for x in (seen, restored))
            yield DemoScore(scene.name, views, before, after)


def write_sheet(
    out: Path, scene: DemoScene, *, seen: Tensor, restored: Tensor, truth: Tensor
) -> None:
    """Write the sheet of a scene, and its single pictures into the folder `pictures`.

    Args:
        out: folder.
        scene: its name and its weather in words are those of files and labels.
        seen: (1, V, 3, H, W), likewise the next two.
        restored: what became of it.
        truth: without weather.
    """
    singles = out / "pictures"
    singles.mkdir(exist_ok=True)
    stereo = seen.shape[1] == 2
    labels = (f"before: {scene.weather}", "after", "truth")
    columns = [[Image.fromarray(a) for a in from_frames(f)] for f in (seen, restored, truth)]
    sides = ("_left", "_right") if stereo else ("",)
    for kind, pictures in zip(("before", "after", "truth"), columns, strict=True):
        for side, picture in zip(sides, pictures, strict=True):
            _save(picture, singles / f"{scene.name}_{kind}{side}.png")
    _save(sheet(columns, labels), out / f"{scene.name}{'_stereo' if stereo else ''}.png")


def sheet(columns: list[list[Image.Image]], labels: tuple[str, ...]) -> Image.Image:
    """Columns of pictures of one size under their labels, one row for each view."""
    width, height = columns[0][0].size
    across, down = width + _MARGIN, height + _MARGIN
    size = (across * len(columns) - _MARGIN, _HEADLINE + down * len(columns[0]) - _MARGIN)
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    for x, (label, pictures) in enumerate(zip(labels, columns, strict=True)):
        draw.text((x * across + 4, 4), label, fill="black")
        for y, picture in enumerate(pictures):
            page.paste(picture, (x * across, _HEADLINE + y * down))
    return page


def _save(image: Image.Image, path: Path) -> None:
    with replacing(path) as file:
        image.save(file, "PNG")
