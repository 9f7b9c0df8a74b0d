"""What every network keeps: frames in, `Restoration` out, and its needs stated beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from deweather.errors import ConfigError, FramesError
from deweather.image.shapes import check_frames
from deweather.nn.scattering import Scattering


@dataclass
class Restoration:
    """What a network makes of frames.

    Attributes:
        image: (B, V, 3, H, W), sRGB; neither clamped nor rounded.
        auxiliary: named further outputs (depth, stage pictures, features); empty for most networks.
    """

    image: Tensor
    auxiliary: dict[str, Tensor] = field(default_factory=dict)


# Graphs return it as it is.
torch.export.register_dataclass(Restoration)


@dataclass(frozen=True)
class Needs:
    """What a network needs of its input and may be asked to do; `restore` obeys.

    Attributes:
        multiple: height and width must be multiples of this many pixels.
        minimum: smallest height and width in pixels.
        tile_overlap: pixels by which tiles must overlap to agree with the whole picture, or None if
            the network must see whole pictures.
        whole_rows: a stereo pair must be cut into full-width strips, because rows are compared.
        precisions: dtypes in which the outputs stay sound, by name.
        padding: how a picture is extended, to the right and downwards, to such a size: by mirroring
            it at its border pixels, or by repeating these.
    """

    multiple: int
    minimum: int
    tile_overlap: int | None
    whole_rows: bool
    precisions: tuple[str, ...] = ("float32",)
    padding: Literal["reflect", "replicate"] = "reflect"


class Network(nn.Module):
    """Base of all networks: `forward(frames) -> Restoration`.

    Subclasses set `views` (the numbers of views that they take) and the property `needs`.
    """

    views: ClassVar[frozenset[int]] = frozenset({1, 2})

    @property
    def needs(self) -> Needs:
        """The sizes, tiling and precisions of this network."""
        raise NotImplementedError

    def forward(self, frames: Tensor) -> Restoration:
        """Restore frames: (B, V, 3, H, W), sRGB in [0, 1]."""
        raise NotImplementedError

    def check(self, frames: Tensor) -> None:
        """Raise FramesError unless floating frames (B, V, 3, H, W) meet the network's needs.

        Their dtype must be that of the weights, unless autocast takes care of it.
        """
        if not isinstance(frames, Tensor):
            raise FramesError(
                f"frames are of type {type(frames).__name__}; expected a tensor (B, V, 3, H, W). "
                "deweather.restore takes paths, PIL images and arrays."
            )
        check_frames(frames, views=self.views)
        weights = next(self.parameters(), frames).dtype
        if frames.dtype != weights and not torch.is_autocast_enabled(frames.device.type):
            raise FramesError(
                f"frames are {frames.dtype}, the weights {weights}; give frames.to({weights})."
            )
        h, w = frames.shape[-2:]
        multiple, minimum = self.needs.multiple, self.needs.minimum
        if h % multiple or w % multiple or h < minimum or w < minimum:
            raise FramesError(
                f"frames are {h}x{w} pixels; {type(self).__name__} takes multiples of {multiple} "
                f"from {minimum} up. Pad them, or call deweather.restore, which pads by itself."
            )


def check_least(config: object, **least: float) -> None:
    """Check numbers of a config: each name with the least value that it may have.

    Raises:
        ConfigError: one of them is less, infinite, or no number.
    """
    for name, low in least.items():
        value = getattr(config, name)
        if not low <= value < math.inf:
            raise ConfigError(f"{name} = {value!r}; give a finite number, at least {low}.")


def check_choice(config: object, **choices: tuple[str, ...]) -> None:
    """Check words of a config: each name with those that it may be.

    Raises:
        ConfigError: one of them is another word.
    """
    for name, valid in choices.items():
        value = getattr(config, name)
        if value not in valid:
            raise ConfigError(f"{name} = {value!r}; give {' or '.join(map(repr, valid))}.")


def scattering_restoration(
    maps: Scattering, views: tuple[int, int], **auxiliary: Tensor
) -> Restoration:
    """What a scattering head sees in B·V pictures, as frames of (B, V).

    Auxiliary outputs are `transmission` (B, V, 1, H, W), `airlight` (B, V, 3, H, W), and those given,
    which are (B, V, ...) already.
    """
    image, transmission, airlight = (torch.unflatten(m, 0, views) for m in maps)
    return Restoration(image, {"transmission": transmission, "airlight": airlight, **auxiliary})


def check_levels(encoder: tuple[int, ...], decoder: tuple[int, ...]) -> None:
    """Check the numbers of blocks at each level of a U.

    Raises:
        ConfigError: no level, another number of them on the way up, or a negative number of blocks.
    """
    if not encoder or len(encoder) != len(decoder):
        raise ConfigError(
            f"encoder = {encoder} and decoder = {decoder}; "
            "give both the same number of levels, at least one."
        )
    for name, blocks in (("encoder", encoder), ("decoder", decoder)):
        if min(blocks) < 0:
            raise ConfigError(f"{name} = {blocks}; give no negative number of blocks.")
