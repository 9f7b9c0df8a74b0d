"""Structural similarity and edges: closed forms and properties."""

import pytest
import torch
from torch.nn import functional as F

from deweather.errors import FramesError
from deweather.losses import edge_loss, ssim_loss
from deweather.metrics import structural_similarity


def pictures(*shape, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.rand((2, *shape), generator=draws, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 5), (2, 3, 11, 12), (2, 2, 3, 16, 9)])
def test_equal_pictures_have_no_loss_and_others_do(shape):
    x, y = pictures(*shape)
    assert ssim_loss(x, x).item() == pytest.approx(0, abs=1e-12)
    assert ssim_loss(x, y).item() == pytest.approx(ssim_loss(y, x).item(), abs=1e-12)
    assert 0 < ssim_loss(x, y) <= 2


def test_the_loss_is_the_metric_of_the_padding_asked_for():
    x, y = pictures(3, 20, 24)
    for padding in ("zero", "inside"):
        expected = 1 - structural_similarity(x, y, padding=padding).mean()
        assert torch.equal(ssim_loss(x, y, padding=padding), expected)
    assert torch.equal(ssim_loss(x, y), ssim_loss(x, y, padding="zero"))


def test_edges_are_compared_whatever_both_pictures_share():
    x, y = pictures(3, 24, 20)
    assert edge_loss(x, x).item() == pytest.approx(1e-3, abs=1e-12)
    assert edge_loss(x + y, y).item() == pytest.approx(edge_loss(x, 0 * y).item(), abs=1e-12)


def test_edges_are_what_smoothing_takes_away():
    """At a lone bright pixel on the kept grid the pyramid's kernel says what is left."""
    kernel = torch.tensor([0.05, 0.25, 0.4, 0.25, 0.05], dtype=torch.float64)
    grid = torch.outer(kernel, kernel)
    x = torch.zeros(1, 21, 21, dtype=torch.float64)
    x[0, 10, 10] = 1
    kept = torch.zeros(21, 21, dtype=torch.float64)
    kept[8:13, 8:13] = 4 * grid
    kept[1::2], kept[:, 1::2] = 0, 0
    edges = x[0] - F.conv2d(kept[None, None], grid[None, None], padding=2)[0, 0]
    expected = torch.sqrt(edges.square() + 1e-6).mean().item()
    assert edge_loss(x, torch.zeros_like(x)).item() == pytest.approx(expected, abs=1e-12)


def test_gradients_are_correct():
    x, y = pictures(1, 4, 5)
    for loss in (ssim_loss, edge_loss):
        assert torch.autograd.gradcheck(loss, (x.clone().requires_grad_(), y))


@pytest.mark.parametrize("loss", [ssim_loss, edge_loss])
def test_shapes_that_differ_or_are_no_pictures_are_refused(loss):
    with pytest.raises(FramesError, match=r"restored.*\(1, 3, 8, 8\).*clean.*\(1, 1, 8, 8\)"):
        loss(torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8))
    with pytest.raises(FramesError, match=r"\(8, 8\)"):
        loss(torch.zeros(8, 8), torch.zeros(8, 8))
