"""Taking rain out of a picture of any size in tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray

from deweather.models import Network
from deweather.restore.tiles import TILE, restore_tiled

Pixels = NDArray[Any]


def derain(
    network: Network, views: Sequence[Pixels], device: torch.device, *, tile: int | None = None
) -> list[Pixels]:
    """Take rain out of the views of one picture or pair.

    Args:
        network: on `device`, in eval mode.
        views: one or two arrays (H, W, 3), uint8, uint16 or floating in [0, 1].
        device: where the network runs.
        tile: side of the tiles, pixels; None takes the default.

    Returns:
        New arrays of the same shapes and dtypes.
    """
    return restore_tiled(network, views, device, tile=tile or TILE)
