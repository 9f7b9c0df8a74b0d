"""Window attention: distances, windows, mirrored borders."""

import math

import pytest
import torch
import torch.nn.functional as F

from deweather.nn.window_attention import DistanceBias, offsets, window_attention


def test_distances_are_signed_logarithms():
    table, index = offsets()
    distance = table[index]
    for i, j in [(0, 0), (0, 63), (9, 2), (62, 8), (17, 17)]:
        for axis, n in enumerate((i // 8 - j // 8, i % 8 - j % 8)):
            expected = math.copysign(math.log(1 + abs(n)), n)
            assert distance[i, j, axis].item() == pytest.approx(expected, abs=2e-7)
    assert len(set(map(tuple, table.tolist()))) == len(table) == 225


def test_the_bias_is_the_mlp_of_every_pair():
    torch.manual_seed(0)
    bias = DistanceBias(3, 16)
    table, index = offsets()
    pairs = bias.score(F.relu(bias.hidden(table[index])))
    torch.testing.assert_close(bias(), pairs.permute(2, 0, 1)[None])


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("h", "w"), [(16, 8), (7, 11), (12, 20)])
def test_every_pixel_against_its_window(fused, shifted, h, w):
    """Pixel by pixel, with mirrored coordinates instead of padded maps."""
    torch.manual_seed(0)
    qkv = torch.randn(1, 12, h, w, dtype=torch.float64)
    bias = torch.randn(1, 2, 64, 64, dtype=torch.float64)
    first = 4 if shifted else 0
    with torch.set_grad_enabled(fused):  # plain products are for CPUs without gradients
        out = window_attention(qkv, bias, shifted)

    def mirror(n, size):
        n = abs(n)
        return n if n < size else 2 * (size - 1) - n

    for y, x in [(0, 0), (h - 1, w - 1), (h // 2, 3), (5, w - 2)]:
        top, left = (y + first) // 8 * 8 - first, (x + first) // 8 * 8 - first
        rows = [mirror(top + n, h) for n in range(8)]
        columns = [mirror(left + n, w) for n in range(8)]
        window = qkv[0][:, rows][:, :, columns].flatten(1).unflatten(0, (3, 2, 2))
        token = (y - top) * 8 + x - left
        scores = torch.einsum("hc,hcn->hn", window[0, ..., token], window[1]) / math.sqrt(2)
        shares = (scores + bias[0, :, token]).softmax(-1)
        expected = torch.einsum("hn,hcn->hc", shares, window[2]).flatten()
        torch.testing.assert_close(out[0, :, y, x], expected)


def test_windows_in_many_portions_are_the_same():
    torch.manual_seed(0)
    qkv = torch.randn(2, 18, 64, 96)
    bias = torch.randn(1, 6, 64, 64)
    with torch.no_grad():
        portions = window_attention(qkv, bias, True)
    torch.testing.assert_close(portions, window_attention(qkv, bias, True), rtol=0, atol=1e-5)
