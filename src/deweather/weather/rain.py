"""Rain as drops in space: one cloud of drops, seen by every camera of the rig.

Drop sizes follow Marshall and Palmer (J. Meteorol. 5, 1948), N(D) = 8000·exp(-4.1·R^-0.21·D) per
m³ and mm, fall speeds v(D) = 9.65 - 10.3·exp(-0.6·D) m/s (Atlas et al., Rev. Geophys. 11, 1973).
During the exposure T a drop draws a streak of length (v·T + D)·f/Z. A point of the streak is
covered for the time that the drop needs to pass, so its opacity is D / (v·T + D) times the share of
the pixel that it covers, and its light comes from a wide field, the blurred scene and the sky (Garg
and Nayar, IJCV 75, 2007): on most backgrounds it is the brighter of the two. Drops too small or too
far to draw are a veil with the extinction of the whole distribution.

A drop at the distance Z before a lens of aperture A that is focused far away is blurred to a circle
of A·f/Z. The disc is drawn as a Gaussian of the same standard deviation, a quarter of its diameter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from deweather.image.transfer import linear_to_srgb, srgb_to_linear
from deweather.weather.haze import koschmieder
from deweather.weather.operator import Degraded, Parameter, generators, per_picture, require
from deweather.weather.scene import Scene
from deweather.weather.splat import draw_streaks
from deweather.weather.streams import DrawStream

NEAR, REACH = 0.4, 10.0  # metres between which drops are drawn one by one
SMALLEST = 1.0  # millimetres; smaller drops are veil
_DENSITY = 8000.0  # N0, drops per m³ and mm
_WIDEST = 3.2  # pixels; the Gaussian width across of a drop in focus is drawn no wider
_GOLDEN = 0.6180339887498949  # its multiples fill a circle evenly
_CROWDING = 0.04  # streaks per pixel; drops behind those overlap into the veil


def slope(rate: Tensor) -> Tensor:
    """Λ of Marshall and Palmer in 1/mm for a rain rate in mm/h; 0 mm/h gives inf."""
    return 4.1 * rate**-0.21


def fall_speed(diameter: Tensor) -> Tensor:
    """Terminal speed in m/s of a drop of `diameter` mm."""
    return (9.65 - 10.3 * torch.exp(-0.6 * diameter)).clamp_min(0.1)


def rain_extinction(rate: Tensor) -> Tensor:
    """Extinction coefficient in 1/m of rain, 2·∫ π/4·D²·N(D) dD = π·N0 / Λ³ (mm² in m²)."""
    return math.pi * _DENSITY * 1e-6 / slope(rate) ** 3


@dataclass(frozen=True)
class _Drops:
    """Drops of the whole batch: picture index, left-view position, distance, diameter, motion."""

    picture: Tensor
    x: Tensor
    y: Tensor
    distance: Tensor
    diameter: Tensor
    velocity: Tensor


class Rain:
    """Rain of a given rate, the same drops in every view.

    Args:
        rate: mm/h; 0 is dry.
        wind: horizontal speed across the view, m/s, positive to the right.
        exposure: exposure time in seconds.
        brightness: radiance of drops relative to the mean of blurred scene and sky.
        veil: scale of the extinction by drops that are not drawn one by one; 0 leaves it out.
        streaks: scale of the opacity of those that are; 0 leaves them out.
        gusts: standard deviation of the wind from drop to drop, relative to the wind.
        aperture: diameter of the lens in metres, focused far away; 0 is a pinhole.
        lag: seconds by which each view's exposure starts later than that of the view before.
        time: seconds that the seed's drops have fallen; frames of a video share the seed. A drop
            that leaves at one side comes in at the other.
    """

    def __init__(
        self,
        rate: Parameter,
        wind: Parameter = 0.0,
        exposure: Parameter = 1 / 250,
        brightness: Parameter = 1.0,
        veil: Parameter = 1.0,
        streaks: Parameter = 1.0,
        *,
        gusts: Parameter = 0.1,
        aperture: Parameter = 0.0,
        lag: Parameter = 0.0,
        time: Parameter = 0.0,
    ) -> None:
        """Check the parameters that are plain numbers."""
        if not isinstance(rate, Tensor):
            require(0 <= rate <= 1000, "rate", rate, "a rain rate in mm/h, 0 to 1000")
        if not isinstance(exposure, Tensor):
            require(exposure > 0, "exposure", exposure, "seconds > 0")
        for name, value, unit in (
            ("brightness", brightness, "0 or more"),
            ("veil", veil, "0 or more"),
            ("streaks", streaks, "0 or more"),
            ("gusts", gusts, "a share of the wind, 0 or more"),
            ("aperture", aperture, "metres, 0 or more"),
        ):
            if not isinstance(value, Tensor):
                require(value >= 0, name, value, unit)
        self.rate, self.wind, self.exposure = rate, wind, exposure
        self.brightness, self.veil, self.streaks = brightness, veil, streaks
        self.gusts, self.aperture, self.lag, self.time = gusts, aperture, lag, time

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Let it rain.

        Records the parameters, (B,) each, the light of the sky (B, 3), linear, and the opacity of
        the streaks and the transmission of the veil, (B, V, 1, H, W).
        """
        b, v, _, h, w = scene.frames.shape
        names = (
            "rate", "wind", "exposure", "brightness", "veil", "streaks", "gusts", "aperture",
            "lag", "time",
        )  # fmt: skip
        values = {name: per_picture(getattr(self, name), scene, name) for name in names}
        rate, streaks, veil = values["rate"], values["streaks"], values["veil"]
        drops = self._draw(scene, values, generators(seed, b, DrawStream.RAIN_DROPS))
        thickness = _optical_thickness(
            scene, drops, values["exposure"], values["aperture"], values["lag"]
        )
        opacity = 1 - torch.exp(-thickness).view(b, v, 1, h, w)
        light = srgb_to_linear(scene.frames)
        sky = _sky(light)
        beta = torch.where(rate > 0, rain_extinction(rate.clamp_min(1e-6)), 0.0) * veil
        transmission = torch.exp(-scene.depth() * beta.view(b, 1, 1, 1, 1))
        light = koschmieder(light, transmission, sky)
        brightness = values["brightness"].view(b, 1, 1, 1, 1)
        opacity = opacity * streaks.view(b, 1, 1, 1, 1)
        drop_light = brightness * 0.5 * (_wide_field(light) + sky[:, None, :, None, None])
        light = light + (drop_light - light) * opacity
        record = {f"rain.{name}": value for name, value in values.items()}
        record |= {"rain.sky": sky, "rain.opacity": opacity, "rain.transmission": transmission}
        return Degraded(linear_to_srgb(light).clamp(0, 1), record)

    def _draw(
        self, scene: Scene, values: dict[str, Tensor], draws: Sequence[torch.Generator]
    ) -> _Drops:
        shown = torch.where(values["streaks"] > 0, values["rate"], 0.0)
        columns = [shown] + [values[name] for name in ("exposure", "wind", "gusts", "time")]
        columns += [scene.focal_length, scene.baseline]
        each = zip(*(column.tolist() for column in columns), strict=True)
        parts = []
        for i, ((rate, exposure, wind, gusts, time, focal, baseline), generator) in enumerate(
            zip(each, draws, strict=True)
        ):
            margin = int(min(max(4 * exposure * focal / 1.5, 8), 64))
            x, y, distance, diameter = _draw_picture(
                scene,
                rate=rate,
                focal=focal,
                baseline=baseline,
                margin=margin,
                generator=generator,
            )
            speed = fall_speed(diameter)
            gust = wind * (1 + gusts * torch.randn(len(speed), generator=generator))
            across = gust + 0.15 * torch.randn(len(speed), generator=generator)
            if time != 0:
                shift = torch.stack([across, speed]).double() * (time * focal / distance.double())
                disparity = focal * baseline / distance
                x, y = _moved(scene, x, y, shift=shift, disparity=disparity, margin=margin)
            parts.append((torch.full_like(x, i), x, y, distance, diameter, across, speed))
        columns = [torch.cat(column).to(scene.frames) for column in zip(*parts, strict=True)]
        picture, x, y, distance, diameter, across, down = columns
        return _Drops(picture.long(), x, y, distance, diameter, torch.stack([across, down], 1))


