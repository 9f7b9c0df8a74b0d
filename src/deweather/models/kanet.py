"""KA-Net: dehazing of real photographs by a transformer ("Advancing Real-World Image Dehazing:
Perspective, Modules, and Training", TPAMI 2024).

Published: code to run the network, a checkpoint, ten restored pictures; neither training code nor
training data. A transformer encoder with side paths between its stages (after TransWeather), a
convolutional removal block with random Fourier features at 1/32 of the size, a transformer decoder
at 1/64 whose queries are learned and do not depend on the picture, and a convolutional tail that
goes back up over the encoder's maps. The network takes [-1, 1] (converted inside) and ends in a
tanh; its targets were in [0, 1], so the tanh is the picture as it is, and no residual is added.
55.36 M parameters, after leaving out 0.30 M that the released code holds and never uses; 11.34 GFLOP
for 256x256, at two for a multiply-add.

Here the views of a pair are restored as separate pictures. Attention is fused and never stores its
map, a query that the decoder would repeat is worked out once, and maps stay channels-last, so that
tokens and feature maps are the same memory. The Fourier features are part of the weights; `seed`
makes them. Fresh gates start open, see `deweather.nn.degradation_removal.open_gate`. `as_released`
turns all of these on, and each of them overrides it:

- `redraw_fourier`: frequencies and phases of the Fourier features are drawn from torch's global
  generator at every call, so the same picture comes out differently each time. Corrected: fixed.
- `skip_removal`: at 1/32 the tail is given the encoder's map, so what the removal block found
  reaches the picture through the decoder alone. Corrected: the tail is given the removal block's map.
- `crop`: a picture whose sides are no multiples of 16 is cut down to them, and the result is
  smaller than the picture. Corrected: such a picture is refused, and `deweather.restore` pads it.
  (`needs` is the same for both: who pads never meets the crop.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deweather.errors import ConfigError
from deweather.models.base import (
    Needs,
    Network,
    Restoration,
    check_choice,
    check_least,
    scattering_restoration,
)
from deweather.nn.conv import ResidualUnit
from deweather.nn.degradation_removal import DegradationRemoval
from deweather.nn.pointwise import Pointwise
from deweather.nn.scattering import ScatteringHead
from deweather.nn.transformer import (
    ReducedAttention,
    TransformerBlock,
    TransformerStage,
    attend,
    fresh_transformer,
    to_nchw,
    to_nhwc,
)

MULTIPLE = 16
MINIMUM = 48  # below, the last side path has no pixel left for its strided convolution

_REDUCTIONS = (4, 2, 2, 1)  # sides of the squares of tokens that become one key, by stage
_SIDE_REDUCTIONS = (4, 2, 2)
_TAIL = (16, 8)  # channels of the tail at 1/2 and 1/1


@dataclass(frozen=True)
class KANetConfig:
    """Sizes and switches of KA-Net.

    Attributes:
        widths: channels at 1/4, 1/8, 1/16 and 1/32 of the picture's size.
        heads: of the attention of each encoder stage.
        side_heads: of the attention on the paths from each stage to the next.
        decoder_heads: of the attention at 1/64.
        decoder_blocks: transformer blocks at 1/64.
        queries: learned queries of each of them.
        drop_path: share of pictures for which the last encoder block is left out in training; it
            grows linearly from 0 in the first.
        seed: of the Fourier features, where they are fixed.
        as_released: what the three below are if they are None.
        redraw_fourier: draw the Fourier features at every call.
        skip_removal: let the tail pass by the removal block.
        crop: cut pictures down to multiples of 16.
        output: what the tail gives: the "picture" through a tanh, as published; a "residual", which is
            added to what came in; or what Koschmieder's law needs ("scattering"), which is returned as
            `transmission` and `airlight`, too.
    """

    widths: tuple[int, ...] = (64, 128, 320, 512)
    heads: tuple[int, ...] = (1, 2, 4, 4)
    side_heads: tuple[int, ...] = (1, 2, 2)
    decoder_heads: int = 8
    decoder_blocks: int = 3
    queries: int = 48
    drop_path: float = 0.1
    seed: int = 0
    as_released: bool = False
    redraw_fourier: bool | None = None
    skip_removal: bool | None = None
    crop: bool | None = None
    output: Literal["picture", "residual", "scattering"] = "picture"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: one of them makes no network.
        """
        for name, length in {"widths": 4, "heads": 4, "side_heads": 3}.items():
            values = getattr(self, name)
            if len(values) != length or min(values) < 1:
                raise ConfigError(f"{name} = {values}; give {length} numbers from 1 up.")
        check_least(self, decoder_heads=1, decoder_blocks=1, queries=1)
        check_choice(self, output=("picture", "residual", "scattering"))
        channels = (*self.widths, *self.widths[1:], self.widths[-1])
        heads = (*self.heads, *self.side_heads, self.decoder_heads)
        for c, h in zip(channels, heads, strict=True):
            if c % h:
                raise ConfigError(
                    f"{c} channels in {h} heads; give heads that divide the channels."
                )
        if self.widths[-1] < 8:
            raise ConfigError(f"widths = {self.widths}; give at least 8 channels at 1/32.")
        if not 0 <= self.drop_path < 1:
            raise ConfigError(f"drop_path = {self.drop_path}; give a share in [0, 1).")
        if not 0 <= self.seed < 1 << 63:
            raise ConfigError(f"seed = {self.seed}; give a whole number from 0 to 2^63 - 1.")

    def follows_release(self, switch: bool | None) -> bool:
        """The value of a switch that `as_released` decides where it is None."""
        return self.as_released if switch is None else switch


