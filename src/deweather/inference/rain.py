"""Taking rain out of a picture of any size in tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deweather.image.frames import to_frames
from deweather.inference.hooks import NO_HOOKS, Hooks
from deweather.inference.sizes import padded_forward
from deweather.inference.thresholds import STREAKS, WET, darkened_streaks, fade
from deweather.inference.tiles import TILE, restore_tiled
from deweather.models import Network

Pixels = NDArray[Any]

_PROBE = 256  # side of the pieces that are looked at first, pixels
_PROBES = 3  # of them along each axis at most


def derain(
    network: Network,
    views: Sequence[Pixels],
    device: torch.device,
    *,
    tile: int | None = None,
    skip_clear: bool = False,
    hooks: Hooks = NO_HOOKS,
) -> bool:
    """Take rain out of the views of one picture or pair, in place.

    Args:
        network: on `device`, in eval mode.
        views: one or two arrays (H, W, 3), uint8, uint16 or floating in [0, 1]; they become the result.
        device: where the network runs.
        tile: side of the tiles, pixels; None takes the default.
        skip_clear: leave pictures alone that hardly change, see `deweather.inference.thresholds`. A large
            picture is judged by pieces spread over it, so a clear one costs little.
        hooks: progress and cancel.

    Returns:
        Whether a pixel changed.

    Raises:
        Cancelled: the caller asked for it; the views may be half done.
    """
    share = fade(size_of_rain(network, views, device, hooks), STREAKS) if skip_clear else 1.0
    if share == 0:
        hooks.report("rain", 1, 1)
        return False
    return restore_tiled(network, views, device, tile=tile or TILE, share=share, hooks=hooks)


def size_of_rain(
    network: Network, views: Sequence[Pixels], device: torch.device, hooks: Hooks = NO_HOOKS
) -> float:
    """Size of the streaks on pieces spread over the picture, to be held against `thresholds.STREAKS`."""
    height, width = views[0].shape[:2]
    blocks = []
    for top in _starts(height):
        for left in _starts(width):
            hooks.check()
            piece = [v[top : top + _PROBE, left : left + _PROBE] for v in views]
            frames = to_frames(piece).to(device)
            with torch.inference_mode():
                image = padded_forward(network, frames).float().clamp(0, 1)
            blocks.append(darkened_streaks(frames, image))
    return float(torch.cat(blocks).quantile(1 - WET))


def _starts(length: int) -> list[int]:
    """Where the pieces begin along an axis: evenly spread, not overlapping unless they must."""
    count = min(_PROBES, max(1, length // _PROBE))
    return (
        [round(i) for i in np.linspace(0, max(length - _PROBE, 0), count)]
        if count > 1
        else [max(length - _PROBE, 0) // 2]
    )