def _draw_picture(
    scene: Scene,
    *,
    rate: float,
    focal: float,
    baseline: float,
    margin: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Drops that at least one view may see: x, y (left view, pixels), distance (m), diameter (mm).

    The count is Poisson with the mean of the distribution over the volume of the frusta, the
    distances have a density proportional to their square. Streaks that reach into the picture may
    be centred up to `margin` pixels outside.
    """
    _, views, _, h, w = scene.frames.shape
    wide, high = w + 2 * margin, h + 2 * margin
    if rate <= 0:
        return (torch.zeros(0),) * 4
    lam = 4.1 * rate**-0.21
    per_volume = _DENSITY / lam * math.exp(-lam * SMALLEST)
    if per_volume <= 0:  # a drizzle so fine that no drop is large enough to be drawn
        return (torch.zeros(0),) * 4
    reach = min(REACH, (NEAR**3 + 3 * focal**2 * _CROWDING / per_volume) ** (1 / 3))
    volume = views * wide * high / focal**2 * (reach**3 - NEAR**3) / 3
    mean = torch.tensor(per_volume * volume)
    n = int(torch.poisson(mean, generator=generator))
    u = torch.rand(4, n, generator=generator)
    distance = (NEAR**3 + u[0] * (reach**3 - NEAR**3)) ** (1 / 3)
    diameter = SMALLEST - torch.log1p(-u[1] * (1 - 1e-7)) / lam
    y = u[2] * high - margin
    across = u[3] * (views * wide)
    disparity = focal * baseline / distance
    # The second half of the range fills what the right view sees and the left one does not.
    of_right = across >= wide
    x = torch.where(of_right, across - wide + disparity, across) - margin
    twice = of_right & (x < w + margin)
    keep = ~twice
    return x[keep], y[keep], distance[keep], diameter[keep].clamp_max(8.0)


def _moved(
    scene: Scene, x: Tensor, y: Tensor, *, shift: Tensor, disparity: Tensor, margin: int
) -> tuple[Tensor, Tensor]:
    """Where drops are after moving by `shift` (2, N) pixels: x and y in the left view.

    What leaves the volume that the views see comes in again on the other side, so the density stays.
    Each time that a drop falls in anew it does so in another column, lest the rain repeats itself.
    """
    _, views, _, h, w = scene.frames.shape
    wide, high = w + 2 * margin, h + 2 * margin
    # The right view's own strip begins here and is as wide as the disparity, at most as the view.
    strip = torch.clamp_min(disparity, wide).double() - margin
    breadth = wide + (disparity.clamp_max(wide).double() if views > 1 else 0.0)
    along = torch.where(x < w + margin, x + margin, x - strip + wide)
    fallen = y + margin + shift[1]
    times = torch.floor(fallen / high)
    along = torch.remainder(along + shift[0] + times * _GOLDEN * breadth, breadth)
    moved_x = torch.where(along < wide, along - margin, along - wide + strip)
    return moved_x.to(x.dtype), (fallen - times * high - margin).to(y.dtype)


def _optical_thickness(
    scene: Scene,
    drops: _Drops,
    exposure: Tensor,
    aperture: Tensor | None = None,
    lag: Tensor | None = None,
) -> Tensor:
    """Optical thickness of the streaks in every view: (B·V, H, W); the parameters are (B,)."""
    b, v, _, h, w = scene.frames.shape
    focal, baseline = scene.focal_length[drops.picture], scene.baseline[drops.picture]
    scale = focal / drops.distance  # pixels per metre at the drop
    size = drops.diameter * 1e-3
    travel = drops.velocity * exposure[drops.picture][:, None]
    length = travel.norm(dim=1)
    extent = travel * ((length + size) / length * scale)[:, None]
    mass = size / (length + size) * size * scale
    sigma = (size * scale / 2.355).clamp(0.3, _WIDEST)
    if aperture is not None:
        circle = aperture[drops.picture] * scale
        sigma = torch.where(circle > 0, torch.hypot(sigma, circle / 4), sigma)
    shift = focal * baseline / drops.distance
    planes, centres = [], []
    for view in range(v):
        planes.append(drops.picture * v + view)
        centre = torch.stack([drops.x - view * shift, drops.y], dim=1)
        if lag is not None and view:
            centre = centre + drops.velocity * (view * lag[drops.picture] * scale)[:, None]
        centres.append(centre)
    return draw_streaks(
        (b * v, h, w),
        plane=torch.cat(planes),
        centre=torch.cat(centres),
        extent=extent.repeat(v, 1),
        sigma=sigma.repeat(v),
        mass=mass.repeat(v),
        depth=drops.distance.repeat(v),
        scene_depth=scene.depth().view(b * v, h, w),
    )


def _sky(light: Tensor) -> Tensor:
    """Light of the sky above the rain, from the brightest parts of the scene: (B, 3)."""
    b, v, c, h, w = light.shape
    small = F.adaptive_avg_pool2d(light.view(b * v, c, h, w), (min(h, 16), min(w, 16)))
    small = small.view(b, v, c, -1).transpose(1, 2).flatten(2)
    bright = small.topk(max(1, small.shape[2] // 10), dim=2).values.mean(2)
    return 0.5 * bright + 0.5 * bright.mean(1, keepdim=True).clamp_min(0.15)


def _wide_field(light: Tensor) -> Tensor:
    """The scene as a drop refracts it: averaged over a wide field, (B, V, 3, H, W)."""
    b, v, c, h, w = light.shape
    flat = light.view(b * v, c, h, w)
    small = F.adaptive_avg_pool2d(flat, (max(1, min(h, 4)), max(1, min(w, 4))))
    return F.interpolate(small, size=(h, w), mode="bilinear", align_corners=False).view(light.shape)
