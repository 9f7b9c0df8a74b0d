"""Prepared networks: the same values of every kind and size; the network itself stays as it is."""

import pytest
import torch
from torch import nn

from deweather.errors import ConfigError
from deweather.models import create_model
from deweather.nn import inference, row_chunks
from deweather.nn.inference import FoldedNAFBlock, NarrowConvolution, prepared
from deweather.nn.naf import NAFBlock
from deweather.nn.pool import AveragePool

KINDS = {
    "local": ("stereoirr-small-local", {}),
    "global": ("stereoirr-tiny", {}),
    "odd": ("stereoirr-tiny-local", {"width": 5, "pool_window": 50, "encoder": [2, 1, 1]}),
    "scattering": ("stereoirr-tiny-local", {"output": "scattering"}),
}


def drawn(*shape, dtype=torch.float32):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def shaken(module):
    """A module of whose weights none is what it is in a fresh one, so that every factor shows."""
    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=draws))
    return module


def network_of(kind):
    name, switches = KINDS[kind]
    torch.manual_seed(0)
    return shaken(create_model(name, **switches)).to(memory_format=torch.channels_last)


@pytest.fixture
def low_chunks(monkeypatch):
    """Chunks of a few rows even of small maps."""
    monkeypatch.setitem(row_chunks._LIMIT, "cpu", 1 << 10)


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (2, 1, 48, 80), (1, 2, 64, 32), (2, 2, 16, 128)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_values(kind, shape, low_chunks):
    network = network_of(kind).eval()
    copy = prepared(network)
    frames = drawn(*shape[:2], 3, *shape[2:])
    with torch.inference_mode():
        expected, got = network(frames), copy(frames)
    assert (expected.image - frames).abs().max() > 0.05
    torch.testing.assert_close(got.image, expected.image, rtol=1e-5, atol=1e-5)
    assert got.auxiliary.keys() == expected.auxiliary.keys()
    assert ("airlight" in got.auxiliary) == (kind == "scattering")
    for name, value in expected.auxiliary.items():
        torch.testing.assert_close(got.auxiliary[name], value, rtol=1e-5, atol=1e-5)


def test_a_copy_is_of_the_same_kind_and_the_network_stays_as_it_is():
    network = network_of("local").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    copy = prepared(network)
    assert type(copy) is type(network)
    assert copy.needs == network.needs
    assert copy.config == network.config
    assert not copy.training
    assert not any(p.requires_grad for p in copy.parameters())
    assert network.training
    assert all(p.requires_grad for p in network.parameters())
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert any(p.any() for p in copy.parameters())  # no weights are shared


def test_every_slow_layer_is_replaced():
    kinds = [type(m) for m in prepared(network_of("scattering")).modules()]
    assert NAFBlock not in kinds
    assert kinds.count(FoldedNAFBlock) == 8
    assert kinds.count(NarrowConvolution) == 2  # transmission and residual


@pytest.mark.parametrize(
    "network",
    [
        create_model("psidnet-tiny"),
        create_model("stereoirr-tiny").double(),
        create_model("stereoirr-tiny").to("meta"),
        prepared(create_model("stereoirr-tiny")),
    ],
    ids=["no such blocks", "float64", "no CPU", "prepared"],
)
def test_others_come_back_themselves(network):
    assert prepared(network) is network


def test_a_copy_cannot_be_saved():
    with pytest.raises(ConfigError, match="save the one that it was made of"):
        prepared(create_model("stereoirr-tiny")).state_dict()


@pytest.mark.parametrize("window", [None, 20])
def test_a_block_in_double_precision(window, low_chunks):
    block = shaken(NAFBlock(6, AveragePool(window, 4))).double()
    x = drawn(2, 6, 40, 36, dtype=torch.float64)
    with torch.inference_mode():
        torch.testing.assert_close(FoldedNAFBlock(block)(x), block(x))


def test_without_onednn(monkeypatch):
    network, frames = network_of("local").eval(), drawn(1, 2, 3, 32, 48)
    with torch.inference_mode():
        expected = network(frames).image
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        got = prepared(network)(frames).image
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 5, 8, 3), (1, 5, 7, 9), (1, 5, 1, 2), (1, 5, 1, 1)])
@pytest.mark.parametrize("onednn", [True, False])
def test_pointwise_convolutions(shape, onednn, monkeypatch):
    torch.manual_seed(0)
    layer, total = nn.Conv2d(5, 5, 1), drawn(*shape).contiguous(memory_format=torch.channels_last)
    x = drawn(*shape).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        expected = layer(x)
        if not onednn:
            monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        got = inference._convolve(x, layer.weight, layer.bias)
        torch.testing.assert_close(got, expected)
        inference._add_convolved_(total, x, layer.weight, layer.bias)
        torch.testing.assert_close(total, x + expected)


@pytest.mark.parametrize("channels", [3, 64])
def test_normalised(channels):
    x = 5 + drawn(1, channels, 6, 7)
    expected = torch.nn.functional.layer_norm(x.movedim(1, -1), (channels,), eps=1e-6)
    got = inference._normalised(x, 1e-6).movedim(1, -1)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_flat_pixels_stay_finite():
    assert not inference._normalised(torch.full((1, 8, 2, 2), 1e3), 1e-6).any()


@pytest.mark.parametrize("width", [4, 8, 10])
@pytest.mark.parametrize("bias", [True, False])
def test_narrow_convolutions(width, bias):
    torch.manual_seed(0)
    layer = nn.Conv2d(7, 3, 3, padding=1, bias=bias)
    x = drawn(2, 7, 5, width)
    with torch.no_grad():
        torch.testing.assert_close(NarrowConvolution(layer)(x), layer(x))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 3, 3, padding=2, dilation=2),
        nn.Conv2d(8, 3, 3, padding=1, stride=2),
        nn.Conv2d(9, 3, 3, padding=1, groups=3),
        nn.Conv2d(8, 3, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(8, 3, 3),
        nn.Conv2d(8, 3, 1, padding=1),
        nn.Conv2d(8, 5, 3, padding=1),
    ],
)
def test_other_convolutions_are_kept(layer):
    assert not inference._is_narrow(layer)
