"""StereoIRR: stereo image rain removal by dual-view mutual attention (arXiv 2211.10104).

No code and no checkpoint was ever released, so this is written from the paper's figure and numbers.

Published: three processes (feature extraction, long-range and cross-view interaction, residual
prediction); extraction and prediction shared by the views; the prediction is added to the rainy
view; the interaction is a symmetric U with skips inside each view, whose basic blocks share their
weights between the views; between every two groups of blocks one dual-view mutual attention (DMA),
which reads both views and adds to both; none after the last group. 39.69 M parameters and 9.26 G
multiply-adds for a 128x128 pair.

Fitted: NAFNet blocks; width 32, encoder (2, 2, 4, 8), middle 12, decoder (2, 2, 2, 2); 2x2 strided
convolutions down, 1x1 and pixel shuffle up, additive skips; the hidden width of the DMA's channel
gate (`gate_expansion`), chosen so that size and cost land on the published ones: 2.64 times the
concatenated channels.

Our reading: the insides of the DMA (see `DualViewMutualAttention`); one view skips every DMA, so
the same weights serve single pictures; `pool_window`, which lets channel attention look at a
neighbourhood instead of the whole map, so that tiles agree; compact variants, which leave out the
DMA at full resolution (`attention_from`), where on large pictures its rows would cost more than the
rest of the network together; for haze, `output="scattering"`, which predicts what Koschmieder's law needs
instead of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from deweather.errors import ConfigError
from deweather.models.base import (
    Needs,
    Network,
    Restoration,
    check_choice,
    check_least,
    check_levels,
    scattering_restoration,
)
from deweather.nn.naf import NAFBlock
from deweather.nn.norm import ChannelLayerNorm
from deweather.nn.pointwise import PointwiseConv2d
from deweather.nn.pool import AveragePool, upsample_like
from deweather.nn.row_attention import row_attention
from deweather.nn.scattering import ScatteringHead


@dataclass(frozen=True)
class StereoIRRConfig:
    """Sizes and switches of StereoIRR.

    Attributes:
        width: channels at full resolution; each level down doubles them.
        encoder: NAF blocks of each encoder level, from full resolution down.
        middle: NAF blocks at the lowest resolution.
        decoder: NAF blocks of each decoder level, from low resolution up to full.
        gate_expansion: hidden width of the DMA's gate, in units of the concatenated channels 2c.
        attention_from: first level (0 = full resolution) that has a DMA.
        pool_window: side in pixels of the window that channel attention averages; None averages
            everything.
        output: "residual" adds to the picture; "scattering" inverts Koschmieder's law by a transmission
            and an airlight, which are returned as auxiliary maps `transmission` (B, V, 1, H, W) and
            `airlight` (B, V, 3, H, W).
    """

    width: int = 32
    encoder: tuple[int, ...] = (2, 2, 4, 8)
    middle: int = 12
    decoder: tuple[int, ...] = (2, 2, 2, 2)
    gate_expansion: float = 2.64
    attention_from: int = 0
    pool_window: int | None = None
    output: Literal["residual", "scattering"] = "residual"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: one of them makes no network.
        """
        check_levels(self.encoder, self.decoder)
        check_least(self, width=1, middle=0, attention_from=0, gate_expansion=0.0)
        if self.pool_window is not None and self.pool_window < 1:
            raise ConfigError(f"pool_window = {self.pool_window}; give pixels, or None.")
        check_choice(self, output=("residual", "scattering"))


