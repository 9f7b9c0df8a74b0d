"""The frozen networks that perceptual losses of a recipe compare by."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deweather.errors import ConfigError
from deweather.losses import ContrastiveLoss, FeatureNetwork, VGG19Features
from deweather.losses.contrastive import WEIGHTS
from deweather.models import Network
from deweather.models.stereoirr import StereoIRR
from deweather.train.sections import FeatureSection
from deweather.weights.files import load


class EncoderFeatures(FeatureNetwork):
    """What the encoder of a trained network sees on its levels, views one by one.

    Args:
        network: StereoIRR, of any size.

    Raises:
        ConfigError: another network.
    """

    def __init__(self, network: Network) -> None:
        """Take the encoder out of the network."""
        super().__init__()
        if not isinstance(network, StereoIRR):
            raise ConfigError(
                f"loss.features.weights is a {type(network).__name__}; give weights of StereoIRR."
            )
        self.extract, self.encoders, self.downs = network.extract, network.encoders, network.downs
        self.multiple = network.needs.multiple
        with torch.no_grad():
            maps = self(torch.zeros(1, 3, self.multiple, self.multiple))
        self.channels = tuple(m.shape[1] for m in maps)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(N, 3, H, W), sRGB in [0, 1] -> one map a level, from fine to coarse."""
        h, w = (-n % self.multiple for n in pictures.shape[-2:])
        x = self.extract(F.pad(pictures, (0, w, 0, h), mode="replicate"))
        maps = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            maps.append(x)
            x = down(x)
        return maps


class RandomFeatures(FeatureNetwork):
    """Convolutions with random weights that are always the same: five levels, halved between."""

    channels = (16, 32, 64, 64, 64)

    def __init__(self) -> None:
        """Draw the weights."""
        super().__init__()
        draws = torch.Generator().manual_seed(0)
        self.layers = nn.ModuleList()
        for before, after in zip((3, *self.channels), self.channels, strict=False):
            layer = nn.Conv2d(before, after, 3, padding=1)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=draws)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # there is a bias
            self.layers.append(layer)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(N, 3, H, W), sRGB in [0, 1], sides of 16 or more -> one map a level."""
        x = 2 * pictures - 1
        maps = []
        for layer in self.layers:
            x = F.relu(layer(x))
            maps.append(x)
            x = F.avg_pool2d(x, 2, ceil_mode=True)
        return maps


def make_features(section: FeatureSection) -> FeatureNetwork:
    """The feature network that a recipe names.

    Raises:
        ConfigError: the encoder is of another network.
        WeightsError: its weights cannot be read or fetched.
    """
    if section.kind == "random":
        return RandomFeatures()
    if section.kind == "encoder":
        assert section.weights is not None  # the section checks it
        return EncoderFeatures(load(section.weights))
    if section.weights is None:
        return VGG19Features.fetch(input=section.input)
    return VGG19Features.read(section.weights, input=section.input)


def level_weights(features: FeatureNetwork) -> tuple[float, ...]:
    """The usual weights of contrastive losses for the coarsest levels, as many as there are."""
    return WEIGHTS[-len(features.channels) :]


def make_contrastive(section: FeatureSection, *, projections: bool = False) -> ContrastiveLoss:
    """The contrastive loss over the features that a recipe names; raises as `make_features`."""
    features = make_features(section)
    seed = 0 if projections else None
    return ContrastiveLoss(features, weights=level_weights(features), projection_seed=seed)
