"""Sheets of real photographs in bad weather before and after, for looking at.

    python benchmarks/figures/real_sheet.py FOLDER --weather haze --out sheet.png [--columns 3]

There is no truth to compare with, so no number is printed but how much each picture changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from deweather.image import find_pictures, read_picture
from deweather.inference import Restorer


def main() -> None:
    """Restore every picture of a folder and lay them out, before beside after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weather", default="auto")
    parser.add_argument("--weights", action="append", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--height", type=int, default=260)
    parser.add_argument("--only", type=int, nargs="*", default=None)
    args = parser.parse_args()
    restorer = Restorer(args.weather, weights=args.weights, device="cpu")
    cells = []
    for number, found in enumerate(find_pictures([args.folder])):
        if args.only is not None and number not in args.only:
            continue
        picture = read_picture(found.path)
        (after,) = restorer.restore_views([picture.pixels])
        change = np.sqrt(np.mean((after.astype(float) - picture.pixels) ** 2))
        print(f"{number:3d} {found.relative}  rms change {change:.1f} of 255", flush=True)
        both = np.hstack([picture.pixels, after])
        scale = args.height / both.shape[0]
        cell = cv2.resize(both, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cv2.putText(cell, str(number), (6, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 0), 2)
        cells.append(cell)
    rows = []
    for start in range(0, len(cells), args.columns):
        rows.append(np.hstack(cells[start : start + args.columns]))
    width = max(r.shape[1] for r in rows)
    padded = [np.pad(r, ((0, 4), (0, width - r.shape[1]), (0, 0))) for r in rows]
    cv2.imwrite(str(args.out), np.vstack(padded)[..., ::-1])


if __name__ == "__main__":
    main()