class DualViewMutualAttention(nn.Module):
    """Lets each view read the other along its rows, gated by what both views hold as a whole.

    Left queries meet right keys; the softmax of that map carries right values onto the left grid,
    the softmax of its transpose left values onto the right grid. Values are gated per channel by an
    MLP over the averages of both views: most parameters sit there, at no cost per pixel. What
    arrives is scaled by zero-initialised factors, one per channel and view, so a new DMA changes
    nothing.

    Args:
        channels: c of the feature maps.
        expansion: hidden width of the gate's MLP, in units of 2c.
        pool: how the gate averages the maps.
    """

    def __init__(self, channels: int, expansion: float, pool: AveragePool) -> None:
        super().__init__()
        joint = 2 * channels
        hidden = max(8, round(expansion * joint))
        self.norm = ChannelLayerNorm(channels)
        self.query = PointwiseConv2d(channels, channels)
        self.key = PointwiseConv2d(channels, channels)
        self.value = PointwiseConv2d(channels, channels)
        # A new DMA compares normalised features as they are, so like meets like from the first step.
        # From random queries and keys the correspondence is found late or never.
        for conv in (self.query, self.key):
            nn.init.dirac_(conv.weight)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        self.pool = pool
        self.gate = nn.Sequential(
            nn.Conv2d(joint, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, joint, 1), nn.Sigmoid()
        )
        self.scale_left = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.scale_right = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Exchange between views: (2B, C, H, W), left and right of a pair adjacent, same out."""
        normed = self.norm(x)
        left, right = normed[0::2], normed[1::2]
        gate = self.gate(self.pool(torch.cat([left, right], dim=1)))
        gate_left, gate_right = upsample_like(gate, left).chunk(2, dim=1)
        query, key = self.query(left), self.key(right)
        value = self.value(normed)
        value_left, value_right = value[0::2] * gate_left, value[1::2] * gate_right
        to_left = row_attention(query, key, value_right) * self.scale_left
        to_right = row_attention(key, query, value_left) * self.scale_right
        return x + torch.stack([to_left, to_right], dim=1).flatten(0, 1)


class StereoIRR(Network):
    """The network; `frames` of one view take the same path without the cross-view part."""

    def __init__(self, config: StereoIRRConfig) -> None:
        super().__init__()
        self.config = config
        levels = len(config.encoder)
        c = config.width
        self.extract = nn.Conv2d(3, c, 3, padding=1)
        self.predict: nn.Module = nn.Conv2d(c, 3, 3, padding=1)
        if config.output == "scattering":
            self.predict = ScatteringHead(c, c << levels, 1 << levels)
        self.encoders, self.downs = nn.ModuleList(), nn.ModuleList()
        self.decoders, self.ups = nn.ModuleList(), nn.ModuleList()
        self.exchanges = nn.ModuleList()
        for level, blocks in enumerate(config.encoder):
            self.encoders.append(self._group(blocks, level))
            self.exchanges.append(self._exchange(level))
            self.downs.append(nn.Conv2d(c << level, c << (level + 1), 2, stride=2))
        self.middle = self._group(config.middle, levels)
        self.exchanges.append(self._exchange(levels))
        for level, blocks in zip(reversed(range(levels)), config.decoder, strict=True):
            below = c << (level + 1)
            self.ups.append(
                nn.Sequential(PointwiseConv2d(below, 2 * below, bias=False), nn.PixelShuffle(2))
            )
            self.decoders.append(self._group(blocks, level))
            if level > 0:
                self.exchanges.append(self._exchange(level))

    def _pool(self, level: int) -> AveragePool:
        window = self.config.pool_window
        cell = 1 << (len(self.config.encoder) - level)
        return AveragePool(None if window is None else max(window >> level, 1), cell)

    def _group(self, blocks: int, level: int) -> nn.Sequential:
        channels = self.config.width << level
        return nn.Sequential(*(NAFBlock(channels, self._pool(level)) for _ in range(blocks)))

    def _exchange(self, level: int) -> nn.Module:
        if level < self.config.attention_from:
            return nn.Identity()
        channels = self.config.width << level
        return DualViewMutualAttention(channels, self.config.gate_expansion, self._pool(level))

    @property
    def needs(self) -> Needs:
        """Multiples of 2^levels; tiles only with a pooling window, pairs in full-width strips."""
        multiple = 1 << len(self.config.encoder)
        window = self.config.pool_window
        overlap = None if window is None else window + 64
        return Needs(multiple, multiple, overlap, whole_rows=True)

    def forward(self, frames: Tensor) -> Restoration:
        """Restore frames (B, V, 3, H, W), V = 1 or 2, sRGB in [0, 1]; H and W meet `needs`.

        Raises:
            FramesError: the shape does not meet `needs`.
        """
        self.check(frames)
        pictures = frames.flatten(0, 1)
        pair = frames.shape[1] == 2
        exchanges = iter(self.exchanges)

        def exchange(features: Tensor) -> Tensor:
            step = next(exchanges)
            return step(features) if pair else features

        x = self.extract(pictures.contiguous(memory_format=torch.channels_last))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = down(exchange(x))
        context = x = exchange(self.middle(x))
        last = len(self.decoders) - 1
        for i, (up, decoder) in enumerate(zip(self.ups, self.decoders, strict=True)):
            x = decoder(up(x) + skips.pop())
            if i < last:
                x = exchange(x)
        if self.config.output == "residual":
            image = pictures + self.predict(x)
            return Restoration(image.unflatten(0, frames.shape[:2]))
        maps = self.predict(pictures, x, context, frames.shape[1])
        return scattering_restoration(maps, (frames.shape[0], frames.shape[1]))


_SMALL = StereoIRRConfig(
    width=16,
    encoder=(1, 1, 1, 2),
    middle=2,
    decoder=(1, 1, 1, 1),
    gate_expansion=0.25,
    attention_from=1,
)
_TINY = StereoIRRConfig(
    width=12, encoder=(1, 1, 1), middle=2, decoder=(1, 1, 1), gate_expansion=0.5, attention_from=1
)

VARIANTS: dict[str, StereoIRRConfig] = {
    "stereoirr": StereoIRRConfig(),
    "stereoirr-small": _SMALL,
    "stereoirr-tiny": _TINY,
    "stereoirr-local": StereoIRRConfig(pool_window=80),
    "stereoirr-small-local": replace(_SMALL, pool_window=80),
    "stereoirr-tiny-local": replace(_TINY, pool_window=80),
}
"""Named sizes; `-local` pools a window, so that a large picture may be cut into tiles."""
