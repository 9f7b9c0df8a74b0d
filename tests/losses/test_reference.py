"""Every loss against figures of independent float64 implementations of the authors' formulas."""

import json
from pathlib import Path

import pytest
import torch

from deweather import losses

from ..formula import image

CASES = json.loads((Path(__file__).parent / "golden/losses.json").read_text())["cases"]


def weights(x, y):
    return losses.difference_weights(x, y, signed=True, normalised=False)


def weighted(x, y, **switches):
    made = losses.difference_weights(x, y, **switches)
    return losses.weighted_depth_l1(x[:, :1], y[:, 1:2], made)


COMPUTED = {
    "l1": losses.l1,
    "mse": losses.mse,
    "freq_l1": losses.frequency_l1,
    "l1_plus_0.1_freq": losses.l1_and_frequency,
    "ssim": lambda x, y: 1 - losses.ssim_loss(x, y),
    "ssim_loss": losses.ssim_loss,
    "tv_squared_apanet": lambda x, _: losses.total_variation_squared(x),
    "tv_abs_psidnet": lambda x, _: losses.total_variation(x),
    "dark_channel_35": lambda x, _: losses.dark_channel_loss(x, across_views=True),
    "dark_channel_7": lambda x, _: losses.dark_channel_loss(x, 7, across_views=True),
    "dark_channel_35_per_view": lambda x, _: losses.dark_channel_loss(x),
    "dark_channel_7_per_view": lambda x, _: losses.dark_channel_loss(x, 7),
    "charbonnier_eps1e-3_squared": losses.charbonnier,
    "charbonnier_1e-12": lambda x, y: losses.charbonnier(x, y, eps=1e-6),
    "edge_laplacian": losses.edge_loss,
    "dp_weight_sum": lambda x, y: weights(x, y).sum(),
    "dp_weight_min": lambda x, y: weights(x, y).min(),
    "dp_weight_max": lambda x, y: weights(x, y).max(),
    "depth_plain_l1": lambda x, y: losses.l1(x[:, :1], y[:, 1:2]),
    "depth_weighted_l1_official": lambda x, y: weighted(x, y, signed=True, normalised=False),
    "depth_weighted_l1_mean_normalised": lambda x, y: weighted(x, y, signed=True),
    "depth_weighted_l1_absdiff_mean_normalised": weighted,
    "depth_total_official": lambda x, y: losses.depth_loss(
        x[:, :1], y[:, 1:2], x, y, signed=True, normalised=False
    ),
}


@pytest.mark.parametrize(
    ("shape", "name", "expected"),
    [
        pytest.param(case["shape"], name, value, id=f"{name}-{case['shape']}")
        for case in CASES
        for name, value in case["values"].items()
    ],
)
def test_reference_figures(shape, name, expected):
    x, y = image(*shape), 0.85 * image(*shape, shift=3) + 0.05
    assert COMPUTED[name](x, y).item() == pytest.approx(expected, rel=0, abs=1e-9)


def test_every_formula_is_checked():
    assert {name for case in CASES for name in case["values"]} == set(COMPUTED)


def test_views_as_frames_give_what_views_as_channels_give():
    x, y = image(2, 6, 40, 56), 0.85 * image(2, 6, 40, 56, shift=3) + 0.05
    frames, others = x.unflatten(1, (2, 3)), y.unflatten(1, (2, 3))
    for loss in (losses.ssim_loss, losses.edge_loss, losses.frequency_l1):
        assert loss(frames, others).item() == pytest.approx(loss(x, y).item(), abs=1e-12)
    for loss in (losses.total_variation, losses.total_variation_squared, losses.dark_channel_loss):
        assert loss(frames).item() == pytest.approx(loss(x).item(), abs=1e-12)


def test_float32_stays_near_float64():
    x, y = image(1, 3, 40, 56), 0.85 * image(1, 3, 40, 56, shift=3) + 0.05
    for name in CASES[0]["values"]:
        low = COMPUTED[name](x.float(), y.float())
        assert low.dtype == torch.float32
        assert low.item() == pytest.approx(COMPUTED[name](x, y).item(), rel=1e-4, abs=1e-5)
