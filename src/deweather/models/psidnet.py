"""PSIDNet: progressive stereo image dehazing with cross-view attention (TMM 2024).

Three stages from parts to the whole: the four quarters of each view, then its upper and lower half,
then the full view. A stage encodes its parts, lets left and right of every part read each other
(`CrossView`, one set of weights per part), and decodes a picture that the next stage reads on top of
the hazy one. Features travel from stage to stage, too. Encoder and decoder of a stage are shared by
its parts and by both views.

Published: the network above; 11.45 M parameters, of which 2.42 M are never used, and 146.3 G
multiply-adds for a pair of 256x256. No weights were published.

What differs here:

- The unused layers are gone (a fourth residual pair at every resolution, three 1x1 convolutions);
  9.03 M parameters remain. What the network computes is the same.
- The 1x1 convolution over two concatenated maps is applied in halves, one per map: what it makes of
  the views is needed twice and computed once. All parts and both views go through encoder and decoder
  as one batch; without gradients, large ones in chunks and bands, which bounds memory and gives the
  same. No map of row correspondences is ever stored.
- Three switches choose between the released behaviour and the corrected one, which is the default
  for new training; `as_released` sets those that are not given:

  - `crossed_views`: what arrives on the columns of the right view is added to the left features, and
    the reverse, so a pixel receives what belongs to another place. Corrected: left to left.
  - `unscaled_attention`: row correspondences are a softmax of plain products of 128 channels.
    Corrected: the products are divided by √128, as everywhere else.
  - `whole_stage_pictures`: the early decoders give whole clean pictures, yet the next stage reads
    the hazy picture plus that, a range of about [0, 2]. Corrected: they give what is to be added to
    the hazy picture; the stage picture is the sum, and so is what the next stage reads. The final
    picture follows from the weights alike in both; what is reported and supervised differs.

- One view skips the cross-view part, so the same weights serve single pictures.
- Compact variants, ours, with fewer channels and residual pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deweather.models.base import (
    Needs,
    Network,
    Restoration,
    check_choice,
    check_least,
    scattering_restoration,
)
from deweather.nn.parts import cut_parts, join_parts
from deweather.nn.row_attention import row_attention
from deweather.nn.scattering import ScatteringHead

_CHUNK_PIXELS = 1 << 18
"""Pixels that go through an encoder or decoder at once if no gradients are wanted. More would cost
memory and gain no time; less would leave a GPU idle."""

_BAND_PIXELS = 1 << 16
"""Pixels of a map that go through a residual pair at once if no gradients are wanted: the map between
its two convolutions is never stored whole."""


@dataclass(frozen=True)
class PSIDNetConfig:
    """Sizes and switches of PSIDNet.

    Attributes:
        width: channels at full resolution; each of the two levels down doubles them.
        pairs: residual pairs of convolutions at each level of an encoder or decoder.
        as_released: what the switches below are if they are None.
        crossed_views: add what was gathered for one view to the other.
        unscaled_attention: compare rows without dividing by the root of the channels.
        whole_stage_pictures: early decoders give whole pictures, not what to add to the hazy one.
        output: what the last decoder gives: the "picture", as published; a "residual", which is added to
            the hazy one; or what Koschmieder's law needs ("scattering"), which is returned as
            `transmission` and `airlight`, too.
    """

    width: int = 32
    pairs: int = 3
    as_released: bool = False
    crossed_views: bool | None = None
    unscaled_attention: bool | None = None
    whole_stage_pictures: bool | None = None
    output: Literal["picture", "residual", "scattering"] = "picture"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: one of them makes no network.
        """
        check_least(self, width=1, pairs=1)
        check_choice(self, output=("picture", "residual", "scattering"))

    def released(self, switch: bool | None) -> bool:
        """The value of one of the switches, which follows `as_released` unless it is given."""
        return self.as_released if switch is None else switch


def _keeps_everything() -> bool:
    """Whether cutting the work up would save nothing (gradients) or bake sizes in (a traced graph)."""
    return torch.is_grad_enabled() or torch.compiler.is_compiling()


