"""Random weather for training and testing: from clear to heavy, physical and overlaid.

`random_haze` and `random_rain` draw one operator for a batch, with its own parameters for each
picture, and say what a restoration should give back: the clean scene, or, where there is no such
weather, the very frames that came in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deweather.weather.haze import Haze
from deweather.weather.operator import Compose, Degraded, Operator, generators
from deweather.weather.rain import Rain
from deweather.weather.scene import Scene
from deweather.weather.sensor import Sensor
from deweather.weather.streaks import Streaks


@dataclass
class Example:
    """One training batch: what comes in and what should come out, both (B, V, 3, H, W), sRGB."""

    degraded: Tensor
    target: Tensor
    record: dict[str, Tensor]


def _uniform(u: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * u


def _draws(seed: int | Sequence[int], scene: Scene, stream: int, count: int) -> Tensor:
    """(count, B) uniform numbers in [0, 1)."""
    draws = generators(seed, scene.frames.shape[0], stream)
    return torch.stack([torch.rand(count, generator=g) for g in draws], dim=1).to(scene.frames)


def reference_distance(scene: Scene) -> Tensor:
    """Depth that three quarters of the pixels stay below, at most 500: (B,) metres."""
    return scene.depth().flatten(1).quantile(0.75, dim=1).clamp(0.1, 500.0)


def plausible_airlight(scene: Scene, u: Tensor) -> Tensor:
    """Colour of the air, (B, 3) sRGB, from five uniform numbers a picture, u: (5, B).

    Air that scatters daylight is about as bright as the brightest parts of the scene, rarely darker,
    and nearly grey; now and then it is tinted.
    """
    luma = scene.frames.new_tensor([0.299, 0.587, 0.114]).view(1, 1, 3, 1, 1)
    bright = (scene.frames * luma).sum(2)[..., ::4, ::4].flatten(1).quantile(0.95, dim=1)
    grey = (bright * _uniform(u[0], 0.8, 1.15)).clamp(0.5, 1.0)
    tint = (u[1:4] - 0.5) * _uniform(u[4] ** 3, 0.02, 0.3)
    return (grey[:, None] + tint.T).clamp(0, 1)


def random_haze(scene: Scene, seed: int | Sequence[int] = 0, clear_share: float = 0.2) -> Example:
    """Haze of random thickness, colour and patchiness, or clear air in `clear_share` of pictures.

    The optical thickness at the distance that three quarters of the scene stay below is drawn, not
    the visibility, so near and far scenes get haze that can be seen in them.
    """
    u = _draws(seed, scene, 21, 12)
    thickness = _uniform(u[0] ** 1.5, 0.06, 2.2)
    visibility = -math.log(0.05) * reference_distance(scene) / thickness
    clear = u[1] < clear_share
    visibility = torch.where(clear, torch.inf, visibility)
    haze = Haze(
        visibility,
        plausible_airlight(scene, u[2:7]),
        inhomogeneity=0.6 * u[7] ** 2,
        angstrom=torch.where(u[8] < 0.5, 0.0, 1.3 * u[8]),
        linear=u[9] < 0.7,
    )
    return _example(scene, [haze, _sensor(u[10], u[11])], seed, clear)


def random_rain(
    scene: Scene,
    seed: int | Sequence[int] = 0,
    clear_share: float = 0.15,
    haze_share: float = 0.05,
    keep_veil: bool = False,
) -> Example:
    """Physical rain with its veil and mist, overlaid streaks light and heavy, or no rain at all.

    Args:
        scene: clean scenes.
        seed: of the batch, or one of each picture.
        clear_share: share of the pictures without any weather.
        haze_share: share of those that are hazy and dry. Haze is not rain, so their target is what
            came in.
        keep_veil: the target lacks the streaks alone and keeps mist and veil, which only a view of
            the whole scene can tell.
    """
    u = _draws(seed, scene, 22, 31)
    clear = u[0] < clear_share
    hazy = (u[0] >= clear_share) & (u[0] < clear_share + haze_share)
    wet = ~(clear | hazy)
    physical = wet & (u[1] < 0.55)
    overlay = wet & (u[1] >= 0.45)
    heavy = u[2] < 0.5
    thickness = _uniform(u[3] ** 2, 0.02, 0.8)
    visibility = -math.log(0.05) * reference_distance(scene) / thickness
    misty = hazy | (physical & (u[4] < 0.7))
    airlight = plausible_airlight(scene, u[[5, 29, 9, 7, 10]])
    mist = Haze(torch.where(misty, visibility, torch.inf), airlight)
    rate = torch.where(physical, 8 * 25 ** u[6], 0.0)
    rain = Rain(
        rate,
        wind=_uniform(u[7], -5, 5),
        exposure=1 / (60 * 16 ** u[8]),
        brightness=_uniform(u[9], 0.9, 2.2),
        streaks=3 ** u[30],
    )
    operators: list[Operator] = [mist, rain]
    base = _uniform(u[10], -35, 35) * u[11]
    for layer in range(3):
        v = u[12 + 5 * layer : 17 + 5 * layer]
        on = overlay & ((v[0] < (0.8, 0.6, 0.4)[layer]) if layer else torch.ones_like(overlay))
        on = on & (heavy if layer else torch.ones_like(overlay))
        cover = torch.where(heavy, _uniform(v[1], 0.1, 0.6), _uniform(v[1] ** 1.5, 0.01, 0.15))
        length = torch.where(heavy, 12 * 5 ** v[2], 6 * 6 ** v[2])
        width = 0.45 + 0.9 * v[3] ** 2
        density = 1000 * cover / (length * 2.5 * width)
        operators.append(
            Streaks(
                torch.where(on, density, 0.0),
                length=length,
                width=width,
                angle=base + (_uniform(v[4], -12, 12) if layer else 0.0),
                brightness=_uniform(v[3], 0.25, 0.9),
                spread=1 + 4 * v[0] ** 2,
                disparity=_uniform(v[4], 2, 40),
                screen=v[1] < 0.3,
                stream=30 + layer,
            )
        )
    operators.append(_sensor(u[27], u[28]))
    example = _example(scene, operators, seed, clear | hazy)
    if keep_veil:
        veiled = Compose([mist, Rain(rate, streaks=0.0)])(scene, seed).frames
        untouched = (clear | hazy).view(-1, 1, 1, 1, 1)
        example.target = torch.where(untouched, example.degraded, veiled)
    return example


def _sensor(u: Tensor, v: Tensor) -> Sensor:
    """A good camera: a little noise in half of the pictures, JPEG in a third."""
    noise = torch.where(u < 0.5, 0.015 * u, 0.0)
    return Sensor(noise, 0.0, torch.where(v < 0.33, 70 + 75 * v, 101.0))


def _example(
    scene: Scene, operators: Sequence[Operator], seed: int | Sequence[int], untouched: Tensor
) -> Example:
    degraded: Degraded = Compose(operators)(scene, seed)
    target = torch.where(untouched.view(-1, 1, 1, 1, 1), degraded.frames, scene.frames)
    return Example(degraded.frames, target, degraded.record)
