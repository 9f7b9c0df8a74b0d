"""Do no harm: what hardly changes a picture is left out altogether.

A network that was shown clear pictures still changes them a little. The size of its change tells such
pictures from those in bad weather, so up to a threshold nothing is changed, from another on
everything is, and between them the change fades in.

Haze changes whole areas, so for haze the change counts as it is. Rain is fine structure; what a rain
network changes in broad areas is veil, which dry pictures may seem to have, too. So for rain the fine
part of the change decides: a little of it is enough to take the streaks away, and only plenty of it,
certain rain, lets the veil go with them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

HAZE = (0.03, 0.05)
"""Root mean square of the change by a haze network, in sRGB units, up to which it is dropped and from
which it is kept whole. These and the following were chosen on training scenes and real rain."""

STREAKS = (0.006, 0.010)
"""The same for the fine part of the change by a rain network: what becomes of that part."""

VEIL = (0.014, 0.022)
"""And again for the fine part: what becomes of the broad part."""

_NEIGHBOURHOOD = 33  # pixels


def fade(size: float, thresholds: tuple[float, float]) -> float:
    """Share of a change that is kept, in [0, 1], from its size."""
    low, high = thresholds
    x = min(max((size - low) / (high - low), 0.0), 1.0)
    return x * x * (3 - 2 * x)


def rms(change: Tensor) -> float:
    """Root mean square of a change of any shape."""
    return float(change.square().mean().sqrt())


def broad(change: Tensor) -> Tensor:
    """The broad part of a change (B, V, 3, H, W): its mean over a neighbourhood of 33 pixels."""
    height, width = change.shape[-2:]
    side = min(_NEIGHBOURHOOD, height - (height + 1) % 2, width - (width + 1) % 2)
    flat = change.flatten(0, 1)
    for kernel in ((side, 1), (1, side)):
        reach = (kernel[0] // 2, kernel[1] // 2)
        flat = F.avg_pool2d(flat, kernel, 1, reach, count_include_pad=False)
    return flat.view(change.shape)


def blend(frames: Tensor, image: Tensor, fine_share: float, broad_share: float) -> Tensor:
    """Make only shares of the fine and the broad part of a change: (B, V, 3, H, W)."""
    if fine_share == broad_share:
        return torch.lerp(frames, image, fine_share)
    change = image - frames
    wide = broad(change)
    return frames + fine_share * (change - wide) + broad_share * wide