class ResidualPair(nn.Module):
    """Two 3x3 convolutions around a ReLU, added to what came in.

    Args:
        channels: of the map.
        overwrites: whether x is needed by nobody else and may be overwritten.
    """

    def __init__(self, channels: int, *, overwrites: bool = True) -> None:
        super().__init__()
        self.overwrites = overwrites
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Refine x: (N, C, H, W) -> (N, C, H, W); without gradients it may overwrite x."""
        if _keeps_everything():
            return x + self._change(x)
        out = x if self.overwrites else x.clone()
        n, _, height, width = x.shape
        if n * height * width <= _BAND_PIXELS:
            return out.add_(self._change(x))
        rows = max(8, _BAND_PIXELS // width)
        for picture, refined in zip(torch.split(x, 1), torch.split(out, 1), strict=True):
            pending: Tensor | None = None
            for top in range(0, height, rows):
                above = max(top - 2, 0)  # two convolutions see two rows away
                change = self._change(picture[:, :, above : top + rows + 2])
                # The band above was still to be read, so it changes only now.
                if pending is not None:
                    refined[:, :, top - rows : top].add_(pending)
                pending = change[:, :, top - above : top - above + rows]
            if pending is not None:
                refined[:, :, height - pending.shape[2] :].add_(pending)
        return out

    def _change(self, x: Tensor) -> Tensor:
        return self.conv2(F.relu(self.conv1(x), inplace=True))


def make_encoder(width: int, pairs: int) -> nn.Sequential:
    """Pictures (N, 3, H, W) -> features (N, 4 width, H/4, W/4), with residual pairs at each level."""
    layers: list[nn.Module] = []
    for fan_in, channels, stride in (
        (3, width, 1),
        (width, 2 * width, 2),
        (2 * width, 4 * width, 2),
    ):
        layers.append(nn.Conv2d(fan_in, channels, 3, stride, padding=1))
        layers += [ResidualPair(channels) for _ in range(pairs)]
    return nn.Sequential(*layers)


def make_decoder(width: int, pairs: int) -> nn.Sequential:
    """Features (N, 4 width, H/4, W/4) -> pictures (N, 3, H, W), with residual pairs at each level."""
    layers: list[nn.Module] = []
    for channels in (4 * width, 2 * width):
        layers += [
            # The features that come in go on to the next stage, too.
            ResidualPair(channels, overwrites=i > 0 or channels < 4 * width)
            for i in range(pairs)
        ]
        layers.append(nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1))
    layers += [ResidualPair(width) for _ in range(pairs)]
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))


class CrossView(nn.Module):
    """Lets each view read the other along its rows.

    A 1x1 convolution over two maps, `merge`, makes of left and right one fused map, gated per channel
    by its average, and of each view with the fused map the values of that view. Each view then gathers
    the values of the other where their rows match.

    Args:
        channels: C of the feature maps.
        crossed, unscaled: see `crossed_views` and `unscaled_attention` of `PSIDNetConfig`.
    """

    def __init__(self, channels: int, *, crossed: bool, unscaled: bool) -> None:
        super().__init__()
        self.crossed = crossed
        self.scale = 1.0 if unscaled else channels**-0.5
        self.merge = nn.Conv2d(2 * channels, channels, 1)
        self.match = nn.Conv2d(channels, channels, 3, padding=1)
        hidden = max(1, channels // 16)
        self.gate = nn.Sequential(
            nn.Linear(channels, hidden, bias=False),
            nn.GELU(),
            nn.Linear(hidden, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Exchange between views: (2B, C, H, W), left and right of a pair adjacent, same out."""
        value, row = self.values(x), F.gelu(self.match(x))
        to_left = row_attention(row[0::2], row[1::2], value[1::2], scale=self.scale)
        to_right = row_attention(row[1::2], row[0::2], value[0::2], scale=self.scale)
        left, right = (to_right, to_left) if self.crossed else (to_left, to_right)
        out = x.clone()
        out[0::2] += left
        out[1::2] += right
        return out

    def values(self, x: Tensor) -> Tensor:
        """What each view has to give: (2B, C, H, W), left and right of a pair adjacent, same out."""
        first, second = self.merge.weight.chunk(2, dim=1)
        views = F.conv2d(x, first, self.merge.bias)
        fused = F.gelu(views[0::2] + F.conv2d(x[1::2], second))
        fused = fused * self.gate(fused.mean((2, 3)))[..., None, None]
        return F.gelu(views + F.conv2d(fused, second).repeat_interleave(2, dim=0))


