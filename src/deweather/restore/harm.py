"""Do no harm: what hardly changes a picture is left out altogether.

A network that was shown clear pictures still changes them a little. The root mean square of its
change tells such pictures from those in bad weather, so up to a threshold nothing is changed, from
another on everything is, and between them the change fades in.
"""

from __future__ import annotations

from torch import Tensor

THRESHOLDS: dict[str, tuple[float, float]] = {"haze": (0.03, 0.06), "rain": (0.008, 0.016)}
"""Root mean square of the change, in sRGB units, up to which a task's change is dropped and from
which it is kept whole. Chosen on training scenes, in clear air and in light weather."""


def rms(change: Tensor) -> float:
    """Root mean square of a change of any shape."""
    return float(change.square().mean().sqrt())


def strength(change: float, task: str) -> float:
    """Share of a change that is kept, in [0, 1], from its root mean square in sRGB units."""
    low, high = THRESHOLDS[task]
    x = min(max((change - low) / (high - low), 0.0), 1.0)
    return x * x * (3 - 2 * x)
