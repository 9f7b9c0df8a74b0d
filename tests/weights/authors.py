"""Checkpoints as PSIDNet's authors save them: their key names and shapes, random values."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

_PAIRS = {"enc": ((2, 32), (6, 64), (10, 128)), "dec": ((13, 128), (17, 64), (21, 32))}
_PLAIN = {
    "enc": {"1": (32, 3, 3, 3), "5": (64, 32, 3, 3), "9": (128, 64, 3, 3)},
    "dec": {"16": (128, 64, 4, 4), "20": (64, 32, 4, 4), "24": (3, 32, 3, 3)},
}
_PARTS = ("lv3_1", "lv3_2", "lv3_3", "lv3_4", "lv2_1", "lv2_2", "lv1")
UNUSED = 3 * 6 * 4 + 6
"""Tensors never used: in each stage a fourth pair of convolutions of each size, and three 1x1 ones."""


def _shapes() -> dict[str, tuple[int, ...]]:
    weights: dict[str, tuple[int, ...]] = {}
    for side in ("enc", "dec"):
        for stage in (1, 2, 3):
            for layer, shape in _PLAIN[side].items():
                weights[f"{side}_stage{stage}.layer{layer}"] = shape
            for first, c in _PAIRS[side]:
                for layer in (first, first + 1, f"{first + 1}_1", f"{first + 1}_2"):
                    for convolution in (0, 2):
                        weights[f"{side}_stage{stage}.layer{layer}.{convolution}"] = (c, c, 3, 3)
    for part in _PARTS:
        weights[f"fuse_{part}.downchans.main.0"] = (128, 256, 1, 1)
        weights[f"fuse_{part}.qk_conv.main.0"] = (128, 128, 3, 3)
    for level in (1, 2, 3):
        weights[f"lv{level}_downchans.main.0"] = (128, 256, 1, 1)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, shape in weights.items():
        transposed = shape[-1] == 4
        shapes |= {f"{layer}.weight": shape, f"{layer}.bias": (shape[1 if transposed else 0],)}
    for part in _PARTS:
        shapes |= {f"fuse_{part}.se.fc.0.weight": (8, 128), f"fuse_{part}.se.fc.2.weight": (128, 8)}
    return shapes


@functools.cache
def psidnet() -> dict[str, Tensor]:
    """A state dict by the authors' key names, float32, unused tensors among them."""
    draws = torch.Generator().manual_seed(0)
    return {k: 0.02 * torch.randn(shape, generator=draws) for k, shape in _shapes().items()}
