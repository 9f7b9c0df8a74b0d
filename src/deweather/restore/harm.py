"""Do no harm: what hardly changes a picture is left out altogether.

A network that was shown clear pictures still changes them a little. The root mean square of its change
tells such pictures from those in bad weather, so below a threshold nothing is changed, above another
everything is, and between them the change fades in.
"""

from __future__ import annotations

import torch
from torch import Tensor

THRESHOLDS: dict[str, tuple[float, float]] = {"haze": (0.0, 1e-9), "rain": (0.006, 0.012)}
"""Root mean square of the change, in sRGB units, up to which a task's change is dropped and from
which it is kept whole. Chosen on training scenes, in clear air and in light weather."""


def strength(change: Tensor, task: str) -> Tensor:
    """Share of a change that is kept, in [0, 1], from its root mean square (any shape)."""
    low, high = THRESHOLDS[task]
    x = ((change - low) / (high - low)).clamp(0, 1)
    return x * x * (3 - 2 * x)


def settle(frames: Tensor, image: Tensor, task: str) -> Tensor:
    """Fade a restoration out where it changes too little to be one.

    Args:
        frames: (B, V, 3, H, W), what the network was given.
        image: the same shape, what it gave back.
        task: "haze" or "rain".

    Returns:
        (B, V, 3, H, W); the views of a pair are faded alike, so they stay consistent.
    """
    change = (image - frames).square().mean((1, 2, 3, 4), keepdim=True).sqrt()
    return torch.lerp(frames, image, strength(change, task))
