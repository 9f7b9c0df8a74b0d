"""Dense disparity for rectified pairs: semi-global matching, checked both ways, holes filled.

Weather needs a disparity in every pixel of both views. Semi-global matching (Hirschmüller, TPAMI
2008; OpenCV's implementation) gives most of them; what fails the left-right check is filled from
the farther of its neighbours in the row, because holes are mostly background that one view does not
see, and then drawn to the edges of the picture. A smooth bright sky cannot be matched and lies at
infinity.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deweather.weather.depth import guided_filter, sky_likeness

Array = NDArray[np.float32]

_PER_PIXEL = 1.5  # Lab units of colour that a pixel of distance counts as
_SPECK = 12  # pixels; smaller islands of a carried disparity are edges torn apart
_STEP = 2.0  # pixels of disparity between neighbours that belong to different islands
_BEHIND = 1.25  # ratio of disparities up to which two neighbours of a hole both are background


def match(left: NDArray[np.uint8], right: NDArray[np.uint8], largest: int = 128) -> Array:
    """Disparity of both views of a rectified pair.

    Args:
        left: (H, W, 3), uint8.
        right: (H, W, 3), uint8.
        largest: largest disparity searched, pixels; rounded up to a multiple of 16.

    Returns:
        (2, H, W), float32, pixels; 0 in the sky, no other holes.
    """
    largest = -(-largest // 16) * 16
    forward = _sgm(left, right, largest)
    backward = _sgm(right[:, ::-1], left[:, ::-1], largest)[:, ::-1]
    found = _agreeing(forward, backward, -1), _agreeing(backward, forward, 1)
    return np.stack([_complete(d, p) for d, p in zip(found, (left, right), strict=True)])


def _complete(disparity: Array, picture: NDArray[np.uint8]) -> Array:
    """Fill the holes of a disparity (H, W) with edges where the picture has them; sky is 0."""
    sky = sky_likeness(picture) > 0.5
    disparity = np.where(sky, 0, disparity).astype(np.float32)
    filled = fill_holes(disparity)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    smooth = np.maximum(guided_filter(grey.astype(np.float32), filled, 8, 1e-3), 0)
    out = np.where(disparity > 0, disparity, np.where(sky, 0, smooth))
    return out.astype(np.float32)


def both_views(
    left: Array,
    right: Array | None = None,
    *,
    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None,
) -> Array:
    """Fill the holes (0) of a left disparity and, if need be, carry it to the right view.

    Args:
        left: (H, W), pixels, 0 where unknown.
        right: the same for the right view, or None to render it from the left one.
        pictures: of both views, (H, W, 3), uint8. With them holes are filled by `fill_by_colour`,
            those of a carried disparity with background, and what looks like sky among them is
            put at infinity (0); without, along the rows.

    Returns:
        (2, H, W), float32.
    """
    if pictures is None:
        filled = fill_holes(left)
        return np.stack([filled, fill_holes(carry_to_right(filled) if right is None else right)])
    filled = fill_by_colour(left, pictures[0])
    if right is not None:
        return np.stack([filled, fill_by_colour(right, pictures[1])])
    other = _without_specks(carry_to_right(filled))
    return np.stack([filled, fill_by_colour(other, pictures[1], behind=True)])


def carry_to_right(left: Array) -> Array:
    """Forward-warp a left disparity (H, W) to the right view; the nearer wins, holes are 0."""
    h, w = left.shape
    rows = np.repeat(np.arange(h), w)
    columns = np.tile(np.arange(w), h)
    d = left.reshape(-1)
    target = np.round(columns - d).astype(np.int64)
    inside = (target >= 0) & (target < w) & (d > 0)
    right = np.zeros(h * w, np.float32)
    np.maximum.at(right, rows[inside] * w + target[inside], d[inside])
    right = right.reshape(h, w)
    # One-pixel cracks open where the surface is stretched; a small median closes them.
    return np.where(right > 0, right, cv2.medianBlur(right, 3))


def fill_holes(disparity: Array) -> Array:
    """Fill zeros from the farther of the nearest known values to the left and right in the row."""
    known = disparity > 0
    h, w = disparity.shape
    if not known.any():
        return disparity.astype(np.float32)
    column = np.broadcast_to(np.arange(w), (h, w))
    before = np.maximum.accumulate(np.where(known, column, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, column, w)[:, ::-1], axis=1)[:, ::-1]
    rows = np.arange(h)[:, None]
    big = np.float32(np.inf)
    from_left = np.where(before >= 0, disparity[rows, before.clip(0)], big)
    from_right = np.where(after < w, disparity[rows, after.clip(max=w - 1)], big)
    filled = np.minimum(from_left, from_right)
    filled = np.where(np.isfinite(filled), filled, np.median(disparity[known]))
    smooth = cv2.medianBlur(filled.astype(np.float32), 5)
    return np.where(known, disparity, smooth).astype(np.float32)


def _without_specks(disparity: Array) -> Array:
    """Zero small islands (H, W): mixed values of an edge, which the warp has carried into a hole."""
    steps = np.round(disparity * 16).clip(0, 32767).astype(np.int16)
    cv2.filterSpeckles(steps, 0, _SPECK, round(16 * _STEP))
    return np.where(steps > 0, disparity, 0).astype(np.float32)


def fill_by_colour(disparity: Array, picture: NDArray[np.uint8], *, behind: bool = False) -> Array:
    """Fill zeros (H, W) from the known value beside, above or below that has most alike a colour.

    So a hole ends where the picture (H, W, 3) has an edge. Holes that look like sky stay 0.

    Args:
        disparity: (H, W), pixels, 0 where unknown.
        picture: (H, W, 3), uint8.
        behind: the holes are background that came into sight: only the farther ones of the known
            neighbours are asked for their colour, those above and below where they are no
            farther off than those in the row.
    """
    known = disparity > 0
    if not known.any():
        return disparity.astype(np.float32)
    lab = cv2.cvtColor(cv2.GaussianBlur(picture, (0, 0), 1.0), cv2.COLOR_RGB2LAB)
    hole = np.nonzero(~known)
    ways = [
        _nearest_known(known, hole, axis, flipped) for axis in (0, 1) for flipped in (False, True)
    ]
    values = [np.where(away > 0, disparity[place], np.inf) for place, away in ways]
    if behind:
        widest = np.maximum(ways[2][1], ways[3][1])
        for i in (0, 1):
            values[i][(ways[i][1] > widest) & (widest > 0)] = np.inf
    limit = np.minimum.reduce(values) * (_BEHIND if behind else np.inf)
    least = np.full(hole[0].shape, np.inf, np.float32)
    best = np.full(hole[0].shape, np.median(disparity[known]), np.float32)
    colour = lab[hole].astype(np.float32)
    for (place, away), value in zip(ways, values, strict=True):
        cost = np.sqrt(((colour - lab[place]) ** 2).sum(1)) + _PER_PIXEL * away
        better = np.isfinite(value) & (value <= limit) & (cost < least)
        least[better], best[better] = cost[better], value[better]
    filled = disparity.astype(np.float32)
    filled[hole] = best
    smooth = np.where(sky_likeness(picture) > 0.5, 0, cv2.medianBlur(filled, 5))
    return np.where(known, disparity, smooth).astype(np.float32)


def _nearest_known(
    known: NDArray[np.bool_], hole: tuple[NDArray[np.intp], ...], axis: int, flipped: bool
) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.intp]]:
    """The last known pixel before each of `hole` (rows, columns) along an axis; flipped, the next.

    Returns its (rows, columns), and how many pixels it is away, 0 where there is none.
    """
    h, w = known.shape
    place = np.arange(known.shape[axis]).reshape((h, 1) if axis == 0 else (1, w))
    if flipped:
        last = np.where(known, place, known.shape[axis])
        last = np.flip(np.minimum.accumulate(np.flip(last, axis), axis=axis), axis)
    else:
        last = np.maximum.accumulate(np.where(known, place, -1), axis=axis)
    found = last[hole]
    there = (found >= 0) & (found < known.shape[axis])
    found = np.where(there, found, 0)
    away = np.where(there, np.abs(found - hole[axis]), 0)
    return ((found, hole[1]) if axis == 0 else (hole[0], found)), away


def _sgm(left: NDArray[np.uint8], right: NDArray[np.uint8], largest: int) -> Array:
    """Disparity of the left view; <= 0 where not found."""
    matcher = cv2.StereoSGBM.create(
        minDisparity=0, numDisparities=largest, blockSize=5, P1=8 * 3 * 25, P2=32 * 3 * 25,
        disp12MaxDiff=-1, uniquenessRatio=5, speckleWindowSize=100, speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )  # fmt: skip
    # Without a margin the first `largest` columns would never be matched.
    pads = [cv2.copyMakeBorder(np.ascontiguousarray(p), 0, 0, largest, 0, cv2.BORDER_REPLICATE)
            for p in (left, right)]  # fmt: skip
    return matcher.compute(*pads)[:, largest:].astype(np.float32) / np.float32(16)


def _agreeing(disparity: Array, other: Array, sign: int) -> Array:
    """Zero where the other view's disparity differs by more than a pixel."""
    w = disparity.shape[1]
    column = np.arange(w)[None, :] + sign * disparity
    target = np.clip(np.round(column), 0, w - 1).astype(np.int64)
    back = np.take_along_axis(other, target, axis=1)
    ok = (disparity > 0) & (np.abs(back - disparity) <= 1)
    return np.where(ok, disparity, 0).astype(np.float32)
