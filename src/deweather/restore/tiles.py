"""Restoring a picture in overlapping tiles: bounded memory at any size, no seams.

The picture stays where it is, in its own dtype; only tiles become floats. Overlaps are blended with
raised cosines whose weights add up to one. Tiles are worked from left to right and from top to
bottom; what no later tile touches is written at once, and only overlaps are held as floats.
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
from deweather.models import Network
from deweather.restore.sizes import padded_forward

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


def restore_tiled(
    network: Network,
    views: Sequence[Pixels],
    device: torch.device,
    *,
    tile: int = TILE,
    share: float = 1.0,
) -> list[Pixels]:
    """Restore the views of one picture or pair; halves the tiles when memory runs out.

    Args:
        network: on `device`, in eval mode. One that must see whole pictures gets one tile.
        views: one or two arrays (H, W, 3), uint8, uint16 or floating in [0, 1].
        device: where the tiles are worked on.
        tile: side of a tile, pixels; the strips of a pair are as wide as the picture and hold as
            many pixels.
        share: how much of the network's change is made, in [0, 1].

    Returns:
        New arrays of the same shapes and dtypes.

    Raises:
        MemoryError: not even the smallest tile fits.
    """
    while True:
        try:
            return _restore(network, views, device, tile, share)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            if tile // 2 < _SMALLEST:
                raise MemoryError(
                    f"a tile of {tile} pixels does not fit in the memory of {device}; free some, or "
                    "use the device 'cpu'."
                ) from error
            tile //= 2
            logger.warning("out of memory on %s; going on with tiles of %d pixels", device, tile)
            if device.type == "cuda":
                torch.cuda.empty_cache()


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "allocate memory" in str(error) or "not enough memory" in str(error)


def _restore(
    network: Network,
    views: Sequence[Pixels],
    device: torch.device,
    tile: int,
    share: float,
) -> list[Pixels]:
    """One attempt with tiles of this size."""
    needs = network.needs
    height, width = views[0].shape[:2]
    overlap = min(needs.tile_overlap or 0, 3 * tile // 4)
    rows = tile
    columns = spans(width, tile, overlap, needs.multiple)
    if needs.tile_overlap is None or (len(views) == 2 and needs.whole_rows):
        columns = [Span.of(0, np.ones(width))]
        rows = max(tile * tile // width, 2 * overlap, needs.multiple)
    if needs.tile_overlap is None:
        rows = height + needs.multiple
    results = [np.empty_like(view) for view in views]
    pending = [np.zeros((0, width, 3), np.float32) for _ in views]
    bands = spans(height, rows, overlap, needs.multiple)
    for i, band in enumerate(bands):
        done = _complete(bands, i)
        kept = [np.empty((band.last - band.first - done, width, 3), np.float32) for _ in views]
        for left, right, parts in _restore_band(network, views, device, band, columns, share):
            for result, part, above, below in zip(results, parts, pending, kept, strict=True):
                part[: len(above)] += above[:, left:right]
                _store(result[band.first : band.first + done, left:right], part[:done])
                below[:, left:right] = part[done:]
        pending = kept
    return results


def _complete(tiles: Sequence[Span], index: int) -> int:
    """How many rows (or columns) of what counts of a tile no later tile touches."""
    stop = tiles[index + 1].first if index + 1 < len(tiles) else tiles[index].last
    return stop - tiles[index].first


def _restore_band(
    network: Network,
    views: Sequence[Pixels],
    device: torch.device,
    band: Span,
    columns: Sequence[Span],
    share: float,
) -> Iterator[tuple[int, int, list[NDArray[np.float32]]]]:
    """Restore one row of tiles from left to right.

    Yields:
        First and last column of a part that is complete across, and its weighted values, an array
        (rows that count, columns, 3) for each view. Only what is blended with the next tile is held
        back.
    """
    rows = slice(band.first - band.start, band.last - band.start)
    pending = [np.zeros((band.last - band.first, 0, 3), np.float32) for _ in views]
    for j, column in enumerate(columns):
        cut = [v[band.start : band.stop, column.start : column.stop] for v in views]
        frames = to_frames(cut).to(device)
        with torch.inference_mode():
            image = torch.lerp(frames, padded_forward(network, frames).float(), share)
        weight = (band.weight[:, None] * column.weight[None, :])[..., None]
        inner = slice(column.first - column.start, column.last - column.start)
        parts = [tile[rows, inner] * weight for tile in from_frames(image, np.float32)]
        for part, before in zip(parts, pending, strict=True):
            part[:, : before.shape[1]] += before
        done = _complete(columns, j)
        yield column.first, column.first + done, [part[:, :done] for part in parts]
        pending = [part[:, done:].copy() for part in parts]


def _store(target: Pixels, values: NDArray[np.float32]) -> None:
    """Write values in [0, 1] into rows of a picture, rounded to its dtype."""
    if np.issubdtype(target.dtype, np.integer):
        values = np.rint(values * np.iinfo(target.dtype).max)
    target[...] = values
