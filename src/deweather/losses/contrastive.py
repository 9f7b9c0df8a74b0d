"""Contrastive regularisation: towards the clean picture and away from the degraded one, in features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deweather.errors import ConfigError
from deweather.image.shapes import check_frames, check_same_shape
from deweather.losses.features import FeatureNetwork

WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""Weights of VGG-19's five feature maps, from fine to coarse."""

EPS = 1e-7
"""Added to the distance from the negative."""


def level_weights(features: FeatureNetwork) -> tuple[float, ...]:
    """The last of `WEIGHTS`, as many as there are feature maps: those of the coarsest levels."""
    return WEIGHTS[-len(features.channels) :]


class ContrastiveLoss(nn.Module):
    """Σ λ_k · L1(φ_k(a), φ_k(p)) / (L1(φ_k(a), φ_k(n)) + 1e-7) (Wu et al., CVPR 2021).

    The anchor a is the restored picture, the positive p the clean one (or a teacher's answer), the
    negative n the degraded one. The means L1 run over the batch; views are compared one by one and
    their losses averaged. Gradients reach the anchor alone, through numerator and denominator.

    Args:
        features: φ, frozen by this loss.
        weights: λ_k, one for each feature map.
        projection_seed: None compares the features. A seed reproduces DCMPNet's released loss, in
            which the coarsest features first pass 1x1 convolutions with random weights that are never
            trained, others for a, p and n; so the distance of a picture from itself is not zero.

    Raises:
        ConfigError: not as many weights as feature maps.
    """

    def __init__(
        self,
        features: FeatureNetwork,
        *,
        weights: tuple[float, ...] = WEIGHTS,
        projection_seed: int | None = None,
    ) -> None:
        """Freeze the features and draw the projections."""
        super().__init__()
        if len(weights) != len(features.channels):
            raise ConfigError(
                f"{len(weights)} weights for {len(features.channels)} feature maps; give one each."
            )
        self.features = features.eval().requires_grad_(False)
        self.weights = weights
        self.projections: nn.ModuleList | None = None
        if projection_seed is not None:
            draws = torch.Generator().manual_seed(projection_seed)
            c = features.channels[-1]
            self.projections = nn.ModuleList(_projection(c, draws) for _ in range(3))

    def train(self, mode: bool = True) -> ContrastiveLoss:
        """Keep the features in eval mode."""
        super().train(mode)
        self.features.eval()
        return self

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor | None = None) -> Tensor:
        """The loss of frames (B, V, 3, H, W), sRGB in [0, 1], not clamped; a scalar.

        Without `negative` there is no denominator: a perceptual loss, which DCMPNet's ablation is.

        Raises:
            FramesError: the shapes differ, or are no frames.
        """
        others = {"positive": positive} | ({} if negative is None else {"negative": negative})
        check_same_shape(anchor=anchor, **others)
        check_frames(anchor, name="anchor")
        near = self._embed(anchor, 0)
        with torch.no_grad():
            rest = [self._embed(other, i) for i, other in enumerate(others.values(), start=1)]
        loss = anchor.new_zeros(anchor.shape[1])
        for k, weight in enumerate(self.weights):
            distances = [(near[k] - maps[k]).abs().mean((0, 2, 3, 4)) for maps in rest]
            ratio = distances[0] if negative is None else distances[0] / (distances[1] + EPS)
            loss = loss + weight * ratio
        return loss.mean()

    def _embed(self, frames: Tensor, role: int) -> list[Tensor]:
        """Feature maps (B, V, C_k, H_k, W_k) of the anchor (role 0), the positive or the negative."""
        maps = list(self.features(frames.flatten(0, 1)))
        if self.projections is not None:
            maps[-1] = self.projections[role](maps[-1])
        return [m.unflatten(0, frames.shape[:2]) for m in maps]


def _projection(channels: int, draws: torch.Generator) -> nn.Sequential:
    """Two frozen 1x1 convolutions with a GELU between, drawn like torch's own new ones."""
    bound = channels**-0.5
    layers = nn.Sequential(
        nn.Conv2d(channels, channels, 1), nn.GELU(), nn.Conv2d(channels, channels, 1)
    )
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.uniform_(-bound, bound, generator=draws)
    return layers.requires_grad_(False)
