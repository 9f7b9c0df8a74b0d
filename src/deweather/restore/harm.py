"""Do no harm: what hardly changes a picture is left out altogether.

A network that was shown clear pictures still changes them a little. The size of its change tells such
pictures from those in bad weather, so up to a threshold nothing is changed, from another on
everything is, and between them the change fades in. Haze changes whole areas, so for haze the change
counts as it is. Rain is fine structure: what a rain network changes in broad areas is veil, which dry
pictures may seem to have too, so for rain only the part counts that stands out from its neighbourhood.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

THRESHOLDS: dict[str, tuple[float, float]] = {"haze": (0.035, 0.06), "rain": (0.014, 0.022)}
"""Size of the change, in sRGB units, up to which a task's change is dropped and from which it is
kept whole. Chosen on training scenes, in clear air and in light weather."""

_NEIGHBOURHOOD = 33  # pixels


def size_of_change(frames: Tensor, image: Tensor, task: str) -> float:
    """Root mean square of what a network changed, or of its fine part where the task is rain.

    Args:
        frames: (B, V, 3, H, W), what the network was given.
        image: the same shape, what it gave back.
        task: "haze" or "rain".
    """
    change = (image - frames).flatten(0, 1)
    if task == "rain":
        side = min(_NEIGHBOURHOOD, *(n - (n + 1) % 2 for n in change.shape[-2:]))
        mean = F.avg_pool2d(change, side, 1, side // 2, count_include_pad=False)
        change = change - mean
    return float(change.square().mean().sqrt())


def strength(change: float, task: str) -> float:
    """Share of a change that is kept, in [0, 1], from its size."""
    low, high = THRESHOLDS[task]
    x = min(max((change - low) / (high - low), 0.0), 1.0)
    return x * x * (3 - 2 * x)
