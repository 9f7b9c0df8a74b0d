"""APANet: stereo image rain removal (IEEE Transactions on Computational Imaging, 2025).

A U of four levels whose every layer is shared by the two views. Each block refines both views on their
own, by external attention (arXiv 2105.02358) and a gated depthwise MLP, and then lets them read each
other along their rows. Disparity cannot be negative, so a left pixel only sees right columns up to
its own, and a right pixel left columns from its own on. The prediction is added to the rainy picture.

Published: the network above; 8.01 M parameters and 83.9 G multiply-adds for a pair of 256x256.

What differs here:

- The bias of the norm before external attention is gone (4,736 parameters; 8.01 M remain): it moves
  all scores of a memory slot alike, which the softmax over pixels cancels exactly.
- No map of row correspondences is ever stored whole. Where no gradients are wanted, blocks overwrite
  their map in horizontal strips that stay in the cache, and the weights of external attention are
  those of one picture at a time.
- `as_released` chooses between the released behaviour and the corrected one, which is the default for
  new training. It changes one thing, which can be set on its own, too:

  - `normaliser`: the term that keeps the sum over memory slots from being zero. Released: 1e9, which
    divides what external attention adds down to some 1e-12, so that it does nothing and hardly
    learns; float32 on CPUs leaves it out where rounding would. Corrected: 1e-9, as was meant.

- One view skips the cross-view part, so the same weights serve single pictures.
- Compact variants, ours, with fewer channels and blocks, and no cross-view part at full resolution
  (`stereo_from`), where it would cost more than the rest of the network on wide pictures.

Kept: external attention's double normalisation, over pixels and then over slots, is its published
form; it makes the answer depend on the picture's size, so tiles do not agree with the whole. The
released normaliser silences it, so there tiles do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deweather.errors import ConfigError
from deweather.models.base import Needs, Network, Restoration, check_least, check_levels
from deweather.nn.external_attention import ExternalAttention
from deweather.nn.pointwise import Pointwise
from deweather.nn.row_attention import one_way_row_attention
from deweather.nn.row_chunks import chunk_rows
from deweather.nn.transformer import to_nchw, to_nhwc


@dataclass(frozen=True)
class APANetConfig:
    """Sizes and switches of APANet.

    Attributes:
        width: channels at full resolution, an even number; each level down doubles them.
        encoder: blocks of each encoder level, from full resolution down.
        middle: blocks at the lowest resolution.
        decoder: blocks of each decoder level, from low resolution up to full.
        slots: memory slots of the external attention.
        stereo_from: first level (0 = full resolution) whose blocks have a cross-view part.
        as_released: what the switch below is if it is None.
        normaliser: added to the sum over slots; None is 1e9 as released and 1e-9 corrected.
    """

    width: int = 32
    encoder: tuple[int, ...] = (4, 6, 6)
    middle: int = 8
    decoder: tuple[int, ...] = (6, 6, 4)
    slots: int = 64
    stereo_from: int = 0
    as_released: bool = False
    normaliser: float | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: one of them makes no network.
        """
        check_levels(self.encoder, self.decoder)
        check_least(self, width=2, middle=0, slots=1, stereo_from=0)
        if self.width % 2:
            raise ConfigError(f"width = {self.width}; give an even number, for it is halved.")
        if self.normaliser is not None and not 0 < self.normaliser < math.inf:
            raise ConfigError(f"normaliser = {self.normaliser}; give a positive number, or None.")

    @property
    def epsilon(self) -> float:
        """The normaliser in force: as given, else as `as_released` says."""
        if self.normaliser is not None:
            return self.normaliser
        return 1e9 if self.as_released else 1e-9


