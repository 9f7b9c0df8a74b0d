"""What losses demand of shapes: tensors that would broadcast are refused, they are mistakes."""

from __future__ import annotations

from torch import Tensor

from deweather.errors import FramesError


def same_shape(**tensors: Tensor) -> None:
    """Raise FramesError, which names them, unless all tensors have the shape of the first."""
    (name, first), *others = tensors.items()
    for other, tensor in others:
        if tensor.shape != first.shape:
            raise FramesError(
                f"{name} has shape {tuple(first.shape)}, {other} {tuple(tensor.shape)}; "
                "a loss compares tensors of one shape."
            )


def maps(tensor: Tensor, name: str) -> Tensor:
    """(..., C, H, W) as (N, C, H, W); raise FramesError if there are no such axes or no pixels."""
    shape = tuple(tensor.shape)
    if len(shape) < 3 or 0 in shape:
        raise FramesError(f"{name} has shape {shape}; expected (..., C, H, W), none of them 0.")
    return tensor.reshape(-1, *shape[-3:])
