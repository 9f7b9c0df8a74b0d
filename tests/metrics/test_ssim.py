"""Structural similarity: closed forms and properties."""

import pytest
import torch
from torch.nn import functional as F

from deweather.errors import FramesError
from deweather.metrics import structural_similarity
from deweather.metrics.protocols import UNIFORM


def pictures(*shape, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.rand((2, *shape), generator=draws, dtype=torch.float64)


def similar(x, y, padding="zero", **options):
    return structural_similarity(x, y, padding=padding, **options)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 5), (2, 3, 11, 12), (2, 2, 3, 16, 9)])
def test_equal_pictures_are_alike(shape):
    x, y = pictures(*shape)
    assert similar(x, x).shape == shape[:-2]
    assert (similar(x, x) - 1).abs().max() < 1e-12
    assert (similar(x, y) - similar(y, x)).abs().max() < 1e-12
    assert (similar(x, y) < 1).all()
    assert (similar(x, y) >= -1).all()


def test_channels_and_pictures_have_values_of_their_own():
    x, y = pictures(2, 3, 16, 14)
    for padding in ("zero", "inside"):
        whole = similar(x, y, padding)
        for i in range(2):
            for c in range(3):
                alone = similar(x[i, c : c + 1], y[i, c : c + 1], padding)
                assert alone.item() == pytest.approx(whole[i, c].item(), abs=1e-14)


def test_flat_pictures_by_the_share_of_each_window_that_lies_inside():
    a, b, h, w = 0.3, 0.6, 13, 17
    bell = torch.exp(-torch.arange(-5, 6, dtype=torch.float64).square() / 4.5)
    bell /= bell.sum()

    def inside(n):
        return F.conv1d(torch.ones(1, 1, n, dtype=torch.float64), bell[None, None], padding=5)[0, 0]

    m = torch.outer(inside(h), inside(w))
    assert m[6, 8].item() == pytest.approx(1)
    luminance = (2 * a * b * m**2 + 1e-4) / ((a**2 + b**2) * m**2 + 1e-4)
    rest = (2 * a * b * (m - m**2) + 9e-4) / ((a**2 + b**2) * (m - m**2) + 9e-4)
    x = torch.full((1, h, w), a, dtype=torch.float64)
    expected = (luminance * rest).mean().item()
    assert similar(x, torch.full_like(x, b)).item() == pytest.approx(expected, abs=1e-12)
    # Inside of the picture nothing but the luminance differs.
    expected = (2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4)
    assert similar(x, torch.full_like(x, b), "inside").item() == pytest.approx(expected, abs=1e-12)


def test_one_window_by_its_definition():
    x, y = pictures(1, 7, 7)
    mx, my = x.mean(), y.mean()
    vx, vy = x.var(), y.var()
    covariance = ((x - mx) * (y - my)).sum() / 48
    expected = (2 * mx * my + 1e-4) * (2 * covariance + 9e-4)
    expected = expected / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    found = similar(x, y, "inside", window=UNIFORM)
    assert found.item() == pytest.approx(expected.item(), abs=1e-12)


def test_inverted_contrast_is_worse_than_none():
    x, _ = pictures(3, 32, 32)
    half = x.lerp(torch.full_like(x, 0.5), 0.5)
    for padding in ("zero", "inside"):
        assert similar(x, 1 - x, padding).mean() < 0 < similar(x, half, padding).mean()


@pytest.mark.parametrize(("padding", "side"), [("zero", 4), ("inside", 12)])
def test_gradients_are_correct(padding, side):
    x, y = pictures(1, side, side + 1)
    assert torch.autograd.gradcheck(
        lambda a: similar(a, y, padding).mean(), x.clone().requires_grad_()
    )


def test_shapes_that_differ_or_are_no_pictures_are_refused():
    with pytest.raises(FramesError, match=r"restored.*\(1, 3, 8, 8\).*clean.*\(1, 1, 8, 8\)"):
        similar(torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8))
    with pytest.raises(FramesError, match=r"\(8, 8\)"):
        similar(torch.zeros(8, 8), torch.zeros(8, 8))
