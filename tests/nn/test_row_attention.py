"""Attention along rows."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.nn.row_attention import row_attention


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
