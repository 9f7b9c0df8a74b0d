"""Channel attention chunk by chunk against that to the whole map."""

import pytest
import torch
from torch import nn

from deweather.nn.chunked_attention import chunked_attention
from deweather.nn.pool import AveragePool, upsample_like


@pytest.mark.parametrize("window", [None, 1, 7, 30, 500])
@pytest.mark.parametrize("cell", [1, 2, 3, 8])
@pytest.mark.parametrize("cells", [(1, 1), (1, 4), (5, 3)])
def test_against_the_whole_map(window, cell, cells):
    torch.manual_seed(0)
    pool, attention = AveragePool(window, cell), nn.Conv2d(5, 5, 1).double()
    x = torch.rand(1, 5, cells[0] * cell, cells[1] * cell, dtype=torch.float64)
    chunks = [(top, min(top + 2 * cell, x.shape[2])) for top in range(0, x.shape[2], 2 * cell)]
    with torch.no_grad():
        expected = x * upsample_like(attention(pool(x)), x)
        ours = chunked_attention(pool, x)
        for top, stop in chunks:
            ours.add(x[:, :, top:stop], top)
        ours.finish(attention)
        got = torch.cat([ours.attend(x[:, :, top:stop], top) for top, stop in chunks], dim=2)
    torch.testing.assert_close(got, expected)
