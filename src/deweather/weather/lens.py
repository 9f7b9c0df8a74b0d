"""Raindrops on the lens or the window in front of it: each camera has its own.

A drop on glass is a thick lens of its own: its flat side lies on the glass, its cap bends the ray of a
pixel towards the axis of the drop. Where the cap is inclined by α to the glass, Snell's law turns
the ray by δ = asin(n·sin α) - α, so the pixel shows what lies f·tan δ pixels further, beyond the axis:
a wide view, upside down. Where n·sin α > 1 the light is reflected inside and the rim is dark; before, a
part is lost by Fresnel's equations. The camera is focused far away, so the drops are out of focus.
What a drop hides from one eye the other one may see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from deweather.image.transfer import linear_to_srgb, srgb_to_linear
from deweather.weather.blur import wide_blur
from deweather.weather.operator import Degraded, Parameter, generators, per_picture, require
from deweather.weather.scene import Scene
from deweather.weather.streams import DrawStream

_WATER = 1.33  # refractive index
_REDUCE = 4  # the view in a drop is so much smaller than the scene that it is taken from this size


class LensDrops:
    """Raindrops on the lens.

    Args:
        density: mean number of drops per megapixel of each view; 0 is a dry lens.
        size: median radius as a share of the shorter side of the picture.
        defocus: standard deviation of the blur, as a share of the median radius; 0 is in focus.
        contact: mean angle in degrees between cap and glass at the rim, in (0, 90): about 20 on
            clean glass, 50 and more on a water repellent one, with dark rims.
    """

    def __init__(
        self,
        density: Parameter = 100.0,
        size: Parameter = 0.03,
        *,
        defocus: Parameter = 0.2,
        contact: Parameter = 40.0,
    ) -> None:
        """Check the parameters that are plain numbers."""
        for name, value, low, high, expected in (
            ("density", density, 0.0, math.inf, "drops per megapixel, 0 or more"),
            ("size", size, 1e-4, 0.5, "a share of the shorter side, 0.0001 to 0.5"),
            ("defocus", defocus, 0.0, 10.0, "a share of the radius, 0 to 10"),
            ("contact", contact, 1.0, 89.0, "degrees, 1 to 89"),
        ):
            if not isinstance(value, Tensor):
                require(low <= value <= high, name, value, expected)
        self.density, self.size, self.defocus, self.contact = density, size, defocus, contact

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Wet the lenses. Records the parameters, (B,) each, and the cover, (B, V, 1, H, W)."""
        b, v, _, h, w = scene.frames.shape
        names = ("density", "size", "defocus", "contact")
        values = {name: per_picture(getattr(self, name), scene, name) for name in names}
        cover = scene.frames.new_zeros(b, v, 1, h, w)
        pictures = []
        columns = [values[name].tolist() for name in names] + [scene.focal_length.tolist()]
        draws = generators(seed, b, DrawStream.LENS_DROPS)
        for i, (generator, *each) in enumerate(zip(draws, *columns, strict=True)):
            density, size, defocus, contact, focal = each
            radius = size * min(h, w)
            views = []
            for view in range(v):
                frame = scene.frames[i, view : view + 1]
                drops = _draw(generator, (h, w), density, radius, contact)
                if drops.shape[1] == 0:
                    views.append(frame)
                    continue
                sight = _through_drops(drops, (h, w), focal).to(frame)
                out, covered = _composed(frame, sight, defocus * radius)
                views.append(torch.where(covered > 0, out, frame))
                cover[i, view] = covered[0]
            pictures.append(torch.cat(views))
        record = {f"lens.{name}": value for name, value in values.items()}
        return Degraded(torch.stack(pictures).clamp(0, 1), record | {"lens.cover": cover})


def _draw(
    generator: torch.Generator, size: tuple[int, int], density: float, radius: float, contact: float
) -> Tensor:
    """Drops of one view, (9, N): x, y, radius, contact angle (rad), height to width, two waves.

    The two waves, amplitude and phase each, make the outlines uneven.
    """
    h, w = size
    margin = 2 * radius
    wide, high = w + 2 * margin, h + 2 * margin
    n = int(torch.poisson(torch.tensor(density * wide * high / 1e6), generator=generator))
    u = torch.rand(4, n, generator=generator)
    g = torch.randn(5, n, generator=generator)
    return torch.stack(
        [
            u[0] * wide - margin,
            u[1] * high - margin,
            radius * torch.exp(0.4 * g[0]),
            torch.deg2rad((contact * torch.exp(0.15 * g[1])).clamp(1, 89)),
            torch.exp(0.1 + 0.1 * g[2]),  # they sag
            0.08 * g[3].clamp(-2, 2),
            2 * math.pi * u[2],
            0.05 * g[4].clamp(-2, 2),
            2 * math.pi * u[3],
        ]
    )


