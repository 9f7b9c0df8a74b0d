"""Depth and disparity of a rectified rig."""

import math

import numpy as np
import pytest
import torch

from deweather.errors import ConfigError
from deweather.image import Camera

RIG = Camera(focal_length=720.0, baseline=0.54)


def test_closed_form_in_every_kind_of_number():
    assert RIG.depth(10.0) == pytest.approx(38.88)
    assert RIG.depth(np.array([10.0, 20.0])) == pytest.approx([38.88, 19.44])
    assert torch.allclose(RIG.depth(torch.tensor([10.0, 20.0])), torch.tensor([38.88, 19.44]))
    assert RIG.depth(np.array([10, 20])) == pytest.approx([38.88, 19.44])


def test_no_disparity_is_infinitely_far():
    for zero in (0, 0.0, -0.0, np.float32(0), np.float32(-0.0)):
        assert RIG.depth(zero) == math.inf
    assert (RIG.depth(np.array([0.0, -0.0])) == math.inf).all()
    assert (RIG.depth(torch.tensor([0.0, -0.0])) == math.inf).all()
    assert RIG.disparity(math.inf) == 0


def test_round_trip():
    disparity = np.linspace(0.1, 200, 50)
    assert RIG.disparity(RIG.depth(disparity)) == pytest.approx(disparity)


def test_a_picture_of_half_size_has_half_the_disparity_at_the_same_depth():
    half = RIG.scaled(0.5)
    assert half.baseline == RIG.baseline
    assert half.depth(5.0) == RIG.depth(10.0)


@pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
def test_validation(value):
    with pytest.raises(ConfigError, match="focal_length"):
        Camera(value, 0.5)
    with pytest.raises(ConfigError, match=r"baseline.*metres"):
        Camera(700, value)
    with pytest.raises(ConfigError, match="scale factor"):
        RIG.scaled(value)


def test_gradient():
    disparity = torch.tensor([4.0], requires_grad=True)
    RIG.depth(disparity).sum().backward()
    assert disparity.grad == pytest.approx(-720 * 0.54 / 16)
