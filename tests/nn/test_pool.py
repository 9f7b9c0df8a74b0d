"""Average pooling over windows of cells."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.nn.pool import AveragePool, upsample_like


def naive(x, window, cell):
    """Means over cells by a plain loop."""
    n, c, h, w = x.shape
    rows, columns, reach = h // cell, w // cell, window // (2 * cell)
    out = torch.empty(n, c, rows, columns, dtype=x.dtype)
    for i in range(rows):
        for j in range(columns):
            top, bottom = max(i - reach, 0) * cell, min(i + reach + 1, rows) * cell
            left, right = max(j - reach, 0) * cell, min(j + reach + 1, columns) * cell
            out[:, :, i, j] = x[:, :, top:bottom, left:right].mean((2, 3))
    return out


@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    cell=st.sampled_from([1, 2, 4]),
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
    window=st.integers(1, 40),
)
def test_windows_against_a_plain_loop(cell, rows, columns, window):
    draws = torch.Generator().manual_seed(rows * 10 + columns)
    x = torch.rand(2, 3, rows * cell, columns * cell, generator=draws, dtype=torch.float64)
    torch.testing.assert_close(AveragePool(window, cell)(x), naive(x, window, cell))


def test_without_a_window_it_is_the_mean():
    x = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(AveragePool(None, 4)(x)[..., 0, 0], x.mean((2, 3)))


def test_a_window_over_everything_is_the_mean_everywhere():
    x = torch.rand(1, 3, 8, 16, dtype=torch.float64)
    pooled = AveragePool(64, 4)(x)
    torch.testing.assert_close(pooled, x.mean((2, 3), keepdim=True).expand_as(pooled))


def test_a_window_smaller_than_two_cells_is_one_cell():
    x = torch.rand(1, 2, 8, 8, dtype=torch.float64)
    cells = x.view(1, 2, 2, 4, 2, 4).mean((3, 5))
    torch.testing.assert_close(AveragePool(7, 4)(x), cells)
    assert not torch.allclose(AveragePool(8, 4)(x), cells)


def test_what_lies_outside_of_the_window_does_not_matter():
    x = torch.rand(1, 1, 4, 64, dtype=torch.float64)
    y = x.clone()
    y[..., 32:] += 1  # cells 8 and more, of 16
    same = (AveragePool(24, 4)(x) == AveragePool(24, 4)(y))[0, 0, 0]
    assert same.tolist() == [True] * 5 + [False] * 11


def test_tiles_on_the_grid_agree_inside():
    x = torch.rand(1, 2, 32, 48, dtype=torch.float64)
    pool = AveragePool(24, 4)
    whole, tile = pool(x), pool(x[..., 8:])
    torch.testing.assert_close(tile[..., 3:], whole[..., 5:])
    assert not torch.allclose(tile[..., :3], whole[..., 2:5])


def test_spread_of_one_cell_is_left_to_broadcast():
    cell = torch.rand(2, 3, 1, 1)
    assert upsample_like(cell, torch.zeros(2, 5, 8, 8)) is cell


@pytest.mark.parametrize("size", [(8, 12), (16, 24)])
def test_spread_interpolates_between_cell_centres(size):
    ramp = torch.arange(6, dtype=torch.float64).expand(1, 1, 4, 6)
    out = upsample_like(ramp, torch.zeros(1, 2, *size))
    assert out.shape[-2:] == size
    scale = size[1] / 6
    centres = (torch.arange(size[1], dtype=torch.float64) + 0.5) / scale - 0.5
    torch.testing.assert_close(out[0, 0, 0], centres.clamp(0, 5))
