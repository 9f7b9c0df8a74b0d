"""Images as tensors -> restored ones, whole or in overlapping tiles, on the device of the network.

The plan of the tiles and their weights are those of `deweather.inference.tiles`, whose arrays are
worked on in place; tensors stay as they are, so a result can be put together beside them.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from deweather.errors import is_out_of_memory
from deweather.inference.forward import Forward, free_memory
from deweather.inference.hooks import NO_HOOKS, Hooks
from deweather.inference.tiles import SMALLEST, TILE, layout, too_large

logger = logging.getLogger(__name__)


def restore_images_tiled(
    forward: Forward, images: Tensor, *, tile: int = TILE, hooks: Hooks = NO_HOOKS
) -> Tensor:
    """Restore images (B, V, 3, H, W), float32 in [0, 1]; halves the tiles when memory runs out.

    Args:
        forward: the network; tiles of several samples go through it together.
        images: on any device.
        tile: side of a tile, pixels, see `deweather.inference.tiles.layout`.
        hooks: asked before each tile whether to go on.

    Returns:
        The same shape on the device of the network, neither mixed with the images nor clamped.

    Raises:
        Cancelled: the caller asked for it.
        MemoryError: not even the smallest tile fits.
    """
    while True:
        try:
            return _restore(forward, images, tile, hooks)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if tile // 2 < SMALLEST:
                raise too_large(tile, forward.device) from error
        tile //= 2
        logger.warning(
            "out of memory on %s; starting again with tiles of %d pixels", forward.device, tile
        )
        free_memory(forward.device)


def _restore(forward: Forward, images: Tensor, tile: int, hooks: Hooks) -> Tensor:
    _, views, _, height, width = images.shape
    bands, columns = layout(forward.network.needs, views, height, width, tile)
    if len(bands) == len(columns) == 1:
        return forward(images, hooks)
    out = torch.zeros_like(images, device=forward.device)
    for band in bands:
        for column in columns:
            restored = forward(
                images[..., band.start : band.stop, column.start : column.stop], hooks
            )
            rows = slice(band.first - band.start, band.last - band.start)
            inner = slice(column.first - column.start, column.last - column.start)
            across, down = (torch.from_numpy(s.weight).to(out.device) for s in (column, band))
            target = out[..., band.first : band.last, column.first : column.last]
            target += restored[..., rows, inner] * (down[:, None] * across)
    return out
