"""Taking haze out of a picture of any size at bounded cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deweather.image.frames import from_frames, to_frames
from deweather.inference.guided import apply_affine, fit_affine
from deweather.inference.hooks import NO_HOOKS, Hooks
from deweather.inference.sizes import padded_forward
from deweather.inference.thresholds import BLACKENED, HAZE, blackened, fade, rms
from deweather.models import Network

Pixels = NDArray[Any]

WORKING_PIXELS = 250_000
"""Pixels of the reduced picture: the network sees the whole scene, at a scale that it was trained on.
At 100,000 simulated haze comes off a little better, but skies of real photographs turn black."""


def dehaze(
    network: Network,
    views: Sequence[Pixels],
    device: torch.device,
    *,
    skip_clear: bool = False,
    hooks: Hooks = NO_HOOKS,
) -> bool:
    """Take haze out of the views of one picture or pair, in place.

    A large picture is reduced for the network; its answer is carried back by local colour-affine
    maps, see `deweather.inference.guided`. A small one takes the same way: the maps cannot follow the
    grid of JPEG blocks, which a network makes visible.

    Args:
        network: on `device`, in eval mode.
        views: one or two arrays (H, W, 3), uint8, uint16 or floating in [0, 1]; they become the result.
        device: where the network runs.
        skip_clear: leave pictures alone that hardly change or would turn black, see
            `deweather.inference.thresholds`.
        hooks: progress and cancel.

    Returns:
        Whether a pixel changed.

    Raises:
        Cancelled: the caller asked for it; the views may be half done.
    """
    hooks.check()
    frames, image = _reduced(network, views, device)
    share = 1.0
    if skip_clear:
        share = fade(rms(image - frames), HAZE) * (1 - fade(blackened(frames, image), BLACKENED))
    if share == 0:
        hooks.report("haze", 1, 1)
        return False
    image = torch.lerp(frames, image, share)
    sources = from_frames(frames, np.float32)
    targets = from_frames(image, np.float32)
    changed = [
        apply_affine(fit_affine(source, target), view, check=hooks.check)
        for view, source, target in zip(views, sources, targets, strict=True)
    ]
    hooks.report("haze", 1, 1)
    return any(changed)


def size_of_haze(network: Network, views: Sequence[Pixels], device: torch.device) -> float:
    """Size of the change that `dehaze` would make, to be held against `thresholds.HAZE`."""
    frames, image = _reduced(network, views, device)
    return rms(image - frames)


def _reduced(
    network: Network, views: Sequence[Pixels], device: torch.device
) -> tuple[Tensor, Tensor]:
    """The reduced picture or pair and what the network makes of it, (1, V, 3, h, w)."""
    height, width = views[0].shape[:2]
    scale = min(1.0, (WORKING_PIXELS / (height * width)) ** 0.5)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = [cv2.resize(v, size, interpolation=cv2.INTER_AREA) if scale < 1 else v for v in views]
    frames = to_frames(small).to(device)
    with torch.inference_mode():
        image = padded_forward(network, frames).float().clamp(0, 1)
    return frames, image
