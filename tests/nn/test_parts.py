"""Maps in parts."""

import pytest
import torch

from deweather.nn.parts import cut_parts, join_parts


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 1), (2, 2), (3, 2)])
def test_parts_join_to_the_map_that_was_cut(rows, columns):
    x = torch.randn(2, 5, 12, 8, generator=torch.Generator().manual_seed(0))
    parts = cut_parts(x, rows, columns)
    assert parts.shape == (2 * rows * columns, 5, 12 // rows, 8 // columns)
    assert torch.equal(parts[:2], x[:, :, : 12 // rows, : 8 // columns])
    assert torch.equal(join_parts(parts, rows, columns), x)
