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
from torch import Tensor

from deweather.errors import is_out_of_memory
from deweather.image.frames import from_frames, to_frames
from deweather.inference.forward import Forward, free_memory
from deweather.inference.hooks import NO_HOOKS, Hooks
from deweather.models import Needs

logger = logging.getLogger(__name__)

Pixels = NDArray[Any]

TILE = 768
"""Side of a tile in pixels, overlap included; strips of a pair hold as many pixels."""

SMALLEST = 128
"""Side below which tiles are not cut, pixels."""

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


def layout(
    needs: Needs, views: int, height: int, width: int, tile: int
) -> tuple[list[Span], list[Span]]:
    """Rows and columns of the tiles of a picture or pair.

    Args:
        needs: of the network; one that must see whole pictures gets one tile.
        views: number of them; the strips of a pair whose rows are compared are as wide as the picture
            and hold as many pixels as a tile.
        height: of the picture, pixels.
        width: of the picture, pixels.
        tile: side of a tile, pixels.
    """
    if needs.tile_overlap is None:
        return [Span.of(0, np.ones(height))], [Span.of(0, np.ones(width))]
    overlap = min(needs.tile_overlap, 3 * tile // 4)
    rows, columns = tile, spans(width, tile, overlap, needs.multiple)
    if views == 2 and needs.whole_rows:
        columns = [Span.of(0, np.ones(width))]
        rows = max(tile * tile // width, 2 * overlap, needs.multiple)
    return spans(height, rows, overlap, needs.multiple), columns


@dataclass
class _Work:
    """What all tiles of one picture share.

    Attributes:
        tile: side of the tiles that fit into memory, as far as known.
        asked: side of the tiles that were asked for; of these `done` out of `total` are done.
    """

    forward: Forward
    share: float
    tile: int
    hooks: Hooks
    asked: int
    done: int = 0
    total: int = 0


def restore_tiled(
    forward: Forward,
    views: Sequence[Pixels],
    *,
    tile: int = TILE,
    share: float = 1.0,
    hooks: Hooks = NO_HOOKS,
) -> bool:
    """Restore the views of one picture or pair in place; halves the tiles when memory runs out.

    Args:
        forward: the network; as many tiles of a row as it takes at once are worked on together.
        views: one or two arrays (H, W, 3), uint8, uint16 or floating in [0, 1]; they become the result.
        tile: side of a tile, pixels, see `layout`.
        share: how much of the network's change is made, 1 is all of it.
        hooks: progress after each tile, cancel before each, or each group that is worked on together.

    Returns:
        Whether a pixel changed.

    Raises:
        Cancelled: the caller asked for it; the views are half done.
        MemoryError: not even the smallest tile fits; the views are half done.
    """
    return _restore(_Work(forward, share, tile, hooks, asked=tile), views, tile)


def _restore(work: _Work, views: Sequence[Pixels], tile: int) -> bool:
    """Restore views in place with tiles of this size."""
    height, width = views[0].shape[:2]
    bands, columns = layout(work.forward.network.needs, len(views), height, width, tile)
    if tile == work.asked:
        work.total = len(bands) * len(columns)
    changed = False
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
                changed = store(target, part[:done]) or changed
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
    for j, (column, restored) in enumerate(_restore_columns(work, shown, columns, tile)):
        weight = (band.weight[:, None] * column.weight[None, :])[..., None]
        inner = slice(column.first - column.start, column.last - column.start)
        parts = [view[rows, inner] * weight for view in restored]
        for part, before in zip(parts, pending, strict=True):
            part[:, : before.shape[1]] += before
        done = _complete(columns, j)
        yield column.first, column.first + done, [part[:, :done] for part in parts]
        pending = [part[:, done:].copy() for part in parts]


def _restore_columns(
    work: _Work, shown: Sequence[Pixels], columns: Sequence[Span], tile: int
) -> Iterator[tuple[Span, list[NDArray[np.float32]]]]:
    """Each tile of a row and what the network makes of its views; equal tiles go in groups."""
    at = 0
    while at < len(columns):
        width = columns[at].stop - columns[at].start
        most = work.forward.batch_size(len(shown[0]), width)
        group = [c for c in columns[at : at + most] if c.stop - c.start == width]
        cuts = torch.cat([to_frames([v[:, c.start : c.stop] for v in shown]) for c in group])
        for column, restored in zip(group, _restore_tiles(work, cuts, tile), strict=True):
            work.hooks.check()
            if tile == work.asked:
                work.done += 1
                work.hooks.report("rain", work.done, work.total)
            yield column, restored
        at += len(group)


def _restore_tiles(work: _Work, cuts: Tensor, tile: int) -> list[list[NDArray[np.float32]]]:
    """The restored views of tiles (n, V, 3, h, w); where memory runs out, in smaller tiles."""
    if tile <= work.tile:
        try:
            image = work.forward(cuts, work.hooks)
            mixed = torch.lerp(cuts.to(image.device), image, work.share)
            return [from_frames(one[None], np.float32) for one in mixed]
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if tile // 2 < SMALLEST:
                raise too_large(tile, work.forward.device) from error
        work.tile = tile // 2
        logger.warning(
            "out of memory on %s; going on with tiles of %d pixels", work.forward.device, work.tile
        )
        free_memory(work.forward.device)
    restored = []
    for cut in cuts:
        smaller = from_frames(cut[None], np.float32)
        _restore(work, smaller, tile // 2)
        restored.append(smaller)
    return restored


def too_large(tile: int, device: torch.device) -> MemoryError:
    """The error for tiles that cannot be made any smaller."""
    return MemoryError(
        f"a tile of {tile} pixels does not fit in the memory of {device}; free some, or use the "
        "device 'cpu'."
    )


def store(target: Pixels, values: NDArray[np.float32]) -> bool:
    """Write values in [0, 1] into rows of a picture, rounded to its dtype; whether any is new."""
    if np.issubdtype(target.dtype, np.integer):
        values = np.rint(values * np.iinfo(target.dtype).max)
    rounded = values.astype(target.dtype)
    changed = not np.array_equal(rounded, target)
    target[...] = rounded
    return changed
