"""DCMPNet: dehazing of single pictures with depth ("Depth Information Assisted Collaborative Mutual
Promotion Network for Single Image Dehazing", CVPR 2024).

A depth network and a U-Net look at the hazy picture first. What they see joins the features of a
three-level U of mixing blocks: depthwise convolutions, and in the last blocks of each encoder stage
window attention. The three encoder maps also meet at full resolution, each weighted by a number per
picture, and travel from there to the decoder. The result is added to the hazy picture.

Published: the network above with weights for indoor and outdoor haze; 17.36 M parameters, of which
37 k are never used, and 69.0 G multiply-adds for 256x256. A second depth network of the same build
(`DCMPNetDepth` here), not needed for restoring, is its partner in training: each judges the other.

What differs here:

- `third_stage_dropped` chooses between the released behaviour and the corrected one, which is the
  default for new training; `as_released` sets it where it is not given. Released: the decoder starts
  from the map *before* the third encoder stage, whose eight blocks thus reach the picture through the
  full-resolution fusion alone. Corrected: it starts from what the stage makes of that map.
- The released training weights the depth error by a softmax of signed differences that vanishes with
  the number of pixels. That is a loss and no part of this file.
- What could never act is gone: five unused convolutions, biases before an instance norm, a batch
  norm or a softmax, and the stored table of distances in a window. What is computed is the same.
- The fusion at full resolution is never built. Its convolutions read upsampled maps, in which pixels
  repeat, so they are applied to the small maps with weights of repeated pixels summed.
- Batch norms are folded into their convolutions when the network is not in training.
- The last layer of the refinement of the depth starts positive, so that it can learn.
- Views are pictures: both of a pair are restored independently, with the same weights.
- Compact variants, ours, with fewer channels and blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
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
from deweather.nn.dehazeformer import MixingBlock
from deweather.nn.dense import DilatedDenseBlock
from deweather.nn.scattering import ScatteringHead
from deweather.nn.skip_gate import SkipGate
from deweather.nn.unet import UNet
from deweather.nn.upsampled_conv import upsampled_conv

MULTIPLE = 4
MINIMUM = 28  # a quarter of it, 7, is the least that shifted windows can be mirrored from


@dataclass(frozen=True)
class DCMPNetConfig:
    """Sizes and switches of DCMPNet. Five numbers are of the stages: three down, two up.

    Attributes:
        width: channels at full resolution; each of the two levels down doubles them.
        depths: mixing blocks of each stage.
        attention: how many of them, the last ones, attend to windows.
        heads: of the attention of each stage.
        mlp_ratios: hidden channels of the blocks' MLPs, in units of the stage's channels.
        bias_hidden: hidden channels of the MLPs that turn distances into attention biases.
        fusion_hidden: hidden channels of the MLP that weighs the three encoder maps.
        guide_width: channels of the U-Net at full resolution.
        depth_widths: channels of the depth network at 1/2, 1/4, 1/8 and 1/16 of the size.
        growth: channels of the layers of its dense blocks.
        as_released: what the switch below is if it is None.
        third_stage_dropped: start the decoder from the map before the third encoder stage.
        output: "residual", which is added to the picture, as published; or what Koschmieder's law needs
            ("scattering"), which is returned as `transmission` and `airlight`, too.
    """

    width: int = 24
    depths: tuple[int, ...] = (8, 8, 8, 4, 4)
    attention: tuple[int, ...] = (2, 4, 6, 0, 0)
    heads: tuple[int, ...] = (2, 4, 6, 1, 1)
    mlp_ratios: tuple[int, ...] = (2, 4, 4, 2, 2)
    bias_hidden: int = 256
    fusion_hidden: int = 128
    guide_width: int = 64
    depth_widths: tuple[int, ...] = (24, 48, 96, 128)
    growth: int = 32
    as_released: bool = False
    third_stage_dropped: bool | None = None
    output: Literal["residual", "scattering"] = "residual"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: one of them makes no network.
        """
        check_least(self, width=1, bias_hidden=1, fusion_hidden=1, guide_width=1, growth=1)
        check_choice(self, output=("residual", "scattering"))
        least = {"depths": 1, "attention": 0, "heads": 1, "mlp_ratios": 1, "depth_widths": 1}
        for name, low in least.items():
            values, length = getattr(self, name), 4 if name == "depth_widths" else 5
            if len(values) != length or min(values) < low:
                raise ConfigError(f"{name} = {values}; give {length} numbers from {low} up.")
        for channels, heads in zip(self.channels, self.heads, strict=True):
            if channels % heads:
                raise ConfigError(
                    f"{channels} channels in {heads} heads; give heads that divide the channels."
                )
        for depth, attention in zip(self.depths, self.attention, strict=True):
            if attention > depth:
                raise ConfigError(f"attention in {attention} of {depth} blocks; give at most all.")

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each of the five stages."""
        return tuple(self.width * scale for scale in (1, 2, 4, 2, 1))

    @property
    def drops_third_stage(self) -> bool:
        """The value of `third_stage_dropped`, which follows `as_released` unless it is given."""
        return self.as_released if self.third_stage_dropped is None else self.third_stage_dropped


class DepthHourglass(nn.Sequential):
    """The depth network: dense blocks down to 1/16 and up again, without skips.

    (N, 3, H, W) in [-1, 1] -> (N, 1, H', W'), relative inverse depth without a unit; H' and W' are H
    and W rounded up to multiples of 16.

    Args:
        widths: channels at 1/2, 1/4, 1/8 and 1/16.
        growth: channels of the dense blocks' layers.
    """

    def __init__(self, widths: tuple[int, ...], growth: int) -> None:
        chain: list[nn.Module] = []
        levels = [3, *widths]
        for a, b in pairwise(levels):
            chain += [DilatedDenseBlock(a, growth), nn.Conv2d(a, b, 3, stride=2, padding=1)]
        for a, b in pairwise(reversed(levels)):
            chain += [DilatedDenseBlock(a, growth), nn.ConvTranspose2d(a, b, 4, 2, padding=1)]
        super().__init__(*chain, nn.Conv2d(3, 1, 1))


class ScaleFusion(nn.Module):
    """Weighs the three encoder maps per picture and fuses them to what the decoder reads.

    In terms of maps: F = (w1 E1 | w2 E2 upsampled to twice its size | w3 E3 to four times), then a
    strided convolution for each of the two lower levels, instance norm, ReLU.

    Args:
        width: channels of E1; E2 has twice, E3 four times as many.
        hidden: of the MLP that makes w1, w2 and w3 from the means of the maps.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.channels = [width, 2 * width, 4 * width]
        total = sum(self.channels)
        self.weigh = nn.Sequential(nn.Conv2d(total, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, 3, 1))
        self.to_half = nn.Conv2d(total, 2 * width, 3, stride=2, padding=1, bias=False)
        self.to_quarter = nn.Conv2d(total, 4 * width, 5, stride=4, padding=1, bias=False)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """E1, E2, E3 (N, c, H, W), (N, 2c, H/2, W/2), (N, 4c, H/4, W/4) -> fused, as E2 and E3."""
        means = torch.cat([m.mean((2, 3), keepdim=True) for m in maps], dim=1)
        shares = torch.split(self.weigh(means), 1, dim=1)
        fused = []
        for conv in (self.to_half, self.to_quarter):
            weights = torch.split(conv.weight, self.channels, dim=1)
            stride = conv.stride[0]
            parts = [
                share * upsampled_conv(m, weight, 1 << level, stride)
                for level, (share, m, weight) in enumerate(zip(shares, maps, weights, strict=True))
            ]
            fused.append(F.relu(F.instance_norm(parts[0] + parts[1] + parts[2])))
        return fused


