"""Linear layers over the channels of tokens, as convolutions and as products."""

import pytest
import torch
import torch.nn.functional as F

from deweather.nn.pointwise import (
    Pointwise,
    PointwiseConv2d,
    convolve_pointwise,
    pointwise,
)


@pytest.fixture(params=[1, 2])
def threads(request):
    """Kernels differ by the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture(params=[True, False])
def onednn(request, monkeypatch):
    """With and without oneDNN."""
    if not request.param:
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (2, 9, 11)])
@pytest.mark.parametrize("channels", [(1, 1), (6, 4), (3, 17)])
def test_every_token_is_multiplied(shape, channels, dtype):
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(*shape, channels[0], generator=draws, dtype=dtype)
    weight = torch.randn(*channels[::-1], generator=draws, dtype=dtype)
    for bias in (None, torch.randn(channels[1], generator=draws, dtype=dtype)):
        expected = torch.einsum("nhwc,dc->nhwd", x, weight) + (0 if bias is None else bias)
        torch.testing.assert_close(pointwise(x, weight, bias), expected)


def test_the_layer_is_a_linear_one_with_gradients():
    torch.manual_seed(0)
    layer, x = Pointwise(5, 3), torch.randn(2, 8, 9, 5)
    parameters = list(layer.parameters())
    ours = torch.autograd.grad(layer(x).square().mean(), parameters)
    plain = torch.autograd.grad(F.linear(x, *parameters).square().mean(), parameters)
    torch.testing.assert_close(ours, plain)


@pytest.mark.parametrize("gradients", [True, False])
def test_a_compiled_layer_is_one_graph(gradients):
    layer, x = Pointwise(8, 12), torch.rand(1, 9, 10, 8)
    with torch.set_grad_enabled(gradients):
        compiled = torch.compile(layer, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(x), layer(x), rtol=0, atol=1e-6)


SHAPES = [(2, 5, 8, 3), (1, 5, 32, 4), (1, 5, 7, 9), (16, 5, 1, 2), (1, 5, 1, 1)]
"""Maps: few that are many lower ones, few that are not, many."""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("last", [True, False], ids=["channels last", "channels first"])
def test_convolutions_and_their_gradients(shape, last, threads, onednn):
    torch.manual_seed(0)
    plain, ours, scale = torch.nn.Conv2d(5, 6, 1), PointwiseConv2d(5, 6), torch.randn(1, 6, 1, 1)
    ours.load_state_dict(plain.state_dict())
    x = torch.randn(shape)
    if last:
        x = x.contiguous(memory_format=torch.channels_last)
    for factor in (None, scale):
        inputs = x.clone().requires_grad_(), x.clone().requires_grad_()
        expected, got = plain(inputs[0]), ours(inputs[1], factor)
        expected = expected if factor is None else expected * factor
        torch.testing.assert_close(got, expected)
        gradients = [
            torch.autograd.grad(y.square().sum(), [given, *layer.parameters()])
            for y, given, layer in ((expected, inputs[0], plain), (got, inputs[1], ours))
        ]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
        with torch.no_grad():
            torch.testing.assert_close(ours(x, factor), expected)


def test_the_gradient_of_a_scale(threads):
    torch.manual_seed(0)
    layer, x = PointwiseConv2d(4, 3), torch.randn(2, 4, 8, 5)
    scale = torch.zeros(1, 3, 1, 1, requires_grad=True)
    weights = torch.randn(2, 3, 8, 5)
    (got,) = torch.autograd.grad((layer(x, scale) * weights).sum(), scale)
    torch.testing.assert_close(got.flatten(), (layer(x) * weights).sum((0, 2, 3)))


def test_a_graph_has_a_plain_convolution():
    layer, x = PointwiseConv2d(4, 6), torch.rand(1, 4, 16, 5)
    with torch.no_grad():
        program = torch.export.export(layer, (x,))
    assert {n.name for n in program.graph.nodes if n.op == "call_function"} == {"conv2d"}
    torch.testing.assert_close(program.module()(x), convolve_pointwise(x, layer.weight, layer.bias))
