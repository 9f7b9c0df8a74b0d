"""Air that differs from place to place: patches, ground fog, drift, and the way of light through it.

Relative density at a point P = (x right, y down, z ahead; the left camera is the origin) at time t:

    ρ(P, t) = exp(y / H) · (1 + Σ aᵢ·cos(kᵢ·(P - v·t) + φᵢ))

a density that falls off with height above the cameras (scale height H), with plane waves fixed in the
world that drift with the wind v. Both cameras look through this one field. Its integral along a ray
of length L has a closed form, wave by wave, with κ = u_y / H, α = k·u for the unit direction u:

    ∫ exp(κs)·cos(αs + φ) ds = Re[ exp(iφ)·(exp((κ + iα)·L) - 1) / (κ + iα) ],

so nothing is marched. Octaves of waves give fractal air: where turbulence mixes what the air carries,
the variance between scales r grows as r^(2/3) (Obukhov 1949; Corrsin 1951), so a ~ wavelength^(1/3).
Along a ray the many waves of such a sum level out. Fog banks with clear air between them need a
density that is far from even on the large scales: there three waves multiply, as in a cascade
(Yaglom 1966), and the sum carries the finer rest,

    ρ = exp(y / H)·(1 + w·(Π(1 + a·cos θᵢ) - 1) + (1 - w)·Σ aⱼ·cos θⱼ).

The product is a sum of waves again, with the sums and differences of their wave vectors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from deweather.weather.scene import Scene

_WAVES = 6  # of the patches without octaves; also how many are integrated at once
_PER_OCTAVE = 2  # the more waves, the less their bounded sum strays from its mean
_BANKS = 3  # of the longest waves multiply; n of them make (3ⁿ - 1) / 2 waves
_OF_BANKS = 0.8  # w, their share of the variation where there are finer waves
_BAND = 1 << 17  # pixels of a picture whose rays are integrated at once
_OPAQUE = 60.0  # exp(60) times the density at the camera: no light comes through


@dataclass(frozen=True)
class Air:
    """The field ρ of each picture of a batch.

    Attributes:
        k: (B, 3, M), wave vectors in radians per metre.
        phase: (B, M), radians, at time 0.
        amplitude: (B, M); together with the phases such that no density is negative.
        falloff: (B,), 1 / H in 1/m; 0 is the same density at every height.
    """

    k: Tensor
    phase: Tensor
    amplitude: Tensor
    falloff: Tensor


def draw_air(
    draws: Sequence[torch.Generator],
    *,
    visibility: Tensor,
    strength: Tensor,
    falloff: Tensor,
    octaves: int = 0,
    patch: Tensor | None = None,
    shift: Tensor | None = None,
) -> Air:
    """Draw the waves of a batch.

    Args:
        draws: a generator for each picture.
        visibility: (B,), metres; sets the size of the patches where `patch` is None.
        strength: (B,), a: sum of the amplitudes, or each in the product, in [0, 1].
        falloff: (B,), 1/m.
        octaves: of fractal patches; 0 draws six waves between a twentieth and a half of the
            visibility, with amplitudes proportional to their length.
        patch: (B,), metres, the longest wave of fractal patches; None is the visibility.
        shift: (B, 3), metres by which the air has moved.
    """
    waves = torch.stack([_draw_waves(g, octaves) for g in draws]).to(visibility)  # (B, 5, M)
    unit = visibility.clamp_max(1e7)
    if octaves and patch is not None:
        unit = patch
    wavelength = waves[:, 3] * unit[:, None]
    k = waves[:, :3] * (2 * math.pi / wavelength)[:, None]
    phase = waves[:, 4]
    if shift is not None:
        phase = phase - torch.einsum("bd,bdm->bm", shift, k)
    if not octaves:
        amplitude = wavelength / wavelength.sum(1, keepdim=True) * strength[:, None]
        return Air(k, phase, amplitude, falloff)
    banks = _multiplied(k[..., :_BANKS], phase[:, :_BANKS], strength)
    if k.shape[2] <= _BANKS:
        return Air(*banks, falloff)
    weight = wavelength[:, _BANKS:] ** (1 / 3)
    amplitude = weight / weight.sum(1, keepdim=True) * strength[:, None]
    return Air(
        torch.cat([banks[0], k[..., _BANKS:]], 2),
        torch.cat([banks[1], phase[:, _BANKS:]], 1),
        torch.cat([_OF_BANKS * banks[2], (1 - _OF_BANKS) * amplitude], 1),
        falloff,
    )


def _multiplied(k: Tensor, phase: Tensor, strength: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The waves, k, phase and amplitude, whose sum with 1 is Π(1 + strength·cos θᵢ)."""
    count = phase.shape[1]
    terms = list(product((0, 1, -1), repeat=count))
    # A term and its negative are the same wave: those whose first sign is + stand for both.
    kept = [term for term in terms if next((sign for sign in term if sign), 0) > 0]
    signs = torch.tensor(kept).to(phase)  # (M, count)
    order = signs.abs().sum(1)
    amplitude = 2 * (strength[:, None] / 2) ** order
    return k @ signs.T, phase @ signs.T, amplitude


