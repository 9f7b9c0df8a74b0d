"""A contrastive loss that describes features by their Gaussians (KA-Net, TPAMI 2024; our reading).

The paper names the idea and released no code for it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deweather.losses.contrastive import level_weights
from deweather.losses.features import FeatureNetwork

EPS = 1e-4
"""Added to the distance from the negative, which may be none: features are of the order of one."""


class GaussianContrastive(nn.Module):
    """Σ λ_k · d(φ_k(a), φ_k(p)) / (d(φ_k(a), φ_k(n)) + ε), one value a sample.

    d is the squared 2-Wasserstein distance between the Gaussians of a channel over space, mean over the
    channels: (Δμ)² + (Δσ)². It knows no places, so pairs need not match to the pixel.

    Args:
        features: φ, frozen by its owner.
    """

    def __init__(self, features: FeatureNetwork) -> None:
        """Keep the features and their weights λ."""
        super().__init__()
        self.features = features
        self.weights = level_weights(features)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Frames (B, V, 3, H, W), sRGB in [0, 1] -> (B,), the mean over the views.

        Gradients reach the anchor alone.
        """
        own = self._gaussians(anchor)
        with torch.no_grad():
            near, far = self._gaussians(positive), self._gaussians(negative)
        loss = anchor.new_zeros(anchor.shape[0])
        for weight, a, p, n in zip(self.weights, own, near, far, strict=True):
            ratio = gaussian_distance(a, p) / (gaussian_distance(a, n) + EPS)
            loss = loss + weight * ratio.mean(1)
        return loss

    def _gaussians(self, frames: Tensor) -> list[Tensor]:
        """Mean and deviation of every channel and level, (B, V, 2, C_k)."""
        maps = self.features(frames.flatten(0, 1))
        return [torch.unflatten(gaussian_of(m), 0, tuple(frames.shape[:2])) for m in maps]


def gaussian_of(maps: Tensor) -> Tensor:
    """Mean and standard deviation over space: (N, C, H, W) -> (N, 2, C)."""
    flat = maps.flatten(2)
    # The floor keeps the root's slope finite where a channel is silent.
    deviation = (flat.var(2, correction=0) + 1e-8).sqrt()
    return torch.stack([flat.mean(2), deviation], dim=1)


def gaussian_distance(a: Tensor, b: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance, mean over channels: (..., 2, C) twice -> (...)."""
    return (a - b).square().sum(-2).mean(-1)
