"""Frozen networks whose features are compared by perceptual losses; VGG-19 without torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deweather.errors import ConfigError, FramesError, WeightsError

Input = Literal["imagenet", "signed", "plain"]

_CONVOLUTIONS = {
    0: (3, 64),
    2: (64, 64),
    5: (64, 128),
    7: (128, 128),
    10: (128, 256),
    **dict.fromkeys((12, 14, 16), (256, 256)),
    19: (256, 512),
    **dict.fromkeys((21, 23, 25, 28), (512, 512)),
}
"""Place among VGG-19's layers: channels in and out. A ReLU follows each; behind the ReLU of the last
one of a size stands a pooling."""

_LEVELS = (0, 5, 10, 19, 28)
"""The first convolution of each size; the features are taken behind its ReLU."""


class FeatureNetwork(nn.Module):
    """Pictures (N, 3, H, W), sRGB in [0, 1], to feature maps; any network may stand in for VGG-19.

    Subclasses set `channels`, the channels of each map.
    """

    channels: tuple[int, ...]

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Feature maps (N, channels[k], H_k, W_k), from fine to coarse."""
        raise NotImplementedError


class VGG19Features(FeatureNetwork):
    """relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1 of VGG-19, frozen and always in eval mode.

    Args:
        weights: parameters by torchvision's names (`features.0.weight`, …); more may be there.
        input: what the network is given. "imagenet" normalises by the mean and the deviation of
            ImageNet, which it was trained on; "signed" gives pictures on [-1, 1], as DCMPNet's
            released loss does; "plain" gives them as they are.

    Raises:
        ConfigError: no such `input`.
        WeightsError: parameters are missing or misshapen.
    """

    channels = (64, 128, 256, 512, 512)

    mean: Tensor
    deviation: Tensor

    def __init__(self, weights: Mapping[str, Tensor], *, input: Input = "imagenet") -> None:
        """Take the weights over."""
        super().__init__()
        if input not in get_args(Input):
            raise ConfigError(f"input = {input!r}; expected one of {', '.join(get_args(Input))}.")
        means, deviations = {
            "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            "signed": ((0.5,) * 3, (0.5,) * 3),
            "plain": ((0.0,) * 3, (1.0,) * 3),
        }[input]
        self.register_buffer("mean", torch.tensor(means).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviations).view(3, 1, 1))
        self.features = nn.ModuleDict(
            {str(i): nn.Conv2d(*channels, 3, padding=1) for i, channels in _CONVOLUTIONS.items()}
        )
        wanted = self.features.state_dict(prefix="features.")
        wrong = [k for k, v in wanted.items() if k not in weights or weights[k].shape != v.shape]
        if wrong:
            raise WeightsError(
                f"weights of VGG-19 lack {wrong[:5]} in the right shape; "
                "expected the parameters as published for torchvision."
            )
        self.features.load_state_dict(
            {k.removeprefix("features."): weights[k].float() for k in wanted}
        )
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> VGG19Features:
        """Stay in eval mode, whatever the network that this is part of does."""
        return super().train(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Feature maps of pictures (N, 3, H, W), sRGB in [0, 1], H and W at least 16.

        Raises:
            FramesError: another shape.
        """
        if pictures.ndim != 4 or pictures.shape[1] != 3 or min(pictures.shape[2:]) < 16:
            raise FramesError(
                f"pictures have shape {tuple(pictures.shape)}; VGG-19 takes (N, 3, H, W) of at "
                "least 16x16 pixels."
            )
        x = (pictures - self.mean) / self.deviation
        out = []
        for place in _CONVOLUTIONS:
            if place in _LEVELS and place > 0:
                x = F.max_pool2d(x, 2)
            x = F.relu(self.features[str(place)](x))
            if place in _LEVELS:
                out.append(x)
        return out


class RandomFeatures(FeatureNetwork):
    """Convolutions with random weights that are always the same: five levels, halved between."""

    channels = (16, 32, 64, 64, 64)

    def __init__(self) -> None:
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