def _through_drops(drops: Tensor, size: tuple[int, int], focal: float) -> Tensor:
    """What the pixels of one view see through drops, (4, H, W).

    The shift of the sight in pixels (x, y), the share of light that passes, and the share of the
    pixel that a drop covers. Later drops lie on top.
    """
    h, w = size
    out = torch.zeros(4, h, w)
    for cx, cy, radius, contact, ratio, *waves in drops.T.tolist():
        reach = 1.4 * radius * max(ratio, 1 / ratio) + 1
        top, bottom = max(0, math.floor(cy - reach)), min(h, math.ceil(cy + reach) + 1)
        left, right = max(0, math.floor(cx - reach)), min(w, math.ceil(cx + reach) + 1)
        if top >= bottom or left >= right:
            continue
        dy = torch.arange(top, bottom)[:, None] - cy
        dx = torch.arange(left, right)[None, :] - cx
        rho, outline = _outline(dx, dy, radius, ratio, waves)
        covered = ((1 - rho) * outline + 0.5).clamp(0, 1)
        sine = rho.clamp_max(1) * math.sin(contact)  # of the cap's inclination α
        bent = (_WATER * sine).clamp_max(1 - 1e-6)
        turn = torch.tan(torch.asin(bent) - torch.asin(sine)) * focal
        norm = torch.hypot(dx, dy).clamp_min(1e-6)
        passed = _fresnel(sine, bent) * (_WATER * sine < 1)
        patch = torch.stack([-turn * dx / norm, -turn * dy / norm, passed, covered])
        window = out[:, top:bottom, left:right]
        keep = torch.where(covered > 0, patch, window)
        keep[3] = torch.maximum(covered, window[3])
        out[:, top:bottom, left:right] = keep
    return out


def _outline(
    dx: Tensor, dy: Tensor, radius: float, ratio: float, waves: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Distance from the axis, 1 at the rim, and the radius in this direction in pixels."""
    angle = torch.atan2(dy, dx)
    uneven = 1 + waves[0] * torch.cos(2 * angle + waves[1])
    uneven = uneven + waves[2] * torch.cos(3 * angle + waves[3])
    stretch = math.sqrt(ratio)
    distance = torch.hypot(dx * stretch, dy / stretch)
    plain = torch.hypot(dx, dy)
    rho = distance / (radius * uneven)
    outline = torch.where(rho > 1e-6, plain / rho.clamp_min(1e-6), radius * uneven)
    return rho, outline


def _fresnel(inside: Tensor, outside: Tensor) -> Tensor:
    """Unpolarised light that passes from water to air, of the sines of both angles."""
    ci, co = (1 - inside**2).clamp_min(0).sqrt(), (1 - outside**2).clamp_min(0).sqrt()
    s = (_WATER * ci - co) / (_WATER * ci + co)
    p = (_WATER * co - ci) / (_WATER * co + ci)
    return 1 - (s * s + p * p) / 2


def _composed(frame: Tensor, sight: Tensor, blur: float) -> tuple[Tensor, Tensor]:
    """The frame (1, 3, H, W), sRGB, seen through `sight` (4, H, W), and the cover (1, 1, H, W)."""
    h, w = frame.shape[2:]
    light = srgb_to_linear(frame)
    small = F.avg_pool2d(light, _REDUCE, ceil_mode=True) if min(h, w) >= 2 * _REDUCE else light
    y, x = torch.meshgrid(
        torch.arange(h).to(frame), torch.arange(w).to(frame), indexing="ij"
    )  # fmt: skip
    grid = torch.stack([(2 * (x + sight[0]) + 1) / w - 1, (2 * (y + sight[1]) + 1) / h - 1], dim=-1)
    seen = F.grid_sample(small, grid[None], padding_mode="reflection", align_corners=False)
    cover, passed = sight[3][None, None], sight[2][None, None]
    inside = wide_blur(seen * passed * cover, blur)
    covered = wide_blur(cover, blur)
    return linear_to_srgb(light * (1 - covered) + inside), covered
