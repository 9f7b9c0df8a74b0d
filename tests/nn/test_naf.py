"""The NAFNet block."""

import pytest
import torch
import torch.nn.functional as F

from deweather.nn.naf import NAFBlock, simple_gate
from deweather.nn.pool import AveragePool


def random_block(channels, pool):
    torch.manual_seed(0)
    block = NAFBlock(channels, pool).double()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.normal_(0, 0.5)
    return block


def by_hand(block, x, average):
    """The published block, written out from its parameters."""

    def norm(x, layer):
        y = F.layer_norm(x.movedim(1, -1), x.shape[1:2], eps=1e-6) * layer.weight + layer.bias
        return y.movedim(-1, 1)

    def linear(x, layer):
        y = torch.einsum("oi,nihw->nohw", layer.weight[:, :, 0, 0], x)
        return y + layer.bias.view(1, -1, 1, 1)

    c = x.shape[1]
    y = linear(norm(x, block.norm1), block.expand)
    d = block.depthwise
    y = F.conv2d(y, d.weight, d.bias, padding=1, groups=2 * c)
    y = y[:, :c] * y[:, c:]
    y = linear(y * linear(average(y), block.attention), block.project)
    x = x + block.scale1 * y
    z = linear(norm(x, block.norm2), block.mlp_in)
    return x + block.scale2 * linear(z[:, :c] * z[:, c:], block.mlp_out)


def test_against_the_published_equations():
    block = random_block(6, AveragePool(None, 1))
    x = torch.randn(2, 6, 5, 7, dtype=torch.float64)
    expected = by_hand(block, x, lambda y: y.mean((2, 3), keepdim=True))
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_the_published_equations(dtype):
    # Two maps of 8 rows: on one thread their 1x1 convolutions see 16 maps of one row.
    block = random_block(6, AveragePool(None, 1)).to(dtype)
    x, weights = torch.randn(2, 2, 6, 8, 7, dtype=dtype)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    given = [x, *block.parameters()]
    expected = by_hand(block, x, lambda y: y.mean((2, 3), keepdim=True))
    expected = torch.autograd.grad((expected * weights).sum(), given)
    ours = torch.autograd.grad((block(x) * weights).sum(), given)
    rounding = 1e-3 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(ours, expected, rtol=rounding, atol=rounding)


def test_gate_multiplies_halves():
    x = torch.arange(4.0).view(1, 4, 1, 1)
    assert simple_gate(x).flatten().tolist() == [0.0, 3.0]


@pytest.mark.parametrize("window", [None, 8])
def test_a_new_block_is_the_identity(window):
    x = torch.randn(1, 6, 8, 8)
    assert torch.equal(NAFBlock(6, AveragePool(window, 2))(x), x)


def test_a_window_keeps_far_pixels_out():
    x = torch.randn(1, 4, 8, 64, dtype=torch.float64)
    y = x.clone()
    y[..., 60:] = torch.randn(1, 4, 8, 4, dtype=torch.float64)
    for window, alike in ((8, True), (None, False)):
        block = random_block(4, AveragePool(window, 4))
        assert torch.equal(block(x)[..., :40], block(y)[..., :40]) is alike
