"""Share of a network's change that is made, from the size and the kind of the change: thresholds.

A network that was shown clear pictures still changes them a little. The size of its change tells such
pictures from those in bad weather, so up to a threshold nothing is changed, from another on
everything is, and between them the change fades in.

Haze changes whole areas, so for haze the change counts as it is. Streaks are bright details, and
taking them away darkens bright details, while a network that takes off noise or lifts a veil changes
others, too. So for rain only the darkening of what is brighter than its surroundings counts. And rain
falls everywhere, while a striped facade that is taken for rain fills a part of the picture: what
counts is the darkening that two in five of all small blocks reach.

Under haze little is certain, and a network that sees through it hedges: hardly a grey pixel comes out
black. Where whole areas do, something grey, like a calm sea, was taken for air, and the change fades out
again.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

HAZE = (0.05, 0.10)
"""Root mean square of the change by a haze network, in sRGB units, up to which it is dropped and from
which it is kept whole. Of 60 clear training photographs nine in ten stay below half of the lower one; of
17 real hazy pictures three in four reach nine tenths of the upper one."""

STREAKS = (0.001, 0.00175)
"""The same for the darkening by a rain network that the share `WET` of all blocks reaches."""

WET = 0.4

BLACKENED = (0.004, 0.01)
"""Share of all pixels that a haze network turns from grey to black, up to which its change is kept and
from which it is dropped. Of 18 simulated and 17 real hazy pictures none reaches half of the lower one."""

_GREY, _BLACK = 0.2, 0.06  # brightest channel, sRGB
_BLOCK = 32  # pixels
_NEIGHBOURHOOD = 33  # pixels


def fade(size: float, thresholds: tuple[float, float]) -> float:
    """Share of a change that is kept, in [0, 1], from its size."""
    low, high = thresholds
    x = min(max((size - low) / (high - low), 0.0), 1.0)
    return x * x * (3 - 2 * x)


def rms(change: Tensor) -> Tensor:
    """Root mean square of the change of each sample, (B, ...) -> (B,)."""
    return change.square().flatten(1).mean(1).sqrt()


def blackened(images: Tensor, restored: Tensor) -> Tensor:
    """Share of the pixels of each sample that were grey or brighter and came back black, (B,).

    Args:
        images: (B, V, 3, H, W), sRGB, what a haze network was given.
        restored: the same shape, what it gave back.
    """
    turned = (images.amax(2) > _GREY) & (restored.amax(2) < _BLACK)
    return turned.flatten(1).float().mean(1)


def low_pass(change: Tensor) -> Tensor:
    """Low-pass of a change (B, V, 3, H, W): its mean over a neighbourhood of 33 pixels."""
    height, width = change.shape[-2:]
    side = min(_NEIGHBOURHOOD, height - (height + 1) % 2, width - (width + 1) % 2)
    flat = change.flatten(0, 1)
    for kernel in ((side, 1), (1, side)):
        reach = (kernel[0] // 2, kernel[1] // 2)
        flat = F.avg_pool2d(flat, kernel, 1, reach, count_include_pad=False)
    return flat.view(change.shape)


def darkened_streaks(images: Tensor, restored: Tensor) -> Tensor:
    """Root mean square, in blocks of 32 pixels, of how far bright details were darkened.

    Args:
        images: (B, V, 3, H, W), what a rain network was given.
        restored: the same shape, what it gave back.

    Returns:
        One value a block, (B, blocks of all views). What is left over at the right and the bottom has
        no part; a picture smaller than a block is one.
    """
    change = restored - images
    fine, detail = change - low_pass(change), images - low_pass(images)
    darkening = (fine.clamp_max(0) * (detail > 0)).square().mean(2)
    block = (min(_BLOCK, images.shape[-2]), min(_BLOCK, images.shape[-1]))
    return F.avg_pool2d(darkening, block).sqrt().flatten(1)
