"""Weights of VGG-19 by their published names, drawn at random."""

from __future__ import annotations

import torch
from torch import Tensor

CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)
CHANNELS = (3, 64, 64, 128, 128, *(256,) * 4, *(512,) * 5)


def vgg19_state() -> dict[str, Tensor]:
    """Parameters of the convolutions; those of the classifier are not among them."""
    draws = torch.Generator().manual_seed(0)
    state = {}
    for place, fan_in, out in zip(CONVOLUTIONS, CHANNELS, CHANNELS[1:], strict=False):
        scale = (2 / (9 * fan_in)) ** 0.5
        state[f"features.{place}.weight"] = scale * torch.randn(out, fan_in, 3, 3, generator=draws)
        state[f"features.{place}.bias"] = 0.1 * torch.randn(out, generator=draws)
    return state