class DCMPNet(Network):
    """The network; views are restored as separate pictures."""

    def __init__(self, config: DCMPNetConfig) -> None:
        super().__init__()
        self.config = config
        c = config.width
        self.depth = DepthHourglass(config.depth_widths, config.growth)
        self.refine_depth = DilatedDenseBlock(1, config.growth)
        # Of both signs, every second draw would shut the ReLU of this one channel for good.
        with torch.no_grad():
            for parameter in self.refine_depth.fuse.parameters():
                parameter.abs_()
        self.unet = UNet(config.guide_width, 3)
        looked = (2 * config.guide_width, config.guide_width, 3)
        self.guides = nn.ModuleList(
            nn.Conv2d(a, b, 1) for a, b in zip(looked, (4 * c, 2 * c, c), strict=True)
        )
        self.embed = nn.Conv2d(3, c, 3, padding=1, padding_mode="reflect")
        joined = (2 * c + 1, 4 * c, 8 * c, 4 * c, 2 * c)
        self.joins = nn.ModuleList(
            nn.Conv2d(a, b, 1) for a, b in zip(joined, config.channels, strict=True)
        )
        self.stages = nn.ModuleList(self._stage(i) for i in range(5))
        self.downs = nn.ModuleList(nn.Conv2d(a, 2 * a, 2, stride=2) for a in (c, 2 * c))
        self.fusion = ScaleFusion(c, config.fusion_hidden)
        self.gathers = nn.ModuleList(nn.Conv2d(2 * a, a, 1) for a in (4 * c, 2 * c))
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, 2 * a, 1), nn.PixelShuffle(2)) for a in (4 * c, 2 * c)
        )
        self.gates = nn.ModuleList(SkipGate(a) for a in (2 * c, c))
        self.predict: nn.Module
        if config.output == "scattering":
            self.predict = ScatteringHead(c, 4 * c, MULTIPLE)
        else:
            self.predict = nn.Conv2d(c, 3, 3, padding=1, padding_mode="reflect")

    def _stage(self, i: int) -> nn.Sequential:
        config = self.config
        plain = config.depths[i] - config.attention[i]
        gain = (8 * sum(config.depths)) ** -0.25
        return nn.Sequential(
            *(
                MixingBlock(
                    config.channels[i],
                    config.heads[i] if n >= plain else 0,
                    shifted=n % 2 == 1,
                    ratio=config.mlp_ratios[i],
                    bias_hidden=config.bias_hidden,
                    gain=gain,
                )
                for n in range(config.depths[i])
            )
        )

    @property
    def needs(self) -> Needs:
        """Multiples of 4 from 28 up, whole pictures: norms and gates look at all of them."""
        return Needs(MULTIPLE, MINIMUM, None, whole_rows=False, precisions=("float32", "bfloat16"))

    def forward(self, frames: Tensor) -> Restoration:
        """Restore frames: (B, V, 3, H, W), sRGB in [0, 1], V = 1 or 2; sides of multiples of 4.

        Auxiliary outputs, all (B, V, channels, height, width): `depth`, what the depth network sees
        (1, H, W), `refined_depth`, what the first stage reads (1, H, W), and the guides of the
        U-Net, `d1` (4c, H/4, W/4), `d2` (2c, H/2, W/2) and `d3` (c, H, W).
        """
        self.check(frames)
        pictures = frames.flatten(0, 1)
        x = (2 * pictures - 1).contiguous(memory_format=torch.channels_last)
        depth = self.depth(x)[..., : x.shape[-2], : x.shape[-1]]
        refined = self.refine_depth(depth)
        looked = self.unet(x)
        d1, d2, d3 = (guide(m) for guide, m in zip(self.guides, looked, strict=True))
        auxiliary = {"depth": depth, "refined_depth": refined, "d1": d1, "d2": d2, "d3": d3}
        features, context = self._features(x, refined, [d3, d2, d1])
        views = (frames.shape[0], frames.shape[1])
        seen = {name: torch.unflatten(tensor, 0, views) for name, tensor in auxiliary.items()}
        if self.config.output == "scattering":
            # Views are pictures of their own, with air of their own.
            maps = self.predict(pictures, features, context, 1)
            return scattering_restoration(maps, views, **seen)
        # The picture is (y + 1) / 2 of y = x + residual, and x = 2 frames - 1.
        image = pictures + self.predict(features) / 2
        return Restoration(torch.unflatten(image, 0, views), seen)

    def _features(self, x: Tensor, depth: Tensor, guides: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Pictures (N, 3, H, W) in [-1, 1] -> features (N, c, H, W), and at 1/4 (N, 4c, H/4, W/4)."""
        y = self.joins[0](torch.cat([self.embed(x), guides[0], depth], dim=1))
        maps = [self.stages[0](y)]
        for i in (1, 2):
            before = self.downs[i - 1](maps[-1])
            y = self.joins[i](torch.cat([before, guides[i]], dim=1))
            maps.append(self.stages[i](y))
        half, quarter = self.fusion(maps)
        y = before if self.config.drops_third_stage else maps[2]
        for i, fused in enumerate((quarter, half)):
            y = self.ups[i](self.gathers[i](torch.cat([fused, y], dim=1)))
            y = self.gates[i](y, maps[1 - i])
            y = self.stages[3 + i](self.joins[3 + i](torch.cat([y, guides[1 - i]], dim=1)))
        return y, maps[2]


class DCMPNetDepth(Network):
    """The depth network alone, as it is trained beside the dehazing one: restores nothing.

    Args:
        config: of the dehazing network; `depth_widths` and `growth` matter.
    """

    def __init__(self, config: DCMPNetConfig | None = None) -> None:
        super().__init__()
        config = config or DCMPNetConfig()
        self.depth = DepthHourglass(config.depth_widths, config.growth)

    @property
    def needs(self) -> Needs:
        """Any size; tiles would have to overlap by most of a picture."""
        return Needs(1, 1, None, whole_rows=False, precisions=("float32", "bfloat16"))

    def forward(self, frames: Tensor) -> Restoration:
        """Look at frames: (B, V, 3, H, W), sRGB in [0, 1], V = 1 or 2; `image` is the frames.

        Auxiliary output: `depth` (B, V, 1, H', W'), H and W rounded up to multiples of 16.
        """
        self.check(frames)
        x = (2 * frames.flatten(0, 1) - 1).contiguous(memory_format=torch.channels_last)
        return Restoration(frames, {"depth": self.depth(x).unflatten(0, frames.shape[:2])})


_SMALL = DCMPNetConfig(
    depths=(4, 4, 6, 3, 3),
    attention=(1, 2, 4, 0, 0),
    bias_hidden=64,
    guide_width=16,
    depth_widths=(12, 24, 48, 64),
    growth=16,
)
_TINY = DCMPNetConfig(
    width=12,
    depths=(2, 2, 4, 2, 2),
    attention=(1, 1, 2, 0, 0),
    heads=(2, 4, 4, 1, 1),
    mlp_ratios=(2, 2, 2, 2, 2),
    bias_hidden=32,
    fusion_hidden=32,
    guide_width=8,
    depth_widths=(8, 16, 24, 32),
    growth=8,
)

VARIANTS = {"dcmpnet": DCMPNetConfig(), "dcmpnet-small": _SMALL, "dcmpnet-tiny": _TINY}
"""Named sizes: as published, for a laptop, and for tests and very small machines."""
