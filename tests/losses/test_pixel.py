"""Pixel losses against reference figures and closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.losses import charbonnier, frequency_l1

from ..formula import image

# Computed in float64 by an independent implementation: shape, Charbonnier (ε = 1e-3), frequency L1.
REFERENCE = [
    ((1, 3, 40, 56), 0.183362748547, 0.736827823459),
    ((2, 3, 37, 45), 0.182676970947, 1.92054337083),
    ((2, 6, 40, 56), 0.197751264277, 1.07280279244),
]
shapes = st.tuples(*(st.integers(1, 9) for _ in range(4)))


@pytest.mark.parametrize(("shape", "expected", "_"), REFERENCE)
def test_charbonnier_reference_figures(shape, expected, _):
    x, y = image(*shape), 0.85 * image(*shape, shift=3) + 0.05
    assert charbonnier(x, y).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("shape", "_", "expected"), REFERENCE)
def test_frequency_reference_figures(shape, _, expected):
    x, y = image(*shape), 0.85 * image(*shape, shift=3) + 0.05
    assert frequency_l1(x, y).item() == pytest.approx(expected, abs=1e-9)


def test_charbonnier_of_a_constant_difference():
    x = torch.full((2, 1, 3, 4, 5), 0.7, dtype=torch.float64)
    assert charbonnier(x, x).item() == pytest.approx(1e-3, abs=1e-15)
    assert charbonnier(x, x - 0.3, eps=0.4).item() == pytest.approx(0.5, abs=1e-12)


def test_frequency_of_a_constant_difference_sits_in_one_bin():
    h, w, d = 6, 8, 0.25
    x = torch.zeros(1, 1, h, w, dtype=torch.float64)
    bins = h * (w // 2 + 1)
    assert frequency_l1(x + d, x).item() == pytest.approx(0.5 * d * h * w / bins, abs=1e-12)


def test_frequency_of_a_point_difference_is_the_mean_of_cosine_and_sine():
    h, w = 4, 4
    x = torch.zeros(h, w, dtype=torch.float64)
    y = x.clone()
    y[1, 0] = 1.0  # its spectrum is exp(-2πi·k/h), the same in every column
    angles = [2 * math.pi * k / h for k in range(h)]
    mean = sum(abs(math.cos(a)) + abs(math.sin(a)) for a in angles) / h
    assert frequency_l1(x, y).item() == pytest.approx(0.5 * mean, abs=1e-12)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(shapes, st.integers(0, 99))
def test_symmetric_and_least_where_equal(shape, seed):
    draws = torch.Generator().manual_seed(seed)
    x, y = torch.rand((2, *shape), generator=draws, dtype=torch.float64)
    for loss, least in ((charbonnier, 1e-3), (frequency_l1, 0.0)):
        assert loss(x, y).item() == pytest.approx(loss(y, x).item(), rel=1e-12)
        assert loss(x, x).item() == pytest.approx(least, abs=1e-12)
        assert loss(x, y) > least


@settings(derandomize=True, max_examples=25, deadline=None)
@given(shapes, st.integers(0, 99))
def test_charbonnier_lies_within_eps_of_l1(shape, seed):
    draws = torch.Generator().manual_seed(seed)
    x, y = torch.rand((2, *shape), generator=draws, dtype=torch.float64)
    l1 = (x - y).abs().mean()
    assert l1 < charbonnier(x, y) <= l1 + 1e-3


def test_gradients_are_finite_where_pictures_agree():
    x = torch.rand(1, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    (charbonnier(x, x.detach()) + frequency_l1(x, x.detach())).backward()
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_charbonnier_gradient_is_correct():
    draws = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 1, 2, 3, 4, generator=draws, dtype=torch.float64)
    assert torch.autograd.gradcheck(charbonnier, (x.requires_grad_(), y))
