"""Linear layers over the channels of tokens, as convolutions and as products."""

import pytest
import torch
import torch.nn.functional as F

from deweather.nn.pointwise import Pointwise, pointwise


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
