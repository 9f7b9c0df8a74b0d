"""Makes the picture of docs/weather.md: visibility by rain rate, left and right view.

    python benchmarks/figures/weather_grid.py

The scene is scikit-image's motorcycle pair with its measured disparity, taken as though the rig and all
distances were three times as large: then there is room for rain between camera and motorcycle. A part
of the pictures is shown, at full resolution.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deweather.jobs.demo import motorcycle
from deweather.weather import Compose, Haze, Rain

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import pixels_of

OUT = Path(__file__).parents[2] / "docs" / "weather_grid.jpg"
LARGER = 3.0
VISIBILITIES = (float("inf"), 60.0, 20.0)  # metres
RATES = (0.0, 8.0, 30.0, 100.0)  # mm/h
WINDOW = (slice(90, 340), slice(170, 550))  # rows and columns of the part that is shown
SEED = 3
GAP = 6
HEADLINE = 26


def sheet() -> NDArray[np.uint8]:
    """Rows of rain rates, columns of visibilities, each a left and a right view."""
    near = motorcycle()
    clear = replace(near, baseline=LARGER * near.baseline)
    rows = []
    for rate in RATES:
        cells = []
        for visibility in VISIBILITIES:
            weather = Compose(
                [Haze(visibility, airlight=0.85), Rain(rate, wind=1.0, brightness=1.5)]
            )
            views = [view[WINDOW] for view in pixels_of(weather(clear, SEED).frames)]
            far = "clear air" if visibility == float("inf") else f"visibility {visibility:.0f} m"
            cells.append(labelled(np.hstack(views), f"{far}, rain {rate:.0f} mm/h"))
        rows.append(joined(cells, axis=1))
    return joined(rows, axis=0)


def labelled(picture: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """The picture under a white headline."""
    head = np.full((HEADLINE, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(head, text, (2, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([head, picture])


def joined(parts: list[NDArray[np.uint8]], axis: int) -> NDArray[np.uint8]:
    """Parts side by side (axis 1) or one below the other (axis 0), with white between them."""
    shape = list(parts[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 255, np.uint8)
    spaced = [piece for part in parts for piece in (gap, part)][1:]
    return np.concatenate(spaced, axis=axis)


def main() -> None:
    """Write the sheet."""
    cv2.imwrite(str(OUT), sheet()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 72])
    print(f"{OUT}: {OUT.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
