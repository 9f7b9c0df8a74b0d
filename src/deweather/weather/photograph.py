"""What else befalls a photograph in bad weather: dim light, optics, sensor noise, transport.

Operators like those of the weather, to be composed with them in the order in which the light meets
them: `Illumination` before the haze, then `Optics`, `RawNoise` and `Transport` after it.
`random.random_photograph` draws all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from deweather.image.transfer import linear_to_srgb, srgb_to_linear
from deweather.weather.blur import convolve, disc_kernel, line_kernel
from deweather.weather.operator import Degraded, Parameter, generators, per_picture, require
from deweather.weather.scene import Scene
from deweather.weather.sensor import jpeg_roundtrip
from deweather.weather.streams import DrawStream


def _check(name: str, value: Parameter, low: float, high: float, unit: str) -> None:
    if not isinstance(value, Tensor):
        require(low <= value <= high, name, value, f"{unit}, {low:g} to {high:g}")


class Illumination:
    """Low and uneven light on the scene.

    Args:
        gamma: exponent on linear light; 1 leaves it, 3 is deep dusk that only lamps survive.
        ramp: share of the light that is missing where there is least, in [0, 1]; a smooth slope
            over the viewing directions, the same in all views.
    """

    def __init__(self, gamma: Parameter = 1.0, ramp: Parameter = 0.0) -> None:
        """Check the parameters that are plain numbers."""
        _check("gamma", gamma, 0.2, 5, "an exponent")
        _check("ramp", ramp, 0, 1, "a share of the light")
        self.gamma, self.ramp = gamma, ramp

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Dim the light. Records gamma and ramp, (B,)."""
        b, _, _, h, w = scene.frames.shape
        gamma = per_picture(self.gamma, scene, "gamma")
        ramp = per_picture(self.ramp, scene, "ramp")
        record = {"illumination.gamma": gamma, "illumination.ramp": ramp}
        changed = (gamma != 1) | (ramp > 0)
        if not bool(changed.any()):
            return Degraded(scene.frames, record)
        draws = torch.stack(
            [torch.rand(2, generator=g) for g in generators(seed, b, DrawStream.ILLUMINATION)]
        )
        angle, steep = draws.to(scene.frames).view(b, 2, 1, 1).unbind(1)
        y = torch.linspace(-1, 1, h).to(scene.frames)[:, None]
        x = torch.linspace(-1, 1, w).to(scene.frames)[None, :]
        along = torch.cos(2 * math.pi * angle) * x + torch.sin(2 * math.pi * angle) * y
        missing = torch.sigmoid((2 + 4 * steep) * along)  # smooth, between 0 and 1
        light = srgb_to_linear(scene.frames).clamp_min(0) ** gamma.view(b, 1, 1, 1, 1)
        light = light * (1 - ramp.view(b, 1, 1, 1, 1) * missing[:, None, None])
        frames = torch.where(changed.view(b, 1, 1, 1, 1), linear_to_srgb(light), scene.frames)
        return Degraded(frames, record)


