"""The contrastive loss by Gaussians, and the random features."""

import pytest
import torch

from deweather.losses import GaussianContrastive, RandomFeatures, level_weights
from deweather.losses.gaussian_contrastive import gaussian_distance, gaussian_of


def frames(seed, b=2, v=1):
    return torch.rand(b, v, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_random_features_are_always_the_same():
    pictures = frames(0)[:, 0]
    for a, b in zip(RandomFeatures()(pictures), RandomFeatures()(pictures), strict=True):
        assert torch.equal(a, b)
        assert a.std() > 0.05


def test_gaussians_are_means_and_deviations():
    maps = torch.stack([torch.full((4, 4), 3.0), torch.tensor([1.0, 5.0]).repeat(8).view(4, 4)])
    mean, deviation = gaussian_of(maps[None])[0]
    assert mean.tolist() == [3, 3]
    assert deviation.tolist() == pytest.approx([1e-4, 2], abs=1e-6)


def test_the_distance_is_that_of_wasserstein():
    """Of N(μ, σ²): (μ₁ - μ₂)² + (σ₁ - σ₂)², mean over two channels."""
    a = torch.tensor([[1.0, 0.0], [2.0, 1.0]])
    b = torch.tensor([[4.0, 0.0], [6.0, 3.0]])
    assert gaussian_distance(a, b).item() == (9 + 16 + 0 + 4) / 2


def test_the_contrastive_ratio_by_hand():
    loss = GaussianContrastive(RandomFeatures())
    a, p, n = frames(0), 0.5 * frames(1), frames(2) ** 3
    expected = torch.zeros(2)
    for weight, *maps in zip(
        level_weights(loss.features), *map(loss.features, (a[:, 0], p[:, 0], n[:, 0])), strict=True
    ):
        ga, gp, gn = map(gaussian_of, maps)
        expected += weight * gaussian_distance(ga, gp) / (gaussian_distance(ga, gn) + 1e-4)
    torch.testing.assert_close(loss(a, p, n), expected)


def test_it_is_zero_at_the_truth_and_blind_to_small_shifts():
    loss = GaussianContrastive(RandomFeatures())
    clean, hazy = frames(0), 0.3 * frames(0) + 0.6
    assert loss(clean, clean, hazy).tolist() == [0, 0]
    shifted = clean.roll(1, -1)
    assert (loss(shifted, clean, hazy) < 0.05 * loss(hazy.roll(1, -1), clean, 0.9 * hazy)).all()


def test_samples_are_judged_one_by_one_and_views_averaged():
    loss = GaussianContrastive(RandomFeatures())
    a, p, n = (frames(i, b=2, v=2) for i in range(3))
    both = loss(a, p, n)
    assert torch.allclose(both[1:], loss(a[1:], p[1:], n[1:]), rtol=1e-4)
    views = [loss(a[:, v : v + 1], p[:, v : v + 1], n[:, v : v + 1]) for v in (0, 1)]
    assert torch.allclose(both, (views[0] + views[1]) / 2, rtol=1e-4)


def test_gradients_reach_the_anchor_alone():
    a, p, n = (frames(i).requires_grad_() for i in range(3))
    GaussianContrastive(RandomFeatures())(a, p, n).sum().backward()
    assert a.grad.abs().sum() > 0
    assert p.grad is None
    assert n.grad is None