def released_crop(frames: Tensor) -> Tensor:
    """Cut frames (..., H, W) to multiples of 16 as the authors' test script does.

    An even rest is cut off in equal parts; of an odd one, one pixel at the top or left and the
    others at the other end.
    """
    for axis in (-2, -1):
        rest = frames.shape[axis] % MULTIPLE
        start = rest // 2 if rest % 2 == 0 else 1
        frames = frames.narrow(axis, start, frames.shape[axis] - rest)
    return frames


class QueryAttention(nn.Module):
    """Learned queries, the same for every picture, attend to the tokens.

    The released code stretches the queries over the H·W tokens by nearest neighbour and attends
    then. Each query has one answer, so here the answers are stretched: the same values, and less
    work for pictures of more than 48 tokens.
    """

    def __init__(self, channels: int, heads: int, queries: int) -> None:
        super().__init__()
        self.heads = heads
        self.task_query = nn.Parameter(torch.empty(1, queries, channels))
        self.query = nn.Linear(channels, channels)
        self.key_value = Pointwise(channels, 2 * channels)
        self.project = nn.Linear(channels, channels)
        nn.init.normal_(self.task_query)

    def forward(self, x: Tensor) -> Tensor:
        """Answers of the queries in the places of the tokens: (N, H, W, C) -> (N, H, W, C)."""
        n, h, w, _ = x.shape
        query = self.query(self.task_query).expand(n, -1, -1)
        out = self.project(attend(query, self.key_value(x).flatten(1, 2), self.heads))
        # torch's float32 index, off by one in places for long rows, is part of what was trained.
        out = F.interpolate(out.transpose(1, 2), size=h * w, mode="nearest")
        return out.transpose(1, 2).reshape(x.shape)


