"""Clean scenes -> haze and rain as photographs and published sets show them, in their full variety.

`random.random_haze` and `random_rain` draw one kind of camera in one kind of weather. Here kinds differ:
haze composited in light or in sRGB, from the blue of a far ridge to fog, under even light or a low sun;
rain from thin bright streaks to soft curtains as wide as a finger, in and out of focus.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from deweather.weather.haze import Haze
from deweather.weather.operator import Compose, Operator, generators
from deweather.weather.photograph import Illumination, Optics, RawNoise, Transport
from deweather.weather.rain import Rain
from deweather.weather.random_weather import (
    Example,
    draws,
    example_of,
    plausible_airlight,
    reference_distance,
    uniform,
)
from deweather.weather.scene import Scene
from deweather.weather.streaks import Streaks
from deweather.weather.streams import DrawStream

_SYNTHETIC, _RIDGE = 0.4, 0.55  # upper ends of the shares of sRGB compositing and of far ridges


def varied_haze(
    scene: Scene,
    seed: int | Sequence[int] = 0,
    clear_share: float = 0.2,
    keep_light: bool = True,
) -> Example:
    """Haze of all kinds, or clear air in `clear_share` of the pictures; the camera is never perfect.

    Two in five are composited in sRGB with an airlight of its own, as published sets are (RESIDE,
    CVPR 2018: optical thickness of the farthest point 0.6 to 1.8; RIDCP, CVPR 2023: up to 3); three
    in twenty are the thin blue haze of a far ridge; the rest is physical, up to dense fog.

    Args:
        scene: clean scenes.
        seed: of the batch, or one of each picture.
        clear_share: share of the pictures without haze; they should come out as they came in.
        keep_light: the target keeps low light; False asks for the scene in full light.

    Returns:
        The example; its record holds `haze.transmission` and `haze.airlight` as maps.
    """
    u = draws(seed, scene, DrawStream.EXAMPLE_OF_VARIED_HAZE, 40)
    b = u.shape[1]
    synthetic, ridge = u[0] < _SYNTHETIC, (u[0] >= _SYNTHETIC) & (u[0] < _RIDGE)
    clear = u[1] < clear_share
    dim = ~synthetic & (u[2] < 0.25)
    ramp = torch.where(~synthetic & (u[3] < 0.2), 0.8 * u[4], 0.0)
    light = Illumination(torch.where(dim, 1 + 1.5 * u[5] ** 2, 1.0), ramp)(scene, seed)
    lit = scene.with_frames(light.frames)
    near = reference_distance(scene)
    far = scene.depth().flatten(1).clamp_max(2000.0).quantile(0.98, dim=1)
    thickness = uniform(u[6] ** 1.5, 0.06, 3.2)
    extinction = thickness / near
    extinction = torch.where(synthetic, uniform(u[6], 0.4, 2.6) / far, extinction)
    extinction = torch.where(ridge, uniform(u[6], 0.3, 1.6) / far, extinction)
    haze = Haze(
        extinction=torch.where(clear, 0.0, extinction),
        airlight=_airlight(lit, u[7:16], synthetic, ridge, seed),
        inhomogeneity=torch.where(~synthetic & (u[16] < 0.25), 0.8 * u[17], 0.0),
        angstrom=torch.where(ridge, uniform(u[18], 0.6, 1.4), torch.where(synthetic, 0.0, u[18])),
        linear=~synthetic,
        scale_height=torch.where(~synthetic & (u[19] < 0.15), 0.05 * 10 ** u[20] * near, torch.inf),
        octaves=4,
        patch=near,
    )
    example = example_of(lit, [haze, *camera(u[21:31])], seed, clear)
    if not keep_light:
        same = (clear & ~dim & (ramp == 0)).view(b, 1, 1, 1, 1)
        example.target = torch.where(same, example.degraded, scene.frames)
    example.record |= light.record
    return example


def _airlight(
    scene: Scene, u: Tensor, synthetic: Tensor, ridge: Tensor, seed: int | Sequence[int]
) -> Tensor:
    """Colour of the air as a map (B, V, 3, H, W), sRGB, from u (9, B)."""
    b, v, _, h, w = scene.frames.shape
    air = plausible_airlight(scene, u[:5], darkest=0.2)
    darker = u[5] < 0.15
    air = torch.where(darker[:, None], air * uniform(u[6], 0.45, 0.9)[:, None], air)
    own = uniform(u[0], 0.65, 1.0)[:, None] + 0.05 * (u[1:4].T - 0.5)
    air = torch.where(synthetic[:, None], own, air)
    blue = air.new_tensor([-0.1, -0.02, 0.06]) * (0.3 + u[4])[:, None]
    air = torch.where(ridge[:, None], air * uniform(u[6], 0.75, 1.0)[:, None] + blue, air)
    place = torch.stack(
        [torch.rand(3, generator=g) for g in generators(seed, b, DrawStream.LOW_SUN)]
    )
    x0, y0, reach = place.to(air).view(b, 3, 1, 1).unbind(1)
    y = torch.linspace(0, 1, h).to(air)[:, None]
    x = torch.linspace(0, 1, w).to(air)[None, :]
    distance = (x - 1.4 * x0 + 0.2) ** 2 + (y - 0.7 * y0) ** 2
    sun = torch.exp(-0.5 * distance / (0.2 + 0.5 * reach) ** 2)
    low = ~synthetic & (u[7] < 0.25)
    strength = torch.where(low, 0.15 + 0.55 * u[8], 0.0).view(b, 1, 1)
    # The glow of a low sun is a little warmer than the sky far from it.
    warm = air.new_tensor([1.05, 1.0, 0.92]).view(1, 3, 1, 1)
    shade = (1 - strength * (1 - sun))[:, None] * (1 + (warm - 1) * (strength * sun)[:, None])
    return (air[:, :, None, None] * shade).clamp(0, 1)[:, None].expand(b, v, 3, h, w)


def camera(u: Tensor) -> list[Operator]:
    """A camera and the way to the web from ten uniform numbers a picture, u (10, B)."""
    blurred, noisy, resized, sent = u[0] < 0.15, u[1] < 0.4, u[2] < 0.2, u[3] < 0.4
    return [
        Optics(torch.where(blurred, 1.2 * u[4], 0.0)),
        RawNoise(
            torch.where(noisy, 500 * 60 ** u[5], torch.inf),
            torch.where(noisy, 1 + 5 * u[6], 0.0),
        ),
        Transport(
            torch.where(resized, uniform(u[7], 0.5, 1.0), 1.0),
            torch.where(sent, uniform(u[8], 35, 96), 101.0),
        ),
    ]


def varied_rain(
    scene: Scene,
    seed: int | Sequence[int] = 0,
    clear_share: float = 0.15,
    haze_share: float = 0.05,
    keep_veil: bool = True,
) -> Example:
    """Rain of all looks, or none; see `random.random_rain` for the arguments.

    Physical drops in and out of focus; thin bright overlaid streaks, light and heavy; soft translucent
    curtains of long streaks, up to a dozen pixels wide, thinner in some parts of the picture; a few wide
    streaks.
    """
    u = draws(seed, scene, DrawStream.EXAMPLE_OF_VARIED_RAIN, 64)
    clear = u[0] < clear_share
    hazy = ~clear & (u[0] < clear_share + haze_share)
    wet = ~(clear | hazy)
    physical = wet & ((u[1] < 0.3) | (u[1] > 0.88))
    thin = wet & (u[1] >= 0.28) & (u[1] < 0.62)
    curtain = wet & (u[1] >= 0.6) & (u[1] < 0.93)
    wide = wet & ((u[1] >= 0.74) & (u[1] < 0.9) | (u[2] < 0.08))
    mist_thickness = uniform(u[3] ** 2, 0.02, 0.8)
    misty = hazy | (physical & (u[4] < 0.7))
    visibility = -math.log(0.05) * reference_distance(scene) / mist_thickness
    mist = Haze(
        torch.where(misty, visibility, torch.inf), plausible_airlight(scene, u[[5, 6, 7, 8, 9]])
    )
    rate = torch.where(physical, 8 * 25 ** u[10], 0.0)
    rain = Rain(
        rate,
        wind=uniform(u[11], -5, 5),
        exposure=1 / (30 * 32 ** u[12]),
        brightness=0.9 * 4 ** u[13],
        streaks=2 ** u[14],
        aperture=torch.where(u[15] < 0.5, 0.03 * u[16] ** 2, 0.0),
    )
    slant = uniform(u[17], -35, 35) * u[18]
    operators: list[Operator] = [mist, rain]
    operators += _thin(u[19:34], thin, slant)
    operators += _soft(u[34:48], curtain, slant)
    operators += _wide(u[48:54], wide, slant)
    operators += camera(u[54:64])
    example = example_of(scene, operators, seed, clear | hazy)
    if keep_veil:
        veiled = Compose([mist, Rain(rate, streaks=0.0)])(scene, seed).frames
        untouched = (clear | hazy).view(-1, 1, 1, 1, 1)
        example.target = torch.where(untouched, example.degraded, veiled)
    return example


def _layer(cover: Tensor, length: Tensor, width: Tensor) -> Tensor:
    """Streaks per 1000 pixels that cover a share of the picture."""
    return 1000 * cover / (length * 2.5 * width)


def _thin(u: Tensor, on: Tensor, slant: Tensor) -> list[Operator]:
    """Thin bright streaks in one layer, or in up to three for heavy rain; u (15, B)."""
    heavy = u[0] < 0.5
    layers: list[Operator] = []
    for number, v in enumerate((u[1:6], u[6:10], u[10:14])):
        there = on & (heavy & (v[0] < (1, 0.7, 0.5)[number]) if number else on)
        cover = torch.where(heavy, uniform(v[1], 0.1, 0.6), uniform(v[1] ** 1.5, 0.01, 0.15))
        length = torch.where(heavy, 12 * 5 ** v[2], 6 * 6 ** v[2])
        width = 0.45 + 0.9 * v[3] ** 2
        layers.append(
            Streaks(
                torch.where(there, _layer(cover, length, width), 0.0),
                length=length,
                width=width,
                angle=slant + (uniform(v[0], -12, 12) if number else 0.0),
                brightness=uniform(v[3], 0.25, 0.9),
                spread=1 + 4 * v[2] ** 2,
                disparity=uniform(v[1], 2, 40),
                screen=u[14] < 0.3,
                stream=DrawStream.STREAKS_OF_EXAMPLE + number,
            )
        )
    return layers


def _soft(u: Tensor, on: Tensor, slant: Tensor) -> list[Operator]:
    """Two layers of long, soft, translucent streaks that overlap; u (14, B)."""
    layers: list[Operator] = []
    for number, v in enumerate((u[:7], u[7:14])):
        there = on if number == 0 else on & (v[6] < 0.6)
        cover = 0.15 * 20 ** v[0]
        added = uniform(v[1], 0.02, 0.16)  # mean over the picture
        width = 0.8 * 6 ** v[2]
        length = (25 * 8 ** v[3]).clamp_min(4 * width)
        layers.append(
            Streaks(
                torch.where(there, _layer(cover, length, width), 0.0),
                length=length,
                width=width,
                angle=slant + uniform(v[4], -4, 4),
                brightness=(added / (0.6 * cover)).clamp(0.03, 0.6),
                spread=0.3 + 2 * v[4] ** 2,
                disparity=uniform(v[5], 2, 30),
                screen=v[5] < 0.3,
                uneven=uniform(v[6], 0.0, 1.0),
                margin=100,
                stream=DrawStream.SOFT_STREAKS + number,
            )
        )
    return layers


def _wide(u: Tensor, on: Tensor, slant: Tensor) -> list[Operator]:
    """A few wide, short streaks: drops near the camera; u (6, B)."""
    width = 0.9 * 4 ** u[0]
    length = (10 * 6 ** u[1]).clamp_min(3 * width)
    return [
        Streaks(
            torch.where(on, _layer(0.02 * 8 ** u[2], length, width), 0.0),
            length=length,
            width=width,
            angle=slant + uniform(u[3], -6, 6),
            brightness=uniform(u[4], 0.1, 0.6),
            spread=0.5 + 3 * u[5] ** 2,
            disparity=uniform(u[5], 10, 60),
            uneven=u[3],
            margin=64,
            stream=DrawStream.WIDE_STREAKS,
        )
    ]


def framed(example: Example, seed: int | Sequence[int], share: float) -> Example:
    """Put an even frame or bars around `share` of the pictures, degraded and target alike."""
    b, _, _, h, w = example.degraded.shape
    u = torch.stack([torch.rand(7, generator=g) for g in generators(seed, b, DrawStream.FRAME)], 1)
    u = u.to(example.degraded)
    on = (u[0] < share).view(b, 1, 1)
    thick = 0.12 * u[1] ** 2
    top, side = torch.where(u[2] < 0.8, thick, 0.0), torch.where(u[2] > 0.3, thick, 0.0)
    y = ((torch.arange(h).to(u) + 0.5) / h)[None, :, None]
    x = ((torch.arange(w).to(u) + 0.5) / w)[None, None, :]
    edge = (torch.minimum(y, 1 - y) < top.view(b, 1, 1)) | (
        torch.minimum(x, 1 - x) < side.view(b, 1, 1)
    )
    mask = (on & edge)[:, None, None]
    grey = torch.where(u[3] < 0.7, (u[3] < 0.45).logical_not().to(u), u[4]).view(b, 1, 1, 1, 1)
    record = example.record | {"frame.mask": mask}
    if "haze.transmission" in record:
        record["haze.transmission"] = torch.where(mask, 1.0, record["haze.transmission"])
    return Example(
        torch.where(mask, grey, example.degraded),
        torch.where(mask, grey, example.target),
        record,
    )
