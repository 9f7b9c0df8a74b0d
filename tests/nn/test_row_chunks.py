"""Chunks of rows."""

import pytest
import torch

from deweather.nn import row_chunks


@pytest.mark.parametrize("height", [1, 16, 40, 48, 49, 1000])
@pytest.mark.parametrize("multiple", [1, 16])
@pytest.mark.parametrize("limit", [1, 1600, 1 << 20])
def test_chunks_cover_the_rows_evenly(height, multiple, limit, monkeypatch):
    monkeypatch.setitem(row_chunks._LIMIT, "cpu", limit)
    x = torch.empty(1, 4, height, 5)
    chunks = list(row_chunks.row_chunks(x, multiple))
    assert [row for top, stop in chunks for row in range(top, stop)] == list(range(height))
    heights = [stop - top for top, stop in chunks]
    assert all(h % multiple == 0 for h in heights[:-1])
    assert all(h * 20 <= max(limit, 20 * multiple) for h in heights)
    least = -(-height // max(limit // 20 // multiple * multiple, multiple))
    assert len(heights) <= least  # no more of them than need be
    assert max(heights) - min(heights[:-1], default=heights[-1]) == 0
