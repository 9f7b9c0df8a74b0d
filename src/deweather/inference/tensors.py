"""Tensors of single pictures, of batches, and of pairs -> images (B, V, 3, H, W)."""

from __future__ import annotations

import torch
from torch import Tensor

from deweather.errors import FramesError
from deweather.image.shapes import check_frames


def as_images(source: Tensor) -> Tensor:
    """A view of a tensor (3, H, W), (B, 3, H, W) or (B, V, 3, H, W) as images (B, V, 3, H, W).

    Raises:
        FramesError: another shape, no floating point, or values that are nan or infinite.
    """
    shape = tuple(source.shape)
    if source.ndim not in (3, 4, 5) or 0 in shape or shape[-3] != 3:
        raise FramesError(
            f"source has shape {shape}; expected (3, H, W), (B, 3, H, W) or (B, V, 3, H, W), none of "
            "them 0."
        )
    images = source.detach()
    if source.ndim < 5:
        images = images.reshape(-1, 1, *shape[-3:])
    check_frames(images, views={1, 2}, name="source")
    if not torch.isfinite(images).all():
        raise FramesError("source has values that are nan or infinite; remove them.")
    return images
