"""Shapes of tensors: what pictures must look like, refused with the shape found and the one expected.

Tensors that would broadcast are refused as well: they are mistakes.
"""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor

from deweather.errors import FramesError


def check_frames(
    frames: Tensor, *, views: Collection[int] | None = None, name: str = "frames"
) -> None:
    """Refuse a tensor that is not (B, V, 3, H, W) of floating point.

    Args:
        frames: the tensor.
        views: the numbers of views V that are taken; any if None.
        name: what the message calls the tensor.

    Raises:
        FramesError: naming the shape found and the one expected.
    """
    shape = tuple(frames.shape)
    if len(shape) != 5 or shape[2] != 3 or 0 in shape:
        hint = ""
        if len(shape) == 4 and shape[1] == 3:
            hint = " Pictures (B, 3, H, W) of one camera become that by pictures[:, None]."
        raise FramesError(
            f"{name} has shape {shape}; expected (B, V, 3, H, W), none of them 0.{hint}"
        )
    if views is not None and shape[1] not in views:
        valid = " or ".join(str(v) for v in sorted(views))
        raise FramesError(
            f"{name} has shape {shape} with V = {shape[1]} views; "
            f"expected (B, V, 3, H, W) with V = {valid}."
        )
    if not frames.is_floating_point():
        raise FramesError(f"{name} has dtype {frames.dtype}; expected floating point in [0, 1].")


def check_same_shape(**tensors: Tensor) -> None:
    """Raise FramesError, which names them, unless all tensors have the shape of the first."""
    (name, first), *others = tensors.items()
    for other, tensor in others:
        if tensor.shape != first.shape:
            raise FramesError(
                f"{name} has shape {tuple(first.shape)}, {other} {tuple(tensor.shape)}; "
                "tensors of one shape are compared."
            )


def as_batch(tensor: Tensor, name: str) -> Tensor:
    """(..., C, H, W) as (N, C, H, W); raise FramesError if there are no such axes or no pixels."""
    shape = tuple(tensor.shape)
    if len(shape) < 3 or 0 in shape:
        raise FramesError(f"{name} has shape {shape}; expected (..., C, H, W), none of them 0.")
    return tensor.reshape(-1, *shape[-3:])
