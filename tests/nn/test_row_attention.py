"""Attention along rows."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.nn import row_attention as module
from deweather.nn.row_attention import one_way_row_attention, row_attention


def explicit(query, key, value):
    scores = torch.einsum("nchw,nchv->nhwv", query, key) / math.sqrt(query.shape[1])
    return torch.einsum("nhwv,nchv->nchw", scores.softmax(-1), value)


sizes = st.integers(1, 7)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.tuples(st.integers(1, 3), sizes, sizes, sizes, sizes, sizes))
def test_against_an_explicit_softmax(shape):
    n, c, d, h, w, v = shape
    draws = torch.Generator().manual_seed(1)
    query, key, value = (
        torch.randn(shape, generator=draws, dtype=torch.float64)
        for shape in ((n, c, h, w), (n, c, h, v), (n, d, h, v))
    )
    out = row_attention(query, key, value)
    torch.testing.assert_close(out, explicit(query, key, value))


def test_the_scale_takes_the_place_of_the_root_of_the_channels():
    draws = torch.Generator().manual_seed(3)
    query, key, value = (torch.randn(2, 4, 3, 5, generator=draws) for _ in range(3))
    out = row_attention(query, key, value, scale=1.0)
    torch.testing.assert_close(out, row_attention(2 * query, key, value))
    assert not torch.allclose(out, row_attention(query, key, value))


def test_equal_scores_give_the_mean_of_the_row():
    value = torch.rand(1, 2, 3, 5, dtype=torch.float64)
    nothing = torch.zeros(1, 4, 3, 5, dtype=torch.float64)
    out = row_attention(nothing, nothing, value)
    torch.testing.assert_close(out, value.mean(3, keepdim=True).expand_as(out))


def test_matching_columns_carry_a_row_by_its_disparity():
    w, d = 12, 3
    code = 40 * torch.eye(w, dtype=torch.float64)[None, :, None]  # (1, w, 1, w): a key per column
    query = torch.roll(code, d, dims=3)
    value = torch.rand(1, 2, 1, w, dtype=torch.float64)
    carried = row_attention(query, code, value)
    torch.testing.assert_close(carried, torch.roll(value, d, dims=3))


def test_rows_do_not_see_each_other():
    draws = torch.Generator().manual_seed(2)
    x = torch.randn(1, 3, 6, 5, generator=draws)
    y = x.clone()
    y[:, :, 4] += 1
    a, b = row_attention(x, x, x), row_attention(y, y, y)
    same = [torch.equal(a[:, :, i], b[:, :, i]) for i in range(6)]
    assert same == [True, True, True, True, False, True]


@pytest.mark.parametrize("gradients", [True, False], ids=["fused", "products"])
@pytest.mark.parametrize("spread", [1.0, 40.0], ids=["plain", "steep"])
@pytest.mark.parametrize("width", [1, 9, 64, 130])
def test_one_way_against_the_equations(width, spread, gradients, monkeypatch):
    """Both ways of evaluation, with scores that exponentials can take and with others (up to 3000)."""
    monkeypatch.setattr(module, "_SCORES", 2 * width**2)  # two rows at a time, of six
    draws = torch.Generator().manual_seed(0)
    left, right, left_value, right_value = (
        factor * torch.randn(2, 3, width, 4, dtype=torch.float64, generator=draws)
        for factor in (spread, spread, 1, 1)
    )
    scores = torch.einsum("bhic,bhjc->bhij", left, right) / 2
    scores = scores.masked_fill(torch.ones(width, width).triu(1).bool(), -math.inf)
    with torch.set_grad_enabled(gradients):
        to_left, to_right = one_way_row_attention(left, right, left_value, right_value)
    torch.testing.assert_close(to_left, scores.softmax(3) @ right_value, rtol=0, atol=1e-11)
    torch.testing.assert_close(to_right, scores.softmax(2).mT @ left_value, rtol=0, atol=1e-11)
