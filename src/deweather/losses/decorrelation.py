"""Weights of samples under which features are less correlated (stable learning; our reading of KA-Net).

A network that learns on few data takes chance correlations for laws. Weights that make the features
of the samples independent, also after nonlinear functions, take that chance away (Zhang et al.,
"Deep Stable Learning", CVPR 2021). KA-Net (TPAMI 2024) names the idea and released no training code.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

RATE = 0.2
"""Of the inner optimizer, Adam, on the logits of the weights."""

NOISE = 1e-4
"""Adam's ε: gradients below it are those of features that are independent already."""


def fourier_functions(
    features: Tensor, *, functions: int, dimensions: int, generator: torch.Generator
) -> Tensor:
    """√2·cos(ω z + φ), ω ~ N(0, 1), φ ~ U(0, 2π), of features drawn at random and standardised.

    Args:
        features: (n, C).
        functions: drawn for each feature.
        dimensions: features drawn, at most C.
        generator: on the CPU.

    Returns:
        (n, min(dimensions, C), functions).
    """
    c = features.shape[1]
    chosen = torch.randperm(c, generator=generator)[:dimensions].to(features.device)
    z = features[:, chosen]
    # On the scale of ω, whatever the network's: else the cosines are all noise, or all constant.
    z = (z - z.mean(0)) / (z.std(0, correction=0) + 1e-6)
    shape = (len(chosen), functions)
    omega = torch.randn(shape, generator=generator).to(z)
    phase = (2 * math.pi * torch.rand(shape, generator=generator)).to(z)
    return math.sqrt(2) * torch.cos(z[:, :, None] * omega + phase)


def dependence(functions: Tensor, weights: Tensor) -> Tensor:
    """Mean over pairs a < b of ‖cov_w(u_a, u_b)‖²_F.

    The sum that the method is known by would let the number of features decide how much a penalty on
    the weights counts.

    Args:
        functions: u, (n, D, k).
        weights: w, (n,), mean 1.

    Returns:
        A scalar; 0 where all features are uncorrelated under the weights.
    """
    n, d, k = functions.shape
    shares = (weights / n)[:, None]
    flat = functions.flatten(1)
    centred = flat - (shares * flat).sum(0)
    squares = (centred.T @ (shares * centred)).square()
    within = squares.view(d, k, d, k).diagonal(dim1=0, dim2=2)
    return (squares.sum() - within.sum()) / (d * (d - 1))


def sample_weights(functions: Tensor, remembered: Tensor, *, steps: int, penalty: float) -> Tensor:
    """Weights of new samples that make all features less dependent, beside remembered samples.

    Minimises `dependence` plus λ·mean w², by Adam on the logits of a softmax.

    Args:
        functions: u of m remembered samples and then n new ones, (m + n, D, k).
        remembered: weights of the m remembered ones, (m,), which stay; may be empty.
        steps: of the inner optimizer.
        penalty: λ, of weights that differ.

    Returns:
        (n,), positive, mean 1, without gradient.
    """
    functions = functions.detach()
    n = len(functions) - len(remembered)
    if n < 2:
        return functions.new_ones(n)
    logits = functions.new_zeros(n, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=RATE, eps=NOISE)
    with torch.enable_grad():
        for _ in range(steps):
            weights = n * logits.softmax(0)
            cost = dependence(functions, torch.cat([remembered, weights]))
            cost = cost + penalty * weights.square().mean()
            optimizer.zero_grad()
            cost.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return n * logits.detach().softmax(0)