def optical_path(scene: Scene, air: Air | None = None) -> Tensor:
    """Length of the ray weighted by relative density ∫ρ ds: (B, V, 1, H, W) metres.

    Without `air` the density is 1 and this is the distance of the scene point.
    """
    rays = scene.rays()
    norm = rays.square().sum(2, keepdim=True).sqrt()
    length = scene.depth() * norm
    if air is None:
        return length
    unit, centres = rays / norm, scene.centres()
    rows = max(1, _BAND // length.shape[-1])
    bands = [slice(top, top + rows) for top in range(0, length.shape[3], rows)]
    each = [_weighted(air, centres, unit[..., at, :], length[..., at, :]) for at in bands]
    return torch.cat(each, 3)


def _weighted(air: Air, centres: Tensor, unit: Tensor, length: Tensor) -> Tensor:
    """`optical_path` for rays along `unit` (B, 1, 3, H, W) and `length` (B, V, 1, H, W)."""
    falls = bool((air.falloff > 0).any())
    wavy = bool((air.amplitude > 0).any())
    if not falls:
        return length * (1 + _patches(air, centres, unit, length)) if wavy else length
    rate = unit[:, :, 1:2] * air.falloff.view(-1, 1, 1, 1, 1)  # κ, (B, 1, 1, H, W)
    # Down into ever denser air nothing is seen behind this length, and floats would overflow.
    length = torch.minimum(length, _OPAQUE / rate.clamp_min(1e-9))
    a = rate * length / 2
    even = torch.where(a.abs() < 1e-4, 1 + a, torch.expm1(2 * a) / _away_from_zero(2 * a))
    return length * (even + _patches(air, centres, unit, length, a)) if wavy else length * even


def _patches(
    air: Air, centres: Tensor, unit: Tensor, length: Tensor, a: Tensor | None = None
) -> Tensor:
    """Share that the waves add to the path, integrated over the ray: (B, V, 1, H, W).

    `a` is κL/2, or None for air of one density at all heights. Six waves at a time bound the
    memory.
    """
    total = torch.zeros_like(length)
    for first in range(0, air.k.shape[2], _WAVES):
        some = slice(first, first + _WAVES)
        k, phase, amplitude = air.k[:, :, some], air.phase[:, some], air.amplitude[:, some]
        along = torch.einsum("bidhw,bdm->bimhw", unit, k)  # α, radians per metre
        start = torch.einsum("bvdij,bdm->bvmij", centres, k) + phase[:, :, None, None].unsqueeze(1)
        half = along * (length / 2)
        if a is None:
            wave = torch.cos(start + half) * torch.sinc(half / math.pi)
        else:
            wave = _growing_wave(start + half, a, half)
        total = total + (wave * amplitude[:, None, :, None, None]).sum(2, keepdim=True)
    return total


def _growing_wave(middle: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Re[exp(i·middle + a)·sinh(a + ib) / (a + ib)]: mean of exp(κs)·cos(αs + φ) over the ray.

    a = κL/2, b = αL/2, middle = φ + b. The exponentials are joined so that none overflows for a far
    below zero, and nothing cancels for a and b near zero.
    """
    sinh, cosh = torch.expm1(2 * a) / 2, (torch.exp(2 * a) + 1) / 2  # times exp(a)
    square = a * a + b * b
    flat = square < 1e-12
    square = torch.where(flat, 1.0, square)
    cos, sin = torch.cos(b), torch.sin(b)
    real = torch.where(flat, 1.0, (sinh * cos * a + cosh * sin * b) / square)
    imaginary = torch.where(flat, 0.0, (cosh * sin * a - sinh * cos * b) / square)
    return torch.cos(middle) * real - torch.sin(middle) * imaginary


def _away_from_zero(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 1e-12, 1e-12, x)


def _draw_waves(generator: torch.Generator, octaves: int = 0) -> Tensor:
    """(5, M): unit direction (3), wavelength in visibilities (or largest patches), phase."""
    count = _PER_OCTAVE * octaves if octaves else _WAVES
    direction = torch.randn(3, count, generator=generator)
    direction = direction / direction.norm(dim=0).clamp_min(1e-6)
    u = torch.rand(1, count, generator=generator)
    if octaves:
        octave = torch.arange(octaves).repeat_interleave(_PER_OCTAVE)
        wavelength = 2.0 ** -(octave + u)
    else:
        wavelength = 0.05 * 10**u
    phase = 2 * math.pi * torch.rand(1, count, generator=generator)
    return torch.cat([direction, wavelength, phase])
