"""Makes the picture of the README: input, restored and truth, in haze and in rain.

    python benchmarks/figures/before_after.py

The scene is scikit-image's motorcycle pair, the weather that of `deweather demo`; each row is the left
view, restored as part of its pair without options.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from deweather.inference import Restorer
from deweather.jobs.demo import demo_scenes

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import pixels_of

OUT = Path(__file__).parents[2] / "docs" / "before_after.jpg"
WIDTH = 1200


def main() -> None:
    """Restore the hazy and the rainy pair and write the sheet."""
    restorer = Restorer("auto", device="cpu")
    rows = []
    for scene in demo_scenes():
        if scene.name == "clear":
            continue
        seen, truth = pixels_of(scene.seen), pixels_of(scene.truth)
        after = restorer.restore_views(seen)
        rows.append(np.hstack([seen[0], after[0], truth[0]]))
    sheet = np.vstack(rows)
    scale = WIDTH / sheet.shape[1]
    sheet = cv2.resize(sheet, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(OUT), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
