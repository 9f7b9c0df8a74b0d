"""Frozen networks whose features are compared by perceptual losses; VGG-19 without torchvision."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.error import URLError
from urllib.request import urlopen

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from deweather.atomic import replacing
from deweather.errors import ConfigError, FramesError, WeightsError

Input = Literal["imagenet", "signed", "plain"]

VGG19_URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
"""VGG-19 trained on ImageNet (Simonyan and Zisserman, ICLR 2015), as published for torchvision."""

VGG19_SHA256 = "dcbb9e9d"
"""How its SHA-256 begins; the publisher states no more than these eight digits, in the file's name."""

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
                f"expected the parameters of {VGG19_URL}."
            )
        self.features.load_state_dict(
            {k.removeprefix("features."): weights[k].float() for k in wanted}
        )
        self.requires_grad_(False)
        self.eval()

    @classmethod
    def read(cls, path: str | Path, *, input: Input = "imagenet") -> VGG19Features:
        """Read the weights from a file, .safetensors or one that torch saved.

        Raises:
            WeightsError: the file cannot be read, or does not hold VGG-19.
        """
        try:
            state: Any = (
                load_file(path)
                if Path(path).suffix == ".safetensors"
                else torch.load(path, map_location="cpu", weights_only=True)
            )
        except Exception as error:  # torch and safetensors raise what their parsers raise
            raise WeightsError(f"{path}: cannot be read as weights ({error}).") from error
        if not isinstance(state, Mapping):
            raise WeightsError(f"{path}: holds a {type(state).__name__}, not named parameters.")
        return cls(state, input=input)

    @classmethod
    def fetch(cls, folder: str | Path | None = None, *, input: Input = "imagenet") -> VGG19Features:
        """Read the published weights from a folder; download them (575 MB) if they are not there.

        Args:
            folder: where the file is kept; None takes the folder that torchvision would take.
            input: see the class.

        Raises:
            WeightsError: the download fails, or the file is not the published one.
        """
        place = Path(torch.hub.get_dir(), "checkpoints") if folder is None else Path(folder)
        path = place / VGG19_URL.rpartition("/")[2]
        if not path.is_file():
            download(VGG19_URL, path, VGG19_SHA256)
        return cls.read(path, input=input)

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


def download(url: str, path: Path, sha256: str) -> None:
    """Download a file and keep it only if its SHA-256, in hexadecimal, begins with `sha256`.

    A stopped download leaves nothing behind.

    Raises:
        WeightsError: the download fails, or brings another file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with replacing(path) as file, urlopen(url, timeout=60) as response:
            while block := response.read(1 << 20):
                digest.update(block)
                file.write(block)
            if not digest.hexdigest().startswith(sha256):
                raise WeightsError(
                    f"{url}: has SHA-256 {digest.hexdigest()}, expected {sha256}…; try again."
                )
    except (URLError, TimeoutError, ConnectionError) as error:
        raise WeightsError(
            f"{url}: the download failed ({error}); fetch it by other means and save it as {path}."
        ) from error
