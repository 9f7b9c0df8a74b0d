"""Light that fog scatters by small angles: glow around bright sources, a blur that grows with distance.

A drop much larger than the wavelength removes twice its cross-section from a beam, half of it by
diffraction into a narrow forward peak (Bohren and Huffman, 1983, section 4.4). A share f of what is
scattered thus still travels nearly forward. Delta scaling (Joseph, Wiscombe and Weinman, J. Atmos.
Sci. 33, 1976) counts it as not removed: of radiance J behind the optical thickness τ

    J·exp(-τ)                                arrives straight,
    J·(exp(-(1 - f)·τ) - exp(-τ))            arrives spread by an atmospheric point spread function,
    A·(1 - exp(-(1 - f)·τ))                  is airlight.

The number of scatterings of what arrives spread has the mean n = fτ / (1 - exp(-fτ)), and a
scattering at the fraction s of the way, counted from the source, turns the apparent direction by s
times its angle: over the way the mean square is a third. The spread is therefore a Gaussian of
θ·√(n/3). Two values of θ, of equal weight, stand for diffraction and for refraction near the forward
direction. That near things hide a part of the glow from behind is neglected.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from deweather.weather.blur import wide_blur

_LOBES = (0.012, 0.1)  # radians per axis of one scattering by drops of 20 µm
_MOST = 32.0  # scatterings; more are spread like so many
_LEVELS = 4  # widths of the blur in each lobe, between 1 and √_MOST times the least
_BRIGHT = 0.8  # radiance (linear) from which on a pixel may be a clipped lamp


def forward_scattered(
    radiance: Tensor, thickness: Tensor, share: Tensor, focal_length: Tensor
) -> Tensor:
    """What arrives spread: (B, V, 3, H, W), like `radiance`.

    Args:
        radiance: (B, V, 3, H, W), of the scene.
        thickness: (B, V, 3, H, W), optical thickness τ in front of it.
        share: (B,), f in [0, 1); 0 gives black.
        focal_length: (B,), pixels.
    """
    f = share.view(-1, 1, 1, 1, 1)
    emitted = radiance * (torch.exp(-(1 - f) * thickness) - torch.exp(-thickness))
    forward = f * thickness.mean(2, keepdim=True)
    times = torch.where(forward > 1e-4, forward / -torch.expm1(-forward).clamp_max(-1e-9), 1.0)
    step = math.log(_MOST) / 2 / (_LEVELS - 1)
    level = times.clamp(1, _MOST).log() / 2 / step  # 0 to _LEVELS - 1
    out = torch.zeros_like(emitted)
    for i, focal in enumerate(focal_length.tolist()):  # each picture has its own widths
        if share[i] == 0:
            continue
        for k in range(_LEVELS):
            # Between two widths a pixel is shared among them.
            part = emitted[i] * (1 - (level[i] - k).abs()).clamp_min(0) / len(_LOBES)
            for lobe in _LOBES:
                sigma = lobe * focal * math.exp(k * step) / math.sqrt(3)
                out[i] += wide_blur(part, sigma)
    return out


def brightened(radiance: Tensor, factor: Tensor) -> Tensor:
    """Give clipped lamps back a part of their light: times `factor` (B,) where the picture is white.

    Between 0.8 and 1 of the largest channel (linear) the factor rises from 1.
    """
    top = radiance.amax(2, keepdim=True)
    share = ((top - _BRIGHT) / (1 - _BRIGHT)).clamp(0, 1)
    return radiance * (1 + (factor.view(-1, 1, 1, 1, 1) - 1) * share * share)
