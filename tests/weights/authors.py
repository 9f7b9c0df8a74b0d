"""Checkpoints as the authors save them: their key names and shapes, values at random or by formula."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deweather.weights.authors import manifests
from tests.formula import noise

UNUSED = 3 * 6 * 4 + 6
"""Tensors of PSIDNet never used: in each stage a fourth pair of convolutions of each size, and three
1x1 ones."""

_GAIN = {"psidnet": 0.8, "dcmpnet": 0.7}  # of weights by formula; others have 1
_GOLDEN = Path(__file__).parents[1] / "models" / "golden"


@functools.cache
def psidnet() -> dict[str, Tensor]:
    """A state dict by the authors' key names, float32, unused tensors among them."""
    draws = torch.Generator().manual_seed(0)
    shapes = manifests()["psidnet"]
    return {k: 0.02 * torch.randn(shape, generator=draws) for k, shape in shapes.items()}


def golden(kind: str) -> tuple[dict[str, tuple[int, ...]], list[dict[str, Any]]]:
    """The authors' manifest of a kind of checkpoint, and the cases with official figures."""
    method, _, part = kind.partition("-")
    figures = json.loads((_GOLDEN / f"{method}.json").read_text(encoding="utf-8"))
    cases = figures["cases"]
    if method == "dcmpnet":
        network = part or "dehazing"
        cases = [case for case in cases if case["network"] == network]
        figures = {"manifest": figures["manifests"][network]}
    return {k: tuple(shape) for k, shape in figures["manifest"].items()}, cases


@functools.lru_cache(maxsize=1)
def by_formula(kind: str, seed: int) -> dict[str, Tensor]:
    """The parameters that the official figures were computed with, float64."""
    gain = _GAIN.get(kind, 1.0)
    return {k: _value(k, shape, seed, gain) for k, shape in manifests()[kind].items()}


def fourier(seed: int) -> tuple[Tensor, Tensor]:
    """KA-Net's frequencies and phases that its official figures were computed with."""
    frequencies = math.sqrt(3) * noise("rff.weight", (512, 64), seed)
    return frequencies, math.pi * (noise("rff.bias", (512,), seed) + 1)


def _value(key: str, shape: tuple[int, ...], seed: int, gain: float) -> Tensor:
    parent, last = (("", *key.split("."))[-2:]) if "." in key else ("", key)
    if last in ("num_batches_tracked", "relative_positions"):
        return torch.zeros(shape, dtype=torch.int64 if shape == () else torch.float64)
    v = noise(key, shape, seed)
    plain = {
        "running_mean": 0.1 * v,
        "running_var": 1 + 0.25 * v.abs(),
        "beta": 0.5 * v,
        "gamma": 0.5 * v,
        "task_query": v,
        "bias": 0.5 + 0.1 * v if key.endswith("conv_sigm.0.bias") else 0.1 * v,
    }
    if last in plain:
        return plain[last]
    if len(shape) == 1 or (len(shape) == 4 and parent == "norm1"):
        return 1 + 0.1 * v
    if parent in ("meta1", "meta2"):
        return 0.25 * v
    return gain * v * math.sqrt(3 / math.prod(shape[1:]))
