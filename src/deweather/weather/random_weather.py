"""Random weather for training and testing: from clear to heavy, physical and overlaid.

`random_haze` and `random_rain` draw one operator for a batch, with its own parameters for each
picture, and say what a restoration should give back: the clean scene, or, where there is no such
weather, the very frames that came in. `random_photograph` adds what else befalls a hazy photograph,
and `random` draws any of the three as one operator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from deweather.errors import UnknownNameError
from deweather.weather.haze import Haze
from deweather.weather.operator import Compose, Degraded, Operator, generators, require
from deweather.weather.photograph import Illumination, Optics, RawNoise, Transport
from deweather.weather.rain import Rain
from deweather.weather.scene import Scene
from deweather.weather.sensor import Sensor
from deweather.weather.streaks import Streaks
from deweather.weather.streams import DrawStream

_RANKED = 1 << 24  # values; torch ranks no more at once, so of larger batches every nth pixel


@dataclass
class Example:
    """One training batch: what comes in and what should come out, both (B, V, 3, H, W), sRGB."""

    degraded: Tensor
    target: Tensor
    record: dict[str, Tensor]


def uniform(u: Tensor, low: float, high: float) -> Tensor:
    """Numbers in [low, high) from such in [0, 1)."""
    return low + (high - low) * u


def draws(seed: int | Sequence[int], scene: Scene, stream: int, count: int) -> Tensor:
    """(count, B) uniform numbers in [0, 1)."""
    each = generators(seed, scene.frames.shape[0], stream)
    return torch.stack([torch.rand(count, generator=g) for g in each], dim=1).to(scene.frames)


def reference_distance(scene: Scene) -> Tensor:
    """Depth that three quarters of the pixels stay below, at most 500: (B,) metres."""
    depth = scene.depth().flatten(1)
    some = depth[:, :: 1 + depth.numel() // _RANKED]
    return some.quantile(0.75, dim=1).clamp(0.1, 500.0)


def plausible_airlight(scene: Scene, u: Tensor, darkest: float = 0.5) -> Tensor:
    """Colour of the air, (B, 3) sRGB, from five uniform numbers a picture, u: (5, B).

    Air that scatters daylight is about as bright as the brightest parts of the scene, rarely darker,
    and nearly grey; now and then it is tinted.
    """
    luma = scene.frames.new_tensor([0.299, 0.587, 0.114]).view(1, 1, 3, 1, 1)
    bright = (scene.frames * luma).sum(2)[..., ::4, ::4].flatten(1).quantile(0.95, dim=1)
    grey = (bright * uniform(u[0], 0.8, 1.15)).clamp(darkest, 1.0)
    tint = (u[1:4] - 0.5) * uniform(u[4] ** 3, 0.02, 0.3)
    return (grey[:, None] + tint.T).clamp(0, 1)


def random_haze(scene: Scene, seed: int | Sequence[int] = 0, clear_share: float = 0.2) -> Example:
    """Haze of random thickness, colour and patchiness, or clear air in `clear_share` of pictures.

    The optical thickness at the distance that three quarters of the scene stay below is drawn, not
    the visibility, so near and far scenes get haze that can be seen in them.
    """
    u = draws(seed, scene, DrawStream.EXAMPLE_OF_HAZE, 12)
    thickness = uniform(u[0] ** 1.5, 0.06, 2.2)
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
    return example_of(scene, [haze, _sensor(u[10], u[11])], seed, clear)


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
    u = draws(seed, scene, DrawStream.EXAMPLE_OF_RAIN, 31)
    clear = u[0] < clear_share
    hazy = (u[0] >= clear_share) & (u[0] < clear_share + haze_share)
    wet = ~(clear | hazy)
    physical = wet & (u[1] < 0.55)
    overlay = wet & (u[1] >= 0.45)
    heavy = u[2] < 0.5
    thickness = uniform(u[3] ** 2, 0.02, 0.8)
    visibility = -math.log(0.05) * reference_distance(scene) / thickness
    misty = hazy | (physical & (u[4] < 0.7))
    airlight = plausible_airlight(scene, u[[5, 29, 9, 7, 10]])
    mist = Haze(torch.where(misty, visibility, torch.inf), airlight)
    rate = torch.where(physical, 8 * 25 ** u[6], 0.0)
    rain = Rain(
        rate,
        wind=uniform(u[7], -5, 5),
        exposure=1 / (60 * 16 ** u[8]),
        brightness=uniform(u[9], 0.9, 2.2),
        streaks=3 ** u[30],
    )
    operators: list[Operator] = [mist, rain]
    base = uniform(u[10], -35, 35) * u[11]
    for layer in range(3):
        v = u[12 + 5 * layer : 17 + 5 * layer]
        on = overlay & ((v[0] < (0.8, 0.6, 0.4)[layer]) if layer else torch.ones_like(overlay))
        on = on & (heavy if layer else torch.ones_like(overlay))
        cover = torch.where(heavy, uniform(v[1], 0.1, 0.6), uniform(v[1] ** 1.5, 0.01, 0.15))
        length = torch.where(heavy, 12 * 5 ** v[2], 6 * 6 ** v[2])
        width = 0.45 + 0.9 * v[3] ** 2
        density = 1000 * cover / (length * 2.5 * width)
        operators.append(
            Streaks(
                torch.where(on, density, 0.0),
                length=length,
                width=width,
                angle=base + (uniform(v[4], -12, 12) if layer else 0.0),
                brightness=uniform(v[3], 0.25, 0.9),
                spread=1 + 4 * v[0] ** 2,
                disparity=uniform(v[4], 2, 40),
                screen=v[1] < 0.3,
                stream=DrawStream.STREAKS_OF_EXAMPLE + layer,
            )
        )
    operators.append(_sensor(u[27], u[28]))
    example = example_of(scene, operators, seed, clear | hazy)
    if keep_veil:
        veiled = Compose([mist, Rain(rate, streaks=0.0)])(scene, seed).frames
        untouched = (clear | hazy).view(-1, 1, 1, 1, 1)
        example.target = torch.where(untouched, example.degraded, veiled)
    return example


@dataclass(frozen=True)
class Shares:
    """Share of the pictures that each degradation of `random_photograph` befalls, in [0, 1].

    Attributes:
        clear: no haze at all.
        dim: low light (gamma 1 to 3).
        uneven: a ramp of light.
        cast: coloured air, more so where it is dense; the rest is nearly neutral.
        patches: fractal inhomogeneity.
        ground: density that falls with height.
        scattering: glow and blur of light scattered forward; lamps glow where the light is low.
        optics: defocus and motion.
        noise: shot and read noise, 8 to 12 bits.
        resized: smaller on the way.
        jpeg: quality 30 to 95.
        twice: of those with JPEG, sent a second time.
    """

    clear: float = 0.1
    dim: float = 0.4
    uneven: float = 0.4
    cast: float = 0.5
    patches: float = 0.6
    ground: float = 0.4
    scattering: float = 0.4
    optics: float = 0.4
    noise: float = 0.7
    resized: float = 0.3
    jpeg: float = 0.6
    twice: float = 0.3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            require(0 <= value <= 1, f"shares.{name}", value, "a share in [0, 1]")


def random_photograph(
    scene: Scene,
    seed: int | Sequence[int] = 0,
    shares: Shares | None = None,
    keep_light: bool = True,
) -> Example:
    """A hazy photograph with several degradations, each drawn for itself.

    Light, colour of the air, scattering, glow, optics, sensor, transport, in this order: a reading of the
    imaging model that KA-Net's paper (TPAMI 2024) describes without code.

    Args:
        scene: clean scenes.
        seed: of the batch, or one of each picture.
        shares: how often each degradation is there; None is the usual ones.
        keep_light: the target keeps the low light, for removing the weather and no more; False
            asks for the clean scene in full light as well.
    """
    p = shares or Shares()
    u = draws(seed, scene, DrawStream.EXAMPLE_OF_PHOTOGRAPH, 36)
    dim, uneven = u[0] < p.dim, u[1] < p.uneven
    gamma = torch.where(dim, 1 + 2 * u[2] ** 2, 1.0)
    light = Illumination(gamma, torch.where(uneven, 0.9 * u[3], 0.0))(scene, seed)
    lit = scene.with_frames(light.frames)
    clear = u[4] < p.clear
    distance = reference_distance(scene)
    thickness = uniform(u[5] ** 1.5, 0.06, 2.2)
    haze = Haze(
        torch.where(clear, torch.inf, -math.log(0.05) * distance / thickness),
        _cast(lit, u[6:11], thickness / 2.2, u[11] < p.cast),
        torch.where(u[12] < p.patches, 0.9 * u[13], 0.0),
        torch.where(u[14] < 0.5, 0.0, 1.3 * u[14]),
        scale_height=torch.where(u[15] < p.ground, 0.03 * 10 ** u[16] * distance, torch.inf),
        octaves=5,
        patch=distance,
        scattering=torch.where(u[17] < p.scattering, uniform(u[18], 0.2, 0.7), 0.0),
        lamps=torch.where(dim, 1 + 9 * u[19], 1.0),
    )
    blurred, noisy = u[20] < p.optics, u[21] < p.noise
    sent = u[22] < p.jpeg
    again = sent & (u[23] < p.twice)
    operators: list[Operator] = [
        haze,
        Optics(
            torch.where(blurred, 1.5 * u[24], 0.0),
            torch.where(blurred, 6 * u[25] ** 2, 0.0),
            180 * u[26],
        ),
        RawNoise(
            torch.where(noisy, 300 * 100 ** u[27], torch.inf),
            torch.where(noisy, 1 + 9 * u[28], 0.0),
            torch.where(noisy, 8 + (5 * u[29]).floor(), 0.0),
        ),
        Transport(
            torch.where(u[30] < p.resized, uniform(u[31], 0.4, 1.0), 1.0),
            torch.where(sent, uniform(u[32], 30, 95), 101.0),
        ),
        Transport(
            torch.where(again & (u[33] < p.resized), uniform(u[34], 0.6, 1.0), 1.0),
            torch.where(again, uniform(u[35], 30, 95), 101.0),
            stream=2,
        ),
    ]
    # Without weather, and unless light is asked for, what came in is right as it is.
    untouched = clear if keep_light else clear & ~(dim | uneven)
    example = example_of(lit, operators, seed, untouched)
    if not keep_light:
        same = untouched.view(-1, 1, 1, 1, 1)
        example.target = torch.where(same, example.degraded, scene.frames)
    example.record |= light.record
    return example


def _cast(scene: Scene, u: Tensor, density: Tensor, coloured: Tensor) -> Tensor:
    """Colour of the air, (B, 3) sRGB, from u (5, B): as bright as the scene's light, and tinted.

    Chromaticity spreads around neutral, wider for dense haze, in [0, 1].
    """
    luma = scene.frames.new_tensor([0.299, 0.587, 0.114]).view(1, 1, 3, 1, 1)
    bright = (scene.frames * luma).sum(2)[..., ::4, ::4].flatten(1).quantile(0.95, dim=1)
    grey = (bright * uniform(u[0], 0.85, 1.15)).clamp(0.08, 0.98)
    width = torch.where(coloured, 0.1 + 0.35 * density * u[1], 0.02)
    tint = 1 + (u[2:5] - 0.5) * width
    return (grey * tint).T.clamp(0, 1)


class RandomWeather:
    """Any weather, as `random` draws it: an operator with another weather for each seed.

    Attributes:
        kind: which of `KINDS`.
    """

    def __init__(self, seed: int, kind: str | None = None) -> None:
        """Draw the kind, unless it is given, and where the pictures' seeds begin."""
        if kind is not None and kind not in KINDS:
            raise UnknownNameError("weather", kind, KINDS)
        draw = generators(seed, 1, DrawStream.KIND_OF_WEATHER)[0]
        drawn = int(torch.randint(len(KINDS), (1,), generator=draw))
        self.kind = list(KINDS)[drawn] if kind is None else kind
        self._first = int(torch.randint(2**40, (1,), generator=draw))

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Degrade the scene, each picture by its own draw. Records what the operators record."""
        if isinstance(seed, int):
            seed = range(seed, seed + scene.frames.shape[0])
        example = KINDS[self.kind](scene, [self._first + s for s in seed])
        return Degraded(example.degraded, example.record)


def random(seed: int, kind: str | None = None) -> RandomWeather:
    """Draw a whole weather: haze, rain, or a photograph with several degradations.

    Args:
        seed: of the weather; the same gives the same.
        kind: "haze", "rain" or "photograph"; None draws one of them.

    Raises:
        UnknownNameError: there is no such kind.
    """
    return RandomWeather(seed, kind)


def _sensor(u: Tensor, v: Tensor) -> Sensor:
    """A good camera: a little noise in half of the pictures, JPEG in a third."""
    noise = torch.where(u < 0.5, 0.015 * u, 0.0)
    return Sensor(noise, 0.0, torch.where(v < 0.33, 70 + 75 * v, 101.0))


def example_of(
    scene: Scene, operators: Sequence[Operator], seed: int | Sequence[int], untouched: Tensor
) -> Example:
    """The scene through operators; where `untouched` (B,) what came in should come out."""
    degraded: Degraded = Compose(operators)(scene, seed)
    target = torch.where(untouched.view(-1, 1, 1, 1, 1), degraded.frames, scene.frames)
    return Example(degraded.frames, target, degraded.record)


KINDS: dict[str, Callable[[Scene, Sequence[int]], Example]] = {
    "haze": partial(random_haze, clear_share=0.0),
    "rain": partial(random_rain, clear_share=0.0, haze_share=0.0),
    "photograph": partial(random_photograph, shares=Shares(clear=0.0)),
}
"""What `random` may draw; none of them is clear."""
