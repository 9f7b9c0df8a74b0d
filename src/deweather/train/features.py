"""The frozen networks that perceptual losses of a recipe compare by."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from deweather.errors import ConfigError, WeightsError
from deweather.losses import (
    ContrastiveLoss,
    FeatureNetwork,
    RandomFeatures,
    VGG19Features,
    level_weights,
)
from deweather.models import Network
from deweather.models.stereoirr import StereoIRR
from deweather.train.sections import FeatureSection
from deweather.weights.download import fetch_vgg19
from deweather.weights.files import load
from deweather.weights.imported import read_checkpoint


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
    path = fetch_vgg19() if section.weights is None else section.weights
    try:
        return VGG19Features(read_checkpoint(path), input=section.input)
    except WeightsError as error:
        raise WeightsError(f"loss.features: {error}") from error


def make_contrastive(section: FeatureSection, *, projections: bool = False) -> ContrastiveLoss:
    """The contrastive loss over the features that a recipe names; raises as `make_features`."""
    features = make_features(section)
    seed = 0 if projections else None
    return ContrastiveLoss(features, weights=level_weights(features), projection_seed=seed)