class GatedMLP(nn.Module):
    """Doubles the channels, mixes 3x3 pixels in each, and gates one half by the GELU of the other.

    Residual, on normalised tokens; the zero-initialised scale makes a new one the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = 2 * channels
        self.norm = nn.LayerNorm(channels)
        self.expand = Pointwise(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.project = Pointwise(channels, channels)
        self.scale = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Refine tokens: (N, H, W, C) -> (N, H, W, C)."""
        return torch.addcmul(x, self.scale, self._gated(self._mixed(x)))

    def in_place(self, x: Tensor) -> None:
        """Do the same to x (N, H, W, C), in strips."""
        for picture in torch.split(x, 1):
            above = below = picture[:, :0]
            strips = chunk_rows(picture)
            for strip, after in zip(strips, [*strips[1:], below], strict=True):
                # The convolution reaches one row into the neighbours, of which the upper is no more.
                mixed = self._mixed(torch.cat([above, strip, after[:, :1]], dim=1))
                first = above.shape[1]
                above = strip[:, -1:].clone()
                change = self._gated(mixed[:, first : first + strip.shape[1]])
                strip.addcmul_(self.scale, change)

    def _mixed(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, H, W, 2C)."""
        return to_nhwc(self.depthwise(to_nchw(self.expand(self.norm(x)))))

    def _gated(self, mixed: Tensor) -> Tensor:
        """(N, H, W, 2C) -> (N, H, W, C)."""
        gate, value = mixed.chunk(2, dim=-1)
        return self.project(F.gelu(gate) * value)


class ViewHead(nn.Module):
    """What one view brings to the exchange: queries of normalised features, values of plain ones."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.query = Pointwise(channels, channels)
        self.value = Pointwise(channels, channels)
        self.scale = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and values, (B, H, W, C) each, of tokens (B, H, W, C)."""
        return self.query(self.norm(x)), self.value(x)


class Stereo(nn.Module):
    """Lets each view read the other along its rows, as far as disparities >= 0 allow."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.left = ViewHead(channels)
        self.right = ViewHead(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Exchange between views: (2B, H, W, C), all left ones first, same out."""
        left, right = x.chunk(2)
        to_left, to_right = self._read(left, right)
        return torch.cat(
            [
                torch.addcmul(left, self.left.scale, to_left),
                torch.addcmul(right, self.right.scale, to_right),
            ]
        )

    def in_place(self, x: Tensor) -> None:
        """Do the same to x (2B, H, W, C), in strips."""
        views = x.chunk(2)
        for left, right in zip(*map(chunk_rows, views), strict=True):
            to_left, to_right = self._read(left, right)
            left.addcmul_(self.left.scale, to_left)
            right.addcmul_(self.right.scale, to_right)

    def _read(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        (q_left, v_left), (q_right, v_right) = self.left(left), self.right(right)
        return one_way_row_attention(q_left, q_right, v_left, v_right)


class Block(nn.Module):
    """Refines each view, then lets them read each other where it may and two are given."""

    def __init__(self, channels: int, config: APANetConfig, *, stereo: bool) -> None:
        super().__init__()
        self.memory = ExternalAttention(channels, config.slots, config.epsilon)
        self.mlp = GatedMLP(channels)
        self.stereo = Stereo(channels) if stereo else None

    def forward(self, x: Tensor, *, pair: bool, scratch: Tensor | None = None) -> Tensor:
        """Refine tokens (N, H, W, C) -> (N, H, W, C); of a pair, all left views come first.

        With `scratch`, see `ExternalAttention.in_place`, x is overwritten; gradients want none.
        """
        if scratch is None:
            x = self.mlp(self.memory(x))
            return self.stereo(x) if self.stereo is not None and pair else x
        self.memory.in_place(x, scratch)
        self.mlp.in_place(x)
        if self.stereo is not None and pair:
            self.stereo.in_place(x)
        return x


class APANet(Network):
    """The network; `frames` of one view take the same path without the cross-view part."""

    def __init__(self, config: APANetConfig) -> None:
        super().__init__()
        self.config = config
        levels = len(config.encoder)
        c = config.width
        self.extract = nn.Conv2d(3, c, 3, padding=1)
        self.predict = nn.Conv2d(2 * c, 3, 3, padding=1)
        self.encoders, self.downs = nn.ModuleList(), nn.ModuleList()
        self.decoders, self.ups, self.merges = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, blocks in enumerate(config.encoder):
            channels = c << level
            self.encoders.append(self._group(blocks, channels, level))
            halve = nn.Conv2d(channels, channels // 2, 3, padding=1, bias=False)
            self.downs.append(nn.Sequential(halve, nn.PixelUnshuffle(2)))
        self.middle = self._group(config.middle, c << levels, levels)
        for level, blocks in zip(reversed(range(levels)), config.decoder, strict=True):
            channels = c << level
            double = nn.Conv2d(2 * channels, 4 * channels, 3, padding=1, bias=False)
            self.ups.append(nn.Sequential(double, nn.PixelShuffle(2)))
            # At full resolution, upsampled and skipped channels stay side by side.
            merge = nn.Conv2d(2 * channels, channels, 1) if level > 0 else nn.Identity()
            self.merges.append(merge)
            self.decoders.append(self._group(blocks, channels if level > 0 else 2 * c, level))

    def _group(self, blocks: int, channels: int, level: int) -> nn.ModuleList:
        stereo = level >= self.config.stereo_from
        return nn.ModuleList(Block(channels, self.config, stereo=stereo) for _ in range(blocks))

    @property
    def needs(self) -> Needs:
        """Multiples of 2^levels; whole pictures, unless the normaliser silences external attention."""
        config = self.config
        multiple = 1 << len(config.encoder)
        overlap = None
        if config.epsilon >= 1e6:
            # Every block and every 3x3 convolution reaches one pixel of its level further, and what
            # reaches the lowest level fills a pixel of it.
            reach = 1 + multiple * (1 + config.middle)
            for level, blocks in enumerate(
                zip(config.encoder, reversed(config.decoder), strict=True)
            ):
                reach += (sum(blocks) + 3) << level  # one conv down here, one up two pixels wide
            overlap = 2 * reach + 64
        return Needs(
            multiple, multiple, overlap, whole_rows=True, precisions=("float32", "bfloat16")
        )

    def forward(self, frames: Tensor) -> Restoration:
        """Restore frames (B, V, 3, H, W), V = 1 or 2, sRGB in [0, 1]; H and W meet `needs`.

        Auxiliary outputs are the features at full resolution: `feat_enc1_left` and `feat_enc1_right`
        (B, C, H, W) of the encoder, `feat_dec1_left` and `feat_dec1_right` (B, 2C, H, W) of the
        decoder. One view counts as left.

        Raises:
            FramesError: the shape does not meet `needs`.
        """
        self.check(frames)
        batch, views = frames.shape[:2]
        pictures = frames.transpose(0, 1).flatten(0, 1)  # all left views, then all right ones
        scratch: Tensor | None = None
        # float16 holds neither the exponentials that strips are made of nor sums of them.
        whole = torch.is_grad_enabled() or torch.compiler.is_compiling()
        if not whole and frames.dtype != torch.float16:
            scratch = frames.new_empty(self.config.slots * frames.shape[3] * frames.shape[4])

        def refine(blocks: nn.Module, x: Tensor) -> Tensor:
            tokens = to_nhwc(x.contiguous(memory_format=torch.channels_last))
            for block in blocks.children():
                tokens = block(tokens, pair=views == 2, scratch=scratch)
            return to_nchw(tokens)

        x = self.extract(pictures)
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(refine(encoder, x))
            x = down(skips[-1])
        encoded = skips[0]
        x = refine(self.middle, x)
        for up, merge, decoder in zip(self.ups, self.merges, self.decoders, strict=True):
            x = refine(decoder, merge(torch.cat([up(x), skips.pop()], dim=1)))
        image = (pictures + self.predict(x)).unflatten(0, (views, batch)).transpose(0, 1)
        auxiliary = {}
        for name, features in (("feat_enc1", encoded), ("feat_dec1", x)):
            for side, view in zip(("left", "right"), torch.split(features, batch), strict=False):
                auxiliary[f"{name}_{side}"] = view
        return Restoration(image, auxiliary)


VARIANTS: dict[str, APANetConfig] = {
    "apanet": APANetConfig(),
    "apanet-small": APANetConfig(
        width=16, encoder=(2, 4, 4), middle=6, decoder=(4, 4, 2), stereo_from=1
    ),
    "apanet-tiny": APANetConfig(
        width=16, encoder=(1, 2), middle=3, decoder=(2, 1), slots=32, stereo_from=1
    ),
}
"""Named sizes: as published; for training and use on one ordinary GPU; for tests and weak machines."""
