"""Difference-perception weights, released and corrected."""

import math

import pytest
import torch

from deweather.errors import FramesError
from deweather.losses import depth_loss, difference_weights, l1, weighted_depth_l1


def pair(*shape, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.rand((2, *shape), generator=draws, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 6, 8), (2, 2, 3, 5, 7)])
@pytest.mark.parametrize("signed", [False, True])
def test_weights_have_one_channel_and_the_mean_that_they_promise(shape, signed):
    x, y = pair(*shape)
    h, w = shape[-2:]
    made = difference_weights(x, y, signed=signed)
    assert made.shape == (*shape[:-3], 1, h, w)
    assert made.min() > 0
    assert torch.allclose(made.mean((-3, -2, -1)), torch.ones(shape[:-3], dtype=torch.float64))
    released = difference_weights(x, y, signed=signed, normalised=False)
    total = 1 + 3 * h * w * 1e-7
    assert torch.allclose(released.sum((-3, -2, -1)), torch.tensor(total, dtype=torch.float64))


def test_each_picture_is_weighed_on_its_own():
    x, y = pair(2, 3, 6, 8)
    both = difference_weights(x, y)
    assert torch.allclose(both[1], difference_weights(x[1], y[1]), rtol=1e-12)


def test_signed_weights_overlook_what_came_out_too_dark():
    clean = torch.full((3, 4, 4), 0.5, dtype=torch.float64)
    restored = clean.clone()
    restored[:, 1, 1], restored[:, 2, 2] = 0.1, 0.9
    signed = difference_weights(restored, clean, signed=True)[0]
    assert signed[1, 1] < signed[0, 0] < signed[2, 2]
    corrected = difference_weights(restored, clean)[0]
    assert corrected[1, 1] == pytest.approx(corrected[2, 2].item())
    assert corrected[1, 1] / corrected[0, 0] == pytest.approx(math.exp(0.8), rel=1e-5)


def test_where_nothing_is_wrong_every_pixel_counts_the_same():
    x, _ = pair(2, 3, 6, 8)
    depth, teacher = pair(2, 1, 6, 8, seed=1)
    assert depth_loss(depth, teacher, x, x).item() == pytest.approx(2 * l1(depth, teacher).item())
    vanishing = depth_loss(depth, teacher, x, x, normalised=False)
    assert vanishing.item() == pytest.approx(l1(depth, teacher).item() * (1 + 1 / 48 + 3e-7))


def test_gradients_reach_depth_and_restoration():
    x, y = pair(1, 3, 6, 8)
    depth, teacher = pair(1, 1, 6, 8, seed=1)
    depth_loss(depth.requires_grad_(), teacher, x.requires_grad_(), y).backward()
    assert depth.grad.all()
    assert x.grad.any()


def test_shapes_must_belong_together():
    x, y = pair(1, 3, 6, 8)
    with pytest.raises(FramesError, match="one shape"):
        difference_weights(x, y[..., :4])
    with pytest.raises(FramesError, match="one shape"):
        weighted_depth_l1(x[:, :1], y[:, :1], difference_weights(x, y)[..., :4])
    with pytest.raises(FramesError, match=r"\(1, 3, 6, 8\)"):
        depth_loss(x, y, x, y)
