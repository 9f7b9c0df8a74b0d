"""Planes of tensors -> their box means and area-reduced copies, the same on every device.

On a CPU OpenCV works on the memory of the tensors; it adds in float64. What other devices do follows it.
"""

from __future__ import annotations

import cv2
import torch
from torch import Tensor


def box_mean(planes: Tensor, radius: int) -> Tensor:
    """Mean over a square of 2·radius + 1 pixels, (..., H, W), float32; mirrored beyond the border."""
    if planes.device.type != "cpu":
        return box_mean_by_sums(planes, radius)
    side = (2 * radius + 1, 2 * radius + 1)
    source = planes.detach().contiguous()
    out = torch.empty_like(source)
    for plane, target in zip(_planes(source), _planes(out), strict=True):
        cv2.blur(plane.numpy(), side, dst=target.numpy(), borderType=cv2.BORDER_REFLECT)
    return out


def box_mean_by_sums(planes: Tensor, radius: int) -> Tensor:
    """`box_mean` by sums of shifted copies, on any device."""
    side = 2 * radius + 1
    sums = planes if planes.device.type == "mps" else planes.double()  # MPS has no float64
    for axis in (-2, -1):
        length = sums.shape[axis]
        index = torch.arange(-radius, length + radius, device=sums.device) % (2 * length)
        wide = sums.index_select(axis, torch.minimum(index, 2 * length - 1 - index))
        sums = sum(
            (wide.narrow(axis, k, length) for k in range(1, side)), wide.narrow(axis, 0, length)
        )
    return (sums / side**2).to(planes.dtype)


def reduce_area(planes: Tensor, height: int, width: int) -> Tensor:
    """Planes (..., H, W), float32, reduced to a size no larger: the mean of what each pixel covers."""
    if planes.shape[-2:] == (height, width):
        return planes
    if planes.device.type != "cpu":
        return reduce_area_by_products(planes, height, width)
    source = planes.detach().contiguous()
    out = source.new_empty(*planes.shape[:-2], height, width)
    for plane, target in zip(_planes(source), _planes(out), strict=True):
        cv2.resize(plane.numpy(), (width, height), target.numpy(), interpolation=cv2.INTER_AREA)
    return out


def reduce_area_by_products(planes: Tensor, height: int, width: int) -> Tensor:
    """`reduce_area` by two products with matrices of shares, on any device."""
    rows, columns = (
        _shares(n, m).to(planes) for n, m in ((planes.shape[-2], height), (planes.shape[-1], width))
    )
    return rows @ (planes @ columns.T)


def _shares(length: int, reduced: int) -> Tensor:
    """(reduced, length): the share that each of `length` pixels has in each of the reduced ones."""
    step = length / reduced
    start = torch.arange(reduced, dtype=torch.float64)[:, None] * step
    pixel = torch.arange(length, dtype=torch.float64)[None]
    covered = torch.minimum(pixel + 1, start + step) - torch.maximum(pixel, start)
    return covered.clamp_min(0) / step


def _planes(tensor: Tensor) -> tuple[Tensor, ...]:
    return tensor.view(-1, *tensor.shape[-2:]).unbind()
