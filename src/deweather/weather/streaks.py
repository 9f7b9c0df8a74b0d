"""Overlaid streaks: the look of the published synthetic rain sets, in mono and stereo.

Rain100L, Rain100H and their kin add a layer of motion-blurred points to sRGB values. That is not
physics, but it is what methods are compared on. For pairs each layer hangs at one disparity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from deweather.errors import UnknownNameError
from deweather.weather.operator import (
    Compose,
    Degraded,
    Parameter,
    generators,
    per_picture,
    require,
)
from deweather.weather.scene import Scene
from deweather.weather.splat import draw_streaks
from deweather.weather.streams import DrawStream

_MARGIN = 32  # pixels; streaks that begin outside reach in


class Streaks:
    """One layer of overlaid streaks.

    Args:
        density: streaks per 1000 pixels; 0 is dry.
        length: mean length in pixels.
        width: Gaussian width (standard deviation) in pixels.
        angle: direction in degrees from the vertical, positive leaning right going down.
        brightness: peak value that a streak adds, in [0, 1].
        spread: standard deviation of the angle in degrees.
        disparity: pixels by which the layer is shifted between the views, 0 or more.
        screen: True blends 1 - (1 - I)(1 - S) instead of the sum I + S.
        uneven: share of the layer that is missing where it is thinnest, in [0, 1]; a smooth field over
            the picture.
        margin: pixels around the picture in which streaks begin, too; about half their length.
    """

    def __init__(
        self,
        density: Parameter,
        *,
        length: Parameter = 20.0,
        width: Parameter = 0.8,
        angle: Parameter = 0.0,
        brightness: Parameter = 0.5,
        spread: Parameter = 2.0,
        disparity: Parameter = 20.0,
        screen: bool | Tensor = False,
        uneven: Parameter = 0.0,
        margin: float = _MARGIN,
        stream: int = DrawStream.STREAKS,
    ) -> None:
        """Check the plain numbers; `stream` gives several layers their own draws."""
        if not isinstance(density, Tensor):
            require(density >= 0, "density", density, "streaks per 1000 pixels, 0 or more")
        if not isinstance(length, Tensor):
            require(length > 0, "length", length, "pixels > 0")
        if not isinstance(disparity, Tensor):
            require(disparity >= 0, "disparity", disparity, "pixels, 0 or more")
        self.density, self.length, self.width, self.angle = density, length, width, angle
        self.brightness, self.spread, self.disparity = brightness, spread, disparity
        if not isinstance(uneven, Tensor):
            require(0 <= uneven <= 1, "uneven", uneven, "a share in [0, 1]")
        require(margin >= 0, "margin", margin, "pixels, 0 or more")
        self.screen, self.uneven, self.margin = screen, uneven, margin
        self.stream = stream

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Overlay the layer. Records the layer itself, (B, V, 1, H, W)."""
        b, v, _, h, w = scene.frames.shape
        names = ("density", "length", "width", "angle", "brightness", "spread", "disparity")
        values = {name: per_picture(getattr(self, name), scene, name).tolist() for name in names}
        parts = []
        for i, generator in enumerate(generators(seed, b, self.stream)):
            of = {name: column[i] for name, column in values.items()}
            parts.append(self._draw(i, (v, h, w), of, generator))
        plane, centre, extent, sigma, mass = (
            torch.cat(column).to(scene.frames.device) for column in zip(*parts, strict=True)
        )
        layer = draw_streaks(
            (b * v, h, w), plane=plane, centre=centre, extent=extent, sigma=sigma, mass=mass
        )
        layer = layer.clamp_max(1.0).view(b, v, 1, h, w)
        uneven = per_picture(self.uneven, scene, "uneven")
        if bool((uneven > 0).any()):
            draws = generators(seed, b, self.stream + DrawStream.UNEVENNESS)
            field = torch.cat([torch.rand(1, 1, 4, 4, generator=g) for g in draws]).to(layer)
            field = F.interpolate(field, (h, w), mode="bicubic", align_corners=False).clamp(0, 1)
            layer = layer * (1 - uneven.view(b, 1, 1, 1, 1) * field[:, None])
        screen = torch.as_tensor(self.screen, device=layer.device).expand(b).view(b, 1, 1, 1, 1)
        gain = torch.where(screen, 1 - scene.frames, torch.ones_like(scene.frames))
        frames = (scene.frames + layer * gain).clamp(0, 1)
        return Degraded(frames, {f"streaks{self.stream}.layer": layer})

    def _draw(
        self,
        i: int,
        shape: tuple[int, int, int],
        of: dict[str, float],
        generator: torch.Generator,
    ) -> tuple[Tensor, ...]:
        """Streaks of picture i in all its views (V, H, W): plane, centre, extent, sigma, mass."""
        views, h, w = shape
        wide = w + 2 * self.margin + (of["disparity"] if views > 1 else 0)
        high = h + 2 * self.margin
        mean = torch.tensor(of["density"] * wide * high / 1000)
        n = int(torch.poisson(mean, generator=generator))
        u = torch.rand(2, n, generator=generator)
        noise = torch.randn(3, n, generator=generator)
        x, y = u[0] * wide - self.margin, u[1] * high - self.margin
        length = of["length"] * torch.exp(0.35 * noise[0])
        angle = torch.deg2rad(of["angle"] + of["spread"] * noise[1])
        extent = torch.stack([length * torch.sin(angle), length * torch.cos(angle)], dim=1)
        sigma = (of["width"] * torch.exp(0.2 * noise[2])).clamp(0.3, 8.0)
        faint = torch.rand(n, generator=generator) ** 0.7
        mass = of["brightness"] * faint * math.sqrt(2 * math.pi) * sigma
        plane = torch.cat([torch.full((n,), i * views + view) for view in range(views)])
        centre = torch.cat(
            [torch.stack([x - view * of["disparity"], y], dim=1) for view in range(views)]
        )
        return plane, centre, extent.repeat(views, 1), sigma.repeat(views), mass.repeat(views)


_LOOKS: dict[str, tuple[dict[str, float], ...]] = {
    "light": ({"density": 1.2, "length": 16, "width": 0.6, "brightness": 0.45, "disparity": 12},),
    "heavy": (
        {"density": 6, "length": 18, "width": 0.6, "brightness": 0.35, "disparity": 4},
        {"density": 4, "length": 30, "width": 0.8, "brightness": 0.45, "disparity": 10},
        {"density": 2, "length": 48, "width": 1.1, "brightness": 0.5, "disparity": 24},
    ),
}
_FAN = 9.0  # degrees between the directions of the layers


def streak_layers(look: str, angle: float = 0.0, screen: bool = False) -> Compose:
    """The look of the published synthetic sets: one light layer, or several heavy ones.

    Args:
        look: "light" (one direction, short, sparse) or "heavy" (three directions and lengths). Of
            pairs, each layer hangs at a disparity of its own, far ones first.
        angle: direction in degrees from the vertical, of the middle layer.
        screen: how the layers are blended; see `Streaks`.

    Raises:
        UnknownNameError: there is no such look.
    """
    if look not in _LOOKS:
        raise UnknownNameError("look of streaks", look, _LOOKS)
    layers = _LOOKS[look]
    middle = (len(layers) - 1) / 2
    return Compose(
        [
            Streaks(
                **layer,
                angle=angle + _FAN * (i - middle),
                screen=screen,
                stream=DrawStream.STREAKS_OF_LOOK + i,
            )
            for i, layer in enumerate(layers)
        ]
    )
