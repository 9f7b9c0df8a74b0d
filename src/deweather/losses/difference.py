"""Depth losses that weigh pixels by how wrong their restoration is (DCMPNet, CVPR 2024)."""

from __future__ import annotations

from torch import Tensor

from deweather.errors import FramesError
from deweather.image.shapes import as_batch, check_same_shape
from deweather.losses.pixel import l1


def difference_weights(
    restored: Tensor, clean: Tensor, *, signed: bool = False, normalised: bool = True
) -> Tensor:
    """How much each pixel counts: softmax over a picture of the difference, summed over colours.

    `signed=True, normalised=False` is what the authors released. Two things are wrong with it. Pixels
    that came out too dark count less than right ones, because the sign is kept. And the weights
    add up to one over a picture, so a mean over its pixels almost vanishes: the weighted loss is
    about H·W times smaller than the plain one.

    Args:
        restored: (..., C, H, W), sRGB in [0, 1].
        clean: the same shape.
        signed: compare restored - clean and not its modulus.
        normalised: scale the weights to a mean of one over each picture.

    Returns:
        (..., 1, H, W), positive.

    Raises:
        FramesError: the shapes differ, or are no pictures.
    """
    check_same_shape(restored=restored, clean=clean)
    # The authors' pictures are on [-1, 1], where differences are twice as large.
    difference = 2 * as_batch(restored - clean, "restored")
    exponents = difference if signed else difference.abs()
    shares = exponents.flatten(1).softmax(-1).view_as(exponents) + 1e-7
    weights = shares.sum(1, keepdim=True)
    if normalised:
        weights = weights / weights.mean((-2, -1), keepdim=True)
    return weights.reshape(*restored.shape[:-3], 1, *restored.shape[-2:])


def weighted_depth_l1(depth: Tensor, teacher: Tensor, weights: Tensor) -> Tensor:
    """L1 between depths, each multiplied by the weights of `difference_weights`.

    Args:
        depth: (..., 1, H, W), predicted, in any unit.
        teacher: the same shape and unit.
        weights: the same shape, not negative.

    Returns:
        A scalar.

    Raises:
        FramesError: the shapes differ.
    """
    check_same_shape(depth=depth, teacher=teacher, weights=weights)
    return l1(weights * depth, weights * teacher)


def depth_loss(
    depth: Tensor,
    teacher: Tensor,
    restored: Tensor,
    clean: Tensor,
    *,
    signed: bool = False,
    normalised: bool = True,
) -> Tensor:
    """Plain L1 between depths plus the weighted one.

    Args:
        depth: (..., 1, H, W), predicted, in any unit.
        teacher: the same shape and unit.
        restored: (..., C, H, W), sRGB in [0, 1]; gradients flow into it through the weights.
        clean: the same shape.
        signed: see `difference_weights`.
        normalised: see `difference_weights`.

    Returns:
        A scalar.

    Raises:
        FramesError: the shapes do not belong together.
    """
    if depth.shape[-3:] != (1, *restored.shape[-2:]):
        raise FramesError(
            f"depth has shape {tuple(depth.shape)}, restored {tuple(restored.shape)}; "
            "expected (..., 1, H, W) and (..., C, H, W)."
        )
    weights = difference_weights(restored, clean, signed=signed, normalised=normalised)
    return l1(depth, teacher) + weighted_depth_l1(depth, teacher, weights)
