"""Restoring a picture in overlapping tiles: bounded memory at any size, no seams.

The picture stays where it is, in its own dtype, and becomes the result; only tiles become floats.
Overlaps are blended with raised cosines whose weights add up to one. Tiles are worked from left to
right and from top to bottom; what no later tile touches is written at once, and only overlaps are held
as floats. What a row of tiles was shown is kept until the next one has taken its share.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deweather.image.frames import from_frames, to_frames
from deweather.inference.hooks import NO_HOOKS, Hooks
from deweather.inference.sizes import padded_forward
from deweather.models import Network

logger = logging.getLogger(__name__)

Pixels = NDArray[Any]

TILE = 768
"""Side of a tile in pixels, overlap included; strips of a pair hold as many pixels."""

_SMALLEST = 128
_FADE = 32  # pixels over which neighbours are blended


@dataclass(frozen=True)
class Span:
    """One tile along one axis: what is read, and what is written of it.

    Attributes:
        start, stop: what the network is shown.
        first, last: the part of it that counts; the rest only serves the network as surroundings.
        weight: blending weights of that part.
    """

    start: int
    stop: int
    first: int
    last: int
    weight: NDArray[np.float32]

    @classmethod
    def of(cls, start: int, weight: NDArray[np.float64]) -> Span:
        """The span of a tile from its weights, of which outer ones may be 0."""
        inside = np.flatnonzero(weight)
        first, last = int(inside[0]), int(inside[-1]) + 1
        kept = weight[first:last].astype(np.float32)
        return cls(start, start + len(weight), start + first, start + last, kept)


def spans(length: int, tile: int, overlap: int, multiple: int) -> list[Span]:
    """Cut an axis into tiles that start on multiples of `multiple` and overlap by `overlap` or more.

    Args:
        length: of the axis, pixels.
        tile: length of a tile, pixels.
        overlap: shared by neighbours, pixels; less than `tile`.
        multiple: the grid that tiles start on.

    Returns:
        Spans whose weights add up to one everywhere.
    """
    tile = max(tile // multiple, 1) * multiple
    if tile >= length:
        return [Span.of(0, np.ones(length))]
    step = max((tile - overlap) // multiple, 1) * multiple
    starts = list(range(0, length - tile, step))
    starts.append(-(-(length - tile) // multiple) * multiple)
    total = np.zeros(length, np.float64)
    ramps = []
    for i, start in enumerate(starts):
        stop = min(start + tile, length)
        ramp = np.ones(stop - start)
        # The outer part of an overlap sees a border that is not there: it gets no weight.
        before = starts[i - 1] + tile - start if i > 0 else 0
        after = stop - starts[i + 1] if i + 1 < len(starts) else 0
        if before > 0:
            ramp[:before] = _raised_cosine(before)
        if after > 0:
            ramp[-after:] *= _raised_cosine(after)[::-1]
        total[start:stop] += ramp
        ramps.append((start, stop, ramp))
    return [Span.of(a, ramp / total[a:b]) for a, b, ramp in ramps]


def _raised_cosine(length: int) -> NDArray[np.float64]:
    """Rises from 0 to 1 in the middle of `length` pixels, flat before and after."""
    width = min(_FADE, length / 2)
    x = (np.arange(length) + 0.5 - length / 2) / width + 0.5
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(x, 0, 1))


@dataclass
class _Work:
    """What all tiles of one picture share.

    Attributes:
        tile: side of the tiles that fit into memory, as far as known.
        asked: side of the tiles that were asked for; of these `done` out of `total` are done.
    """

    network: Network
    device: torch.device
    share: float
    tile: int
    hooks: Hooks
    asked: int
    done: int = 0
    total: int = 0


def restore_tiled(
    network: Network,
    views: Sequence[Pixels],
    device: torch.device,
    *,
    tile: int = TILE,
    share: float = 1.0,
    hooks: Hooks = NO_HOOKS,
) -> bool:
    """Restore the views of one picture or pair in place; halves the tiles when memory runs out.

    Args:
        network: on `device`, in eval mode. One that must see whole pictures gets one tile.
        views: one or two arrays (H, W, 3), uint8, uint16 or floating in [0, 1]; they become the result.
        device: where the tiles are worked on.
        tile: side of a tile, pixels; the strips of a pair are as wide as the picture and hold as
            many pixels.
        share: how much of the network's change is made, in [0, 1].
        hooks: progress after each tile, cancel before each.

    Returns:
        Whether a pixel changed.

    Raises:
        Cancelled: the caller asked for it; the views are half done.
        MemoryError: not even the smallest tile fits; the views are half done.
    """
    return _restore(_Work(network, device, share, tile, hooks, asked=tile), views, tile)


def _restore(work: _Work, views: Sequence[Pixels], tile: int) -> bool:
    """Restore views in place with tiles of this size."""
    needs = work.network.needs
    height, width = views[0].shape[:2]
    overlap = min(needs.tile_overlap or 0, 3 * tile // 4)
    rows = tile
    columns = spans(width, tile, overlap, needs.multiple)
    if needs.tile_overlap is None or (len(views) == 2 and needs.whole_rows):
        columns = [Span.of(0, np.ones(width))]
        rows = max(tile * tile // width, 2 * overlap, needs.multiple)
    if needs.tile_overlap is None:
        rows = height + needs.multiple
    changed = False
    bands = spans(height, rows, overlap, needs.multiple)
    if tile == work.asked:
        work.total = len(bands) * len(columns)
    pending = [np.zeros((0, width, 3), np.float32) for _ in views]
    shown = [view[:0] for view in views]
    for i, band in enumerate(bands):
        known = bands[i - 1].stop - band.start if i else 0  # rows that may be overwritten by now
        shown = [
            np.concatenate([old[len(old) - known :], view[band.start + known : band.stop]])
            for old, view in zip(shown, views, strict=True)
        ]
        done = _complete(bands, i)
        kept = [np.empty((band.last - band.first - done, width, 3), np.float32) for _ in views]
        for left, right, parts in _restore_band(work, shown, band, columns, tile):
            for view, part, above, below in zip(views, parts, pending, kept, strict=True):
                part[: len(above)] += above[:, left:right]
                target = view[band.first : band.first + done, left:right]
                changed = _store(target, part[:done]) or changed
                below[:, left:right] = part[done:]
        pending = kept
    return changed


def _complete(tiles: Sequence[Span], index: int) -> int:
    """How many rows (or columns) of what counts of a tile no later tile touches."""
    stop = tiles[index + 1].first if index + 1 < len(tiles) else tiles[index].last
    return stop - tiles[index].first


def _restore_band(
    work: _Work, shown: Sequence[Pixels], band: Span, columns: Sequence[Span], tile: int
) -> Iterator[tuple[int, int, list[NDArray[np.float32]]]]:
    """Restore one row of tiles from left to right.

    Yields:
        First and last column of a part that is complete across, and its weighted values, an array
        (rows that count, columns, 3) for each view. Only what is blended with the next tile is held
        back.
    """
    rows = slice(band.first - band.start, band.last - band.start)
    pending = [np.zeros((band.last - band.first, 0, 3), np.float32) for _ in shown]
    for j, column in enumerate(columns):
        weight = (band.weight[:, None] * column.weight[None, :])[..., None]
        inner = slice(column.first - column.start, column.last - column.start)
        restored = _restore_tile(work, [v[:, column.start : column.stop] for v in shown], tile)
        if tile == work.asked:
            work.done += 1
            work.hooks.report("rain", work.done, work.total)
        parts = [view[rows, inner] * weight for view in restored]
        for part, before in zip(parts, pending, strict=True):
            part[:, : before.shape[1]] += before
        done = _complete(columns, j)
        yield column.first, column.first + done, [part[:, :done] for part in parts]
        pending = [part[:, done:].copy() for part in parts]


def _restore_tile(work: _Work, cut: list[Pixels], tile: int) -> list[NDArray[np.float32]]:
    """Restore one tile; where memory runs out, in smaller ones, and all tiles from then on."""
    work.hooks.check()
    frames = to_frames(cut)
    if tile <= work.tile:
        try:
            given = frames.to(work.device)
            with torch.inference_mode():
                image = padded_forward(work.network, given).float()
                return from_frames(torch.lerp(given, image, work.share), np.float32)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            if tile // 2 < _SMALLEST:
                raise MemoryError(
                    f"a tile of {tile} pixels does not fit in the memory of {work.device}; free "
                    "some, or use the device 'cpu'."
                ) from error
        work.tile = tile // 2
        logger.warning(
            "out of memory on %s; going on with tiles of %d pixels", work.device, work.tile
        )
        if work.device.type == "cuda":
            torch.cuda.empty_cache()
    smaller = from_frames(frames, np.float32)
    _restore(work, smaller, tile // 2)
    return smaller


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "allocate memory" in str(error) or "not enough memory" in str(error)


def _store(target: Pixels, values: NDArray[np.float32]) -> bool:
    """Write values in [0, 1] into rows of a picture, rounded to its dtype; whether any is new."""
    if np.issubdtype(target.dtype, np.integer):
        values = np.rint(values * np.iinfo(target.dtype).max)
    rounded = values.astype(target.dtype)
    changed = not np.array_equal(rounded, target)
    target[...] = rounded
    return changed
