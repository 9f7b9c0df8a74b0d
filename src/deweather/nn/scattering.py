"""Features of a U -> a picture without haze, by the inverse of Koschmieder's law.

I = J·t + A·(1 - t) is solved for J with a transmission t that the network sees at every pixel and an
airlight A that varies slowly over the picture. So colours are scaled away from that of the air and
not painted: hue is kept, what is as grey as the air stays so, and where t is 1 nothing changes. A
residual, weighted by 1 - t, mends what the law leaves.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deweather.image.transfer import linear_to_srgb, srgb_to_linear

LEAST = 0.03
"""Least transmission: what is hidden more than this is not brought back but as noise."""

_CLEAR = 2.0  # logit of a new head's transmission: 0.88
_NARROWEST = 0.2  # least reach of the airlight, in longer sides of the picture


class Scattering(NamedTuple):
    """What the head sees in pictures.

    Attributes:
        image: (N, 3, H, W), sRGB, not clamped.
        transmission: (N, 1, H, W), in [`LEAST`, 1].
        airlight: (N, 3, H, W), sRGB.
    """

    image: Tensor
    transmission: Tensor
    airlight: Tensor


class ScatteringHead(nn.Module):
    """Transmission, airlight and residual, and the picture that follows from them.

    The airlight at a place is the mean of colours over all cells of the coarsest map, weighted by how
    much a cell shows air and by a Gaussian of its distance, of which the reach is learned: one colour
    for an evenly lit picture, two for one with a low sun at a side. The law holds in linear light for
    cameras and in sRGB for most published synthetic sets; a share of the two is told from the picture.

    Args:
        channels: of the full-resolution features.
        context: channels of the coarsest map.
        cell: side of its cells in pixels of the picture.
    """

    def __init__(self, channels: int, context: int, cell: int) -> None:
        super().__init__()
        self.cell = cell
        self.thickness = nn.Conv2d(channels, 1, 3, padding=1)
        self.residual = nn.Conv2d(channels, 3, 3, padding=1)
        self.air = nn.Conv2d(context, 4, 1)
        self.law = nn.Conv2d(context, 1, 1)
        self.reach = nn.Parameter(torch.zeros(()))
        for conv in (self.thickness, self.residual, self.air, self.law):
            nn.init.normal_(conv.weight, std=1e-3)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(
        self, pictures: Tensor, features: Tensor, context: Tensor, views: int
    ) -> Scattering:
        """Restore pictures.

        Args:
            pictures: (N, 3, H, W), sRGB in [0, 1]; the views of a pair are adjacent.
            features: (N, channels, H, W).
            context: (N, context channels, H / cell, W / cell).
            views: of a sample; they share the airlight.
        """
        t = LEAST + (1 - LEAST) * torch.sigmoid(self.thickness(features) + _CLEAR)
        air = self.airlight(pictures, context, views)
        size = (pictures.shape[-2], pictures.shape[-1])
        air = F.interpolate(air, size, mode="bilinear", align_corners=False)
        share = torch.sigmoid(_of_sample(self.law(context).mean((2, 3), keepdim=True), views))
        plain = (pictures - air * (1 - t)) / t
        light = (srgb_to_linear(pictures) - srgb_to_linear(air) * (1 - t)) / t
        # Below black the curve would be steep and one wrong pixel would outweigh a picture.
        light = torch.where(light < 0, light, linear_to_srgb(light.clamp_min(0)))
        image = torch.lerp(plain, light, share) + (1 - t) * self.residual(features)
        return Scattering(image, t, air)

    def airlight(self, pictures: Tensor, context: Tensor, views: int) -> Tensor:
        """Colour of the air seen from every cell: (N, 3, h, w), sRGB."""
        h, w = context.shape[-2:]
        score, change = self.air(context).split((1, 3), 1)
        colour = (F.avg_pool2d(pictures, self.cell) + change).clamp(0, 1.2)
        weight = torch.exp(score.clamp(-8, 8))
        sums = _of_sample(torch.cat([weight, weight * colour], 1), views)
        reach = _NARROWEST + F.softplus(self.reach)
        longest = max(h, w)
        rows, columns = (_gaussian(n, longest, reach) for n in (h, w))
        spread = rows @ sums @ columns
        return spread[:, 1:] / spread[:, :1]


def _of_sample(maps: Tensor, views: int) -> Tensor:
    """Maps (N, C, h, w) of adjacent views, replaced by their mean: the same shape."""
    if views == 1:
        return maps
    n, *rest = maps.shape
    mean = maps.view(n // views, views, *rest).mean(1, keepdim=True)
    return mean.expand(-1, views, -1, -1, -1).reshape(maps.shape)


def _gaussian(count: int, longest: int, reach: Tensor) -> Tensor:
    """(count, count): Gaussian of the distance between cells, of which `longest` are the unit."""
    at = torch.arange(count, device=reach.device, dtype=reach.dtype) / longest
    return torch.exp(-0.5 * ((at[:, None] - at[None, :]) / reach) ** 2)
