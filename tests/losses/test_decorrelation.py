"""Weights that decorrelate features."""

import math

import pytest
import torch

from deweather.losses.decorrelation import dependence, fourier_functions, sample_weights


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def correlation(a, b, weights):
    w = weights / weights.sum()
    a, b = a - (w * a).sum(), b - (w * b).sum()
    return float((w * a * b).sum() / ((w * a * a).sum() * (w * b * b).sum()).sqrt())


def planted(n=64, seed=0):
    """Two features that agree in most samples by chance: a rare rest shows that they need not."""
    draws = generator(seed)
    a = torch.randn(n, generator=draws)
    b = torch.randn(n, generator=draws)
    b[: 3 * n // 4] = a[: 3 * n // 4] + 0.3 * b[: 3 * n // 4]
    return torch.stack([a, b], 1)


def test_functions_are_bounded_seeded_and_blind_to_scale():
    z = torch.randn(32, 100, generator=generator(1))
    made = fourier_functions(z, functions=5, dimensions=64, generator=generator())
    assert made.shape == (32, 64, 5)
    assert made.abs().max() <= math.sqrt(2)
    again = fourier_functions(3 * z + 7, functions=5, dimensions=64, generator=generator())
    torch.testing.assert_close(again, made, rtol=0, atol=1e-4)
    assert fourier_functions(z, functions=2, dimensions=500, generator=generator()).shape[1] == 100


def test_dependence_is_the_mean_over_pairs_of_squared_covariances():
    draws = generator()
    u = torch.randn(20, 3, 2, generator=draws, dtype=torch.float64)
    w = torch.rand(20, generator=draws, dtype=torch.float64)
    w = w / w.mean()
    total = 0.0
    for a in range(3):
        for b in range(a + 1, 3):
            for i in range(2):
                for j in range(2):
                    x, y = u[:, a, i], u[:, b, j]
                    mx, my = (w * x).mean(), (w * y).mean()
                    total += float((w * (x - mx) * (y - my)).mean()) ** 2
    assert float(dependence(u, w)) == pytest.approx(total / 3, rel=1e-12)


def test_independent_features_keep_weights_near_one():
    # All combinations of three values in each feature: nothing to gain by weights.
    grid = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0])] * 3)
    u = fourier_functions(grid, functions=5, dimensions=3, generator=generator())
    weights = sample_weights(u, torch.ones(0), steps=20, penalty=0.05)
    assert weights.sub(1).abs().max() < 0.1


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_correlation_is_halved(seed):
    z = planted(seed=seed)
    u = fourier_functions(z, functions=5, dimensions=2, generator=generator(seed))
    weights = sample_weights(u, torch.ones(0), steps=20, penalty=0.05)
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    assert (weights > 0).all()
    before = correlation(*z.unbind(1), torch.ones(len(z)))
    assert abs(correlation(*z.unbind(1), weights)) < 0.5 * before
    assert dependence(u, weights) < 0.5 * dependence(u, torch.ones(len(z)))


def test_a_larger_penalty_keeps_weights_more_alike():
    u = fourier_functions(planted(), functions=5, dimensions=2, generator=generator())
    spread = [sample_weights(u, torch.ones(0), steps=20, penalty=p).std() for p in (0, 0.1, 10)]
    assert spread[0] > spread[1] > spread[2]


def test_remembered_samples_count_and_keep_their_weights():
    """What the batch lacks the memory supplies: then there is less to correct."""
    z = planted(96)
    u = fourier_functions(z, functions=5, dimensions=2, generator=generator())
    with_memory = sample_weights(u, torch.ones(64), steps=20, penalty=0.05)
    assert with_memory.shape == (32,)
    assert not torch.allclose(
        with_memory, sample_weights(u[64:], torch.ones(0), steps=20, penalty=0.05), atol=1e-3
    )


def test_one_sample_has_nothing_to_weigh():
    u = fourier_functions(torch.randn(1, 4), functions=2, dimensions=4, generator=generator())
    assert sample_weights(u, torch.ones(0), steps=20, penalty=0.05).tolist() == [1.0]


def test_no_gradient_reaches_the_features():
    z = torch.randn(8, 4, requires_grad=True)
    u = fourier_functions(z, functions=2, dimensions=4, generator=generator())
    assert not sample_weights(u, torch.ones(0), steps=3, penalty=0.05).requires_grad
