"""Haze and fog: Koschmieder's law in linear light, through air that both cameras share.

I = J·t + A·(1 - t), t = exp(-∫ β ds) along the ray from the camera to the scene point
(Koschmieder 1924; McCartney, "Optics of the Atmosphere", 1976). Meteorological optical range V is
the distance at which t = 0.05, so β = -ln 0.05 / V (WMO-No. 8). Wavelength follows Ångström's
exponent.

Inhomogeneous air is a sum of plane waves fixed in the world, β(P) = β·(1 + Σ a cos(k·P + φ)): its
integral along a ray has a closed form, so no marching is needed and both cameras see the same
patches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from deweather.errors import ConfigError
from deweather.image.transfer import linear_to_srgb, srgb_to_linear
from deweather.weather.operator import Degraded, Parameter, generators, per_picture, require
from deweather.weather.scene import Scene

_WAVELENGTHS = (0.610, 0.550, 0.465)  # micrometres, centres of the sRGB primaries
_WAVES = 6


def extinction_of(visibility: Tensor) -> Tensor:
    """Extinction coefficient β in 1/m for a meteorological optical range in metres (t = 5 %)."""
    return -math.log(0.05) / visibility


def koschmieder(radiance: Tensor, transmission: Tensor, airlight: Tensor) -> Tensor:
    """I = J·t + A·(1 - t): (B, V, 3, H, W), t broadcastable to it, A (B, 3)."""
    a = airlight[:, None, :, None, None]
    return a + (radiance - a) * transmission


class Haze:
    """Haze of a given visibility.

    Args:
        visibility: meteorological optical range in metres; inf is clear air.
        airlight: sRGB colour of the air at infinity, in [0, 1]: a grey, three channels, or (B, 3).
        inhomogeneity: how far the density strays from its mean, in [0, 1).
        angstrom: Ångström exponent; 0 for fog, about 1.3 for dry haze (bluer where it is thin).
        linear: False composites sRGB values as they are, like the synthetic sets of the field do.
    """

    def __init__(
        self,
        visibility: Parameter,
        airlight: float | Sequence[float] | Tensor = 0.85,
        inhomogeneity: Parameter = 0.0,
        angstrom: Parameter = 0.0,
        linear: bool | Tensor = True,
    ) -> None:
        """Check the parameters that are plain numbers."""
        if not isinstance(visibility, Tensor):
            require(visibility > 0, "visibility", visibility, "metres > 0 (inf for clear air)")
        if not isinstance(inhomogeneity, Tensor):
            require(0 <= inhomogeneity < 1, "inhomogeneity", inhomogeneity, "a value in [0, 1)")
        self.visibility = visibility
        self.airlight = airlight
        self.inhomogeneity = inhomogeneity
        self.angstrom = angstrom
        self.linear = linear

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Put haze into the scene.

        Records visibility, airlight (sRGB) and transmission (B, V, 3, H, W).
        """
        b = scene.frames.shape[0]
        visibility = per_picture(self.visibility, scene, "visibility")
        strength = per_picture(self.inhomogeneity, scene, "inhomogeneity")
        angstrom = per_picture(self.angstrom, scene, "angstrom")
        airlight = self._airlight(scene)
        linear = torch.as_tensor(self.linear, device=scene.frames.device).expand(b)
        path = optical_path(scene, visibility, strength, generators(seed, b, stream=1))
        ratio = torch.tensor(_WAVELENGTHS).to(scene.frames) / 0.55
        channel = ratio[None, :] ** -angstrom[:, None]
        beta = extinction_of(visibility)[:, None] * channel
        transmission = torch.exp(-path * beta[:, None, :, None, None])
        frames = koschmieder(scene.frames, transmission, airlight)
        if bool(linear.any()):
            light = koschmieder(
                srgb_to_linear(scene.frames), transmission, srgb_to_linear(airlight)
            )
            frames = torch.where(linear.view(b, 1, 1, 1, 1), linear_to_srgb(light), frames)
        record = {
            "haze.visibility": visibility,
            "haze.airlight": airlight,
            "haze.transmission": transmission,
        }
        return Degraded(frames.clamp(0, 1), record)

    def _airlight(self, scene: Scene) -> Tensor:
        b = scene.frames.shape[0]
        airlight = torch.as_tensor(self.airlight).to(scene.frames)
        if airlight.shape not in ((), (1,), (3,), (b, 3)):
            raise ConfigError(f"airlight has shape {tuple(airlight.shape)}; give 1, 3 or ({b}, 3).")
        require(
            bool(((airlight >= 0) & (airlight <= 1)).all()), "airlight", self.airlight, "[0, 1]"
        )
        return airlight.expand(b, 3)


def optical_path(
    scene: Scene, visibility: Tensor, strength: Tensor, draws: Sequence[torch.Generator]
) -> Tensor:
    """Length of the ray weighted by relative density ∫ρ ds, mean ρ = 1: (B, V, 1, H, W) metres.

    The waves are between a twentieth and a half of the visibility long; their amplitudes add up to
    `strength`, so the density never becomes negative.
    """
    rays = scene.rays()
    norm = rays.square().sum(2, keepdim=True).sqrt()
    length = scene.depth() * norm
    if not bool((strength > 0).any()):
        return length
    unit = rays / norm
    waves = torch.stack([_draw_waves(g) for g in draws]).to(scene.frames)  # (B, 5, M)
    wavelength = waves[:, 3] * visibility.clamp_max(1e7)[:, None]
    k = waves[:, :3] * (2 * math.pi / wavelength)[:, None]
    amplitude = wavelength / wavelength.sum(1, keepdim=True) * strength[:, None]
    along = torch.einsum("bidhw,bdm->bimhw", unit, k)  # k·ray, radians per metre
    start = torch.einsum("bvdij,bdm->bvmij", scene.centres(), k) + waves[
        :, 4, :, None, None
    ].unsqueeze(1)
    half = along * (length / 2)
    wave = torch.cos(start + half) * torch.sinc(half / math.pi)
    mean = (wave * amplitude[:, None, :, None, None]).sum(2, keepdim=True)
    return length * (1 + mean)


def _draw_waves(generator: torch.Generator) -> Tensor:
    """(5, M): unit direction (3), wavelength in visibilities, phase."""
    direction = torch.randn(3, _WAVES, generator=generator)
    direction = direction / direction.norm(dim=0).clamp_min(1e-6)
    wavelength = 0.05 * 10 ** torch.rand(1, _WAVES, generator=generator)
    phase = 2 * math.pi * torch.rand(1, _WAVES, generator=generator)
    return torch.cat([direction, wavelength, phase])
