"""Between picture arrays and frames, the tensors (B, V, 3, H, W) that everything else speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from deweather.errors import FramesError
from deweather.image.shapes import check_frames

Array = NDArray[Any]


def to_frames(views: Sequence[Array]) -> Tensor:
    """Frames (1, V, 3, H, W), float32, of V arrays (H, W, 3) of one size.

    uint8 and uint16 map onto [0, 1]; floating-point arrays are taken as they are.

    Raises:
        FramesError: where shapes or dtypes do not fit, or a value is not finite.
    """
    if not views:
        raise FramesError("no views given; give one array (H, W, 3) per view.")
    height, width = views[0].shape[:2] if views[0].ndim == 3 else (0, 0)
    out = torch.empty((1, len(views), 3, height, width), dtype=torch.float32)
    for index, view in enumerate(views):
        if view.shape != (height, width, 3) or 0 in view.shape:
            raise FramesError(
                f"view {index} has shape {view.shape}; expected (H, W, 3) with the same H and W "
                f"in all of the {len(views)} views."
            )
        planes = view.transpose(2, 0, 1)
        target = out[0, index].numpy()
        if view.dtype in (np.uint8, np.uint16):
            top = np.float32(np.iinfo(view.dtype).max)
            np.divide(planes, top, out=target, dtype=np.float32, casting="unsafe")
        elif np.issubdtype(view.dtype, np.floating):
            target[...] = planes
            if not np.isfinite(target).all():
                raise FramesError(f"view {index} has values that are not finite; remove them.")
        else:
            raise FramesError(f"view {index} has dtype {view.dtype}; use uint8, uint16 or float.")
    return out


def from_frames(frames: Tensor, dtype: DTypeLike = np.uint8) -> list[Array]:
    """Arrays (H, W, 3) of frames (B, V, 3, H, W), clipped to [0, 1]; B·V of them, views fastest.

    Args:
        frames: any floating-point dtype, any device.
        dtype: uint8 or uint16, rounded half to even, or a floating-point dtype.

    Raises:
        FramesError: where the shape does not fit, the dtype is another, or a value is NaN.
    """
    check_frames(frames)
    wanted = np.dtype(dtype)
    if wanted not in (np.uint8, np.uint16) and not np.issubdtype(wanted, np.floating):
        raise FramesError(f"dtype {wanted} is not one of a picture; use uint8, uint16 or float.")
    arrays: list[Array] = []
    for planes in frames.detach().flatten(0, 1):
        # float32 holds 16-bit values exactly, so half to even means what it says.
        view = planes.permute(1, 2, 0).to("cpu", torch.float32).clamp(0, 1)
        if torch.isnan(view).any():
            raise FramesError("frames hold NaN; the network or its input is broken.")
        if wanted in (np.uint8, np.uint16):
            view = (view * float(np.iinfo(wanted).max)).round_()
        arrays.append(np.ascontiguousarray(view.numpy()).astype(wanted))
    return arrays