def _in_chunks(layers: Callable[[Tensor], Tensor], x: Tensor, pixels: int) -> Tensor:
    """`layers(x)`, a few of the N pictures of `pixels` at a time unless gradients are wanted."""
    chunk = max(1, _CHUNK_PIXELS // pixels)
    if _keeps_everything() or chunk >= len(x):
        return layers(x)
    return torch.cat([layers(part) for part in torch.split(x, chunk)])


class Stage(nn.Module):
    """One pass over the views, in `rows` x `columns` parts. All its maps are those of whole views.

    Args:
        config: sizes and switches.
        rows, columns: the grid of parts that are encoded, and read across the views, on their own.
        decoded_rows: rows of the grid of parts, of full width, that are decoded on their own.
    """

    def __init__(self, config: PSIDNetConfig, rows: int, columns: int, decoded_rows: int) -> None:
        super().__init__()
        self.grid = (rows, columns)
        self.decoded_grid = (decoded_rows, 1)
        crossed = config.released(config.crossed_views)
        unscaled = config.released(config.unscaled_attention)
        self.encoder = make_encoder(config.width, config.pairs)
        self.cross_views = nn.ModuleList(
            CrossView(4 * config.width, crossed=crossed, unscaled=unscaled)
            for _ in range(rows * columns)
        )
        self.decoder = make_decoder(config.width, config.pairs)

    def encode(self, pictures: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, C, H/4, W/4)."""
        parts = cut_parts(pictures, *self.grid).contiguous(memory_format=torch.channels_last)
        pixels = parts.shape[-2] * parts.shape[-1]
        return join_parts(_in_chunks(self.encoder, parts, pixels), *self.grid)

    def exchange(self, features: Tensor) -> Tensor:
        """Let the views of every part read each other: (2B, C, H/4, W/4), same out."""
        parts = cut_parts(features, *self.grid).chunk(len(self.cross_views))
        read = [cross(part) for cross, part in zip(self.cross_views, parts, strict=True)]
        return join_parts(torch.cat(read), *self.grid)

    def decode(self, features: Tensor) -> Tensor:
        """(N, C, H/4, W/4) -> (N, 3, H, W)."""
        parts = cut_parts(features, *self.decoded_grid)
        pixels = 16 * parts.shape[-2] * parts.shape[-1]
        return join_parts(_in_chunks(self.decoder, parts, pixels), *self.decoded_grid)


class PSIDNet(Network):
    """The network; `frames` of one view take the same path without the cross-view part."""

    def __init__(self, config: PSIDNetConfig) -> None:
        super().__init__()
        self.config = config
        self.quarters = Stage(config, rows=2, columns=2, decoded_rows=2)
        self.halves = Stage(config, rows=2, columns=1, decoded_rows=1)
        self.full = Stage(config, rows=1, columns=1, decoded_rows=1)
        if config.output == "scattering":
            self.full.decoder[-1] = nn.Identity()
            self.predict = ScatteringHead(config.width, 4 * config.width, 4)

    @property
    def needs(self) -> Needs:
        """Multiples of 8, for halves are reduced by 4; whole pictures, for parts lie where they do."""
        return Needs(8, 8, tile_overlap=None, whole_rows=True, padding="replicate")

    def forward(self, frames: Tensor) -> Restoration:
        """Restore frames (B, V, 3, H, W), V = 1 or 2, sRGB in [0, 1]; H and W meet `needs`.

        Auxiliary outputs are the pictures of the early stages: of `stage1` the halves that it decodes
        on their own, `stage1_left_top`, `stage1_left_bottom`, `stage1_right_top` and
        `stage1_right_bottom` (B, 3, H/2, W), and of `stage2` `stage2_left` and `stage2_right`
        (B, 3, H, W). One view counts as left.

        Raises:
            FramesError: the shape does not meet `needs`.
        """
        self.check(frames)
        hazy = frames.flatten(0, 1)
        pair = frames.shape[1] == 2
        whole = self.config.released(self.config.whole_stage_pictures)

        def exchange(stage: Stage, features: Tensor) -> Tensor:
            return stage.exchange(features) if pair else features

        features = exchange(self.quarters, self.quarters.encode(hazy))
        decoded = self.quarters.decode(features)
        current = hazy + decoded
        stage1 = decoded if whole else current
        features = exchange(self.halves, self.halves.encode(current)) + features
        decoded = self.halves.decode(features)
        current = hazy + decoded
        stage2 = decoded if whole else current
        features = exchange(self.full, self.full.encode(current) + features)
        last = self.full.decode(features)

        auxiliary = {}
        half = frames.shape[-2] // 2
        halves, wholes = stage1.reshape(frames.shape), stage2.reshape(frames.shape)
        for v, side in enumerate(("left", "right")[: frames.shape[1]]):
            auxiliary[f"stage1_{side}_top"] = halves[:, v, :, :half]
            auxiliary[f"stage1_{side}_bottom"] = halves[:, v, :, half:]
            auxiliary[f"stage2_{side}"] = wholes[:, v]
        if self.config.output == "scattering":
            maps = self.predict(hazy, last, features, frames.shape[1])
            law = scattering_restoration(maps, (frames.shape[0], frames.shape[1]))
            return Restoration(law.image, {**auxiliary, **law.auxiliary})
        image = hazy + last if self.config.output == "residual" else last
        return Restoration(image.reshape(frames.shape), auxiliary)


VARIANTS: dict[str, PSIDNetConfig] = {
    "psidnet": PSIDNetConfig(),
    "psidnet-small": PSIDNetConfig(width=16, pairs=2),
    "psidnet-tiny": PSIDNetConfig(width=8, pairs=2),
}
"""Named sizes: as published; for training and use on one ordinary GPU; for tests and weak machines."""
