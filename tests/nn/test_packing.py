"""Packed networks: the same values, other sizes too; the network itself stays as it is."""

import pytest
import torch
from torch import nn

from deweather.errors import ConfigError
from deweather.models import create_model
from deweather.nn.packing import PackedConvolution, packed
from deweather.nn.pointwise import Pointwise

needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN"
)


def drawn(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@needs_onednn
@pytest.mark.parametrize("name", ["kanet-tiny", "apanet-tiny", "psidnet-tiny", "dcmpnet-tiny"])
def test_the_same_values_at_any_size(name):
    torch.manual_seed(1)
    network = create_model(name).eval().to(memory_format=torch.channels_last)
    copy = packed(network, drawn(1, 1, 3, 64, 64))
    assert any(isinstance(m, PackedConvolution) for m in copy.modules())
    assert not any(isinstance(m, PackedConvolution) for m in network.modules())
    with torch.inference_mode():
        for shape in ((1, 1, 3, 64, 64), (2, 1, 3, 64, 128)):
            x = drawn(*shape)
            torch.testing.assert_close(copy(x).image, network(x).image, rtol=1e-5, atol=1e-5)


@needs_onednn
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.Conv2d(16, 16, 3, padding=3, dilation=3, bias=False),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
    ],
    ids=["strided", "dilated", "depthwise"],
)
def test_layers(layer):
    x = drawn(1, 16, 24, 40).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.testing.assert_close(PackedConvolution(layer, tuple(x.shape))(x), layer(x))


@needs_onednn
def test_tokens():
    layer, x = Pointwise(16, 24), drawn(1, 12, 20, 16)
    with torch.inference_mode():
        torch.testing.assert_close(PackedConvolution(layer, (1, 16, 12, 20))(x), layer(x))


@needs_onednn
def test_what_cannot_be_packed_or_saved_says_so():
    network, x = create_model("kanet-tiny"), drawn(1, 1, 3, 64, 64)
    copy = packed(network, x)
    with pytest.raises(ConfigError, match="cannot be saved"):
        copy.state_dict()
    with pytest.raises(ConfigError, match="packed already"):
        packed(copy, x)
    with pytest.raises(ConfigError, match=r"float64 on cpu; .*network\.float\(\)\.cpu\(\)"):
        packed(network.double(), x.double())


def test_without_onednn_the_weights_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    copy = packed(create_model("kanet-tiny"), drawn(1, 1, 3, 64, 64))
    assert not any(isinstance(m, PackedConvolution) for m in copy.modules())
    assert not copy.training