class Encoder(nn.Module):
    """Four stages; each of the first three also hands what enters its blocks on by a side path."""

    def __init__(self, config: KANetConfig) -> None:
        super().__init__()
        rates = torch.linspace(0, config.drop_path, 8, device="cpu").tolist()
        widths = (3, *config.widths)
        self.stages, self.sides = nn.ModuleList(), nn.ModuleList()
        for i, (heads, reduction) in enumerate(zip(config.heads, _REDUCTIONS, strict=True)):
            c = widths[i + 1]
            blocks = [
                TransformerBlock(c, ReducedAttention(c, heads, reduction), 2, rate)
                for rate in rates[2 * i : 2 * i + 2]
            ]
            kernel, stride = (7, 4) if i == 0 else (3, 2)
            self.stages.append(TransformerStage((widths[i], c), kernel, stride, blocks))
        for i, (heads, reduction) in enumerate(
            zip(config.side_heads, _SIDE_REDUCTIONS, strict=True)
        ):
            c = widths[i + 2]
            block = TransformerBlock(c, ReducedAttention(c, heads, reduction), 2, rates[2 * i])
            self.sides.append(TransformerStage((widths[i + 1], c), 3, 2, [block]))
        self.apply(fresh_transformer)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pictures (N, 3, H, W) in [-1, 1] -> maps at 1/4, 1/8, 1/16 and 1/32, sides rounded up."""
        maps = []
        side: Tensor | None = None
        for i, stage in enumerate(self.stages):
            tokens = stage.embed(x)  # type: ignore[operator]
            if side is not None:
                tokens = tokens + to_nhwc(side)
            if i < len(self.sides):
                side = self.sides[i](to_nchw(tokens))
            x = stage.refine(tokens)  # type: ignore[operator]
            maps.append(x)
        return maps


class Decoder(nn.Module):
    """Asks the removal block's map at 1/64 with learned queries."""

    def __init__(self, config: KANetConfig) -> None:
        super().__init__()
        c = config.widths[-1]
        blocks = [
            TransformerBlock(
                c,
                QueryAttention(c, config.decoder_heads, config.queries),
                ratio=4,
                drop_path=config.drop_path * i / 15,
            )
            for i in range(config.decoder_blocks)
        ]
        self.stage = TransformerStage((c, c), 3, 2, blocks)
        self.apply(fresh_transformer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, ⌈H/2⌉, ⌈W/2⌉)."""
        return self.stage(x)


class Tail(nn.Module):
    """Goes up from 1/64 to the picture; the first four steps add the maps of their sizes."""

    def __init__(self, config: KANetConfig) -> None:
        super().__init__()
        w = config.widths
        outs = (*reversed(w), *_TAIL)
        ins = (w[-1], *outs)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 2, stride=2)
            for before, after in zip(ins, outs, strict=False)
        )
        inner = [ResidualUnit(c) for c in outs[1:-1]]
        self.units = nn.ModuleList([nn.Identity(), *inner, nn.Identity()])
        self.head: nn.Module
        if config.output == "scattering":
            self.head = ScatteringHead(outs[-1], w[2], MULTIPLE)
        else:
            self.head = nn.Conv2d(outs[-1], 3, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """(N, C, h, w) at 1/64 and maps from 1/32 to 1/4 -> features for the head (N, c, H, W)."""
        for i, (up, unit) in enumerate(zip(self.ups, self.units, strict=True)):
            x = up(x)
            if i < len(maps):  # a size that was rounded up on the way down is one pixel less
                x = unit(x[..., : maps[i].shape[-2], : maps[i].shape[-1]]) + maps[i]
            else:
                x = unit(x)
        return x


class KANet(Network):
    """The network; the two views of a pair are restored as pictures of their own."""

    def __init__(self, config: KANetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        redraw = config.follows_release(config.redraw_fourier)
        self.removal = DegradationRemoval(config.widths[-1], config.seed, redraw)
        self.decoder = Decoder(config)
        self.tail = Tail(config)

    @property
    def needs(self) -> Needs:
        """Multiples of 16 from 48 up; whole pictures, because attention sees all of them."""
        precisions = ("float32", "bfloat16")
        return Needs(MULTIPLE, MINIMUM, None, whole_rows=False, precisions=precisions)

    def forward(self, frames: Tensor) -> Restoration:
        """Restore frames (B, V, 3, H, W), sRGB in [0, 1]; H and W meet `needs`.

        Returns:
            `image` in (-1, 1), as the tanh leaves it: the picture itself, unless `output` is another.
            With the switch `crop` it has the size of `released_crop(frames)`. `z`: (B, V, C), the
            mean over the pixels of the encoder's last map, for the training loss that decorrelates
            features.

        Raises:
            FramesError: the shape does not meet `needs`.
        """
        crop = self.config.follows_release(self.config.crop)
        if (
            crop
            and isinstance(frames, Tensor)
            and frames.ndim == 5
            and min(frames.shape[-2:]) >= MINIMUM
        ):
            frames = released_crop(frames)
        self.check(frames)
        pictures = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        maps = self.encoder(2 * pictures - 1)
        deepest = maps.pop()
        z = deepest.mean((2, 3))
        removed = self.removal(deepest)
        skip = deepest if self.config.follows_release(self.config.skip_removal) else removed
        features = self.tail(self.decoder(removed), [skip, *reversed(maps)])
        views = (frames.shape[0], frames.shape[1])
        z = torch.unflatten(z, 0, views)
        if self.config.output == "scattering":
            # Views are pictures of their own, with air of their own.
            seen = self.tail.head(pictures, features, maps[-1], 1)
            return scattering_restoration(seen, views, z=z)
        last = self.tail.head(features)
        image = pictures + last if self.config.output == "residual" else torch.tanh(last)
        return Restoration(torch.unflatten(image, 0, views), {"z": z})


VARIANTS: dict[str, KANetConfig] = {
    "kanet": KANetConfig(),
    "kanet-small": KANetConfig(
        widths=(24, 48, 80, 96), heads=(1, 2, 4, 4), side_heads=(1, 2, 2), decoder_heads=8
    ),
    "kanet-tiny": KANetConfig(
        widths=(16, 24, 32, 40), heads=(1, 2, 4, 4), side_heads=(1, 2, 2), decoder_heads=4
    ),
}
"""Named sizes: the published one, which takes the authors' weights; one to train on a single GPU and
run on a CPU; one for tests and small devices."""