class Optics:
    """A lens out of focus and a camera that moves, the same in all views.

    Args:
        defocus: radius of the disc that a point becomes, pixels; 0 is in focus.
        motion: length of the line that a point becomes, pixels; 0 stands still.
        angle: direction of the motion, degrees from the horizontal, positive downwards.
    """

    def __init__(
        self, defocus: Parameter = 0.0, motion: Parameter = 0.0, angle: Parameter = 0.0
    ) -> None:
        """Check the parameters that are plain numbers."""
        _check("defocus", defocus, 0, 64, "pixels")
        _check("motion", motion, 0, 128, "pixels")
        self.defocus, self.motion, self.angle = defocus, motion, angle

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Blur linear light. Records the parameters, (B,) each; draws nothing."""
        names = ("defocus", "motion", "angle")
        values = {name: per_picture(getattr(self, name), scene, name) for name in names}
        pictures = []
        each = zip(*(values[name].tolist() for name in names), strict=True)
        for frames, (defocus, motion, angle) in zip(scene.frames, each, strict=True):
            if defocus > 0 or motion > 0:
                light = srgb_to_linear(frames)
                if defocus > 0:
                    light = convolve(light, disc_kernel(defocus))
                if motion > 0:
                    light = convolve(light, line_kernel(motion, angle))
                pictures.append(linear_to_srgb(light).clamp(0, 1))
            else:
                pictures.append(frames)
        record = {f"optics.{name}": value for name, value in values.items()}
        return Degraded(torch.stack(pictures), record)


class RawNoise:
    """Noise and quantisation of a sensor in linear light, independent in each view.

    Args:
        electrons: collected at white. Shot noise has the standard deviation of the root of the
            electrons collected; inf is none. A phone at night has hundreds, a good camera 50 000.
        read: standard deviation of the read noise in electrons.
        bits: of the converter, 1 to 16; 0 leaves the quantisation out.
    """

    def __init__(
        self, electrons: Parameter = math.inf, read: Parameter = 0.0, bits: Parameter = 0.0
    ) -> None:
        """Check the parameters that are plain numbers."""
        _check("electrons", electrons, 1, math.inf, "electrons")
        _check("read", read, 0, 1e6, "electrons")
        _check("bits", bits, 0, 16, "bits")
        self.electrons, self.read, self.bits = electrons, read, bits

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Expose the sensor. Records the parameters, (B,) each."""
        b = scene.frames.shape[0]
        names = ("electrons", "read", "bits")
        values = {name: per_picture(getattr(self, name), scene, name) for name in names}
        record = {f"raw.{name}": value for name, value in values.items()}
        electrons, read, bits = (values[name].view(b, 1, 1, 1, 1) for name in names)
        noisy, coarse = torch.isfinite(electrons), bits > 0
        if not bool((noisy | coarse).any()):
            return Degraded(scene.frames, record)
        shape = scene.frames.shape[1:]
        draws = [torch.randn(shape, generator=g) for g in generators(seed, b, DrawStream.RAW_NOISE)]
        light = srgb_to_linear(scene.frames)
        # Per white: the variance is signal/electrons + (read/electrons)².
        sigma = (light.clamp_min(0) / electrons + (read / electrons) ** 2).sqrt()
        light = torch.where(noisy, light + sigma * torch.stack(draws).to(light), light)
        steps = 2.0 ** bits.clamp_min(1).round() - 1
        light = torch.where(coarse, (light * steps).round() / steps, light)
        frames = linear_to_srgb(light.clamp(0, 1))
        return Degraded(torch.where(noisy | coarse, frames, scene.frames), record)


class Transport:
    """What sending a picture does to it: smaller and larger again, then JPEG.

    Compose two for a picture that was sent twice.

    Args:
        scale: factor of the size on the way, in (0, 1]; 1 keeps the size.
        jpeg: quality, 1 to 100; values over 100 leave it out.
    """

    def __init__(self, scale: Parameter = 1.0, jpeg: Parameter = 101.0, stream: int = 1) -> None:
        """Check the plain numbers; `stream` tells the records of several ways apart."""
        _check("scale", scale, 0.05, 1, "a factor")
        _check("jpeg", jpeg, 1, math.inf, "a quality")
        self.scale, self.jpeg, self.stream = scale, jpeg, stream

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Send the picture. Records scale and JPEG quality, (B,); draws nothing."""
        scale = per_picture(self.scale, scene, "scale")
        jpeg = per_picture(self.jpeg, scene, "jpeg")
        pictures = []
        for frames, factor, quality in zip(
            scene.frames, scale.tolist(), jpeg.tolist(), strict=True
        ):
            h, w = frames.shape[-2:]
            small = (max(1, round(h * factor)), max(1, round(w * factor)))
            out = frames
            if small != (h, w):
                out = F.interpolate(
                    out, small, mode="bilinear", align_corners=False, antialias=True
                )
                out = F.interpolate(out, (h, w), mode="bicubic", align_corners=False).clamp(0, 1)
            if quality <= 100:
                out = jpeg_roundtrip(out[None], scale.new_tensor([quality]))[0]
            pictures.append(out)
        name = f"transport{self.stream}"
        return Degraded(torch.stack(pictures), {f"{name}.scale": scale, f"{name}.jpeg": jpeg})
