"""Making networks by name, and the switches that their variants take."""

import subprocess
import sys

import pytest

from deweather.errors import ConfigError, UnknownNameError
from deweather.models import NETWORKS, Network, create_model, list_models


def test_every_listed_variant_belongs_to_a_listed_network():
    names = list_models()
    assert len(names) == len(set(names)) > 0
    assert {name.split("-")[0] for name in names} == set(NETWORKS)


def test_every_variant_builds_on_the_meta_device():
    import torch

    for name in list_models():
        with torch.device("meta"):
            network = create_model(name)
        assert isinstance(network, Network)
        assert network.needs.minimum >= network.needs.multiple >= 1


@pytest.mark.parametrize("name", ["stereoir", "stereoirr-smal", "", "psidnet2"])
def test_unknown_variants_list_the_valid_ones(name):
    with pytest.raises(UnknownNameError) as caught:
        create_model(name)
    assert repr(name) in str(caught.value)
    assert all(valid in str(caught.value) for valid in list_models())


@pytest.mark.parametrize("name", [3, None])
def test_names_that_are_no_text_list_the_valid_ones(name):
    with pytest.raises(ConfigError, match=rf"model {name}; give a name.*psidnet-tiny"):
        create_model(name)


def test_unknown_switches_list_the_valid_ones_and_hint():
    with pytest.raises(UnknownNameError, match=r"'widht'.*'width'.*encoder.*pool_window"):
        create_model("stereoirr-tiny", widht=8)


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("width", "16"),
        ("width", 16.5),
        ("width", True),
        ("width", None),
        ("encoder", 3),
        ("encoder", (1, "1", 1)),
        ("gate_expansion", "wide"),
        ("pool_window", 12.5),
        ("pool_window", "128"),
    ],
)
def test_switches_of_the_wrong_kind_name_switch_and_value(switch, value):
    with pytest.raises(ConfigError) as caught:
        create_model("stereoirr-tiny", **{switch: value})
    assert switch in str(caught.value)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    "switches",
    [
        {"width": 0},
        {"middle": -1},
        {"encoder": (1, 1)},
        {"encoder": (), "decoder": ()},
        {"decoder": (1, -1, 1)},
        {"gate_expansion": -0.5},
        {"gate_expansion": float("nan")},
        {"gate_expansion": float("inf")},
        {"attention_from": -1},
        {"pool_window": 0},
    ],
)
def test_switches_out_of_range_are_refused(switches):
    with pytest.raises(ConfigError):
        create_model("stereoirr-tiny", **switches)


def test_switches_change_the_network_and_leave_the_variant():
    network = create_model("stereoirr-tiny", width=4, gate_expansion=1, encoder=[1, 0, 1])
    assert network.config.width == 4
    assert network.config.encoder == (1, 0, 1)
    assert network.config.decoder == create_model("stereoirr-tiny").config.decoder
    assert create_model("stereoirr-tiny").config.width != 4


def test_pool_window_takes_pixels_or_none():
    assert create_model("stereoirr-tiny", pool_window=64).config.pool_window == 64
    assert create_model("stereoirr-tiny-local", pool_window=None).needs.tile_overlap is None


def test_listing_the_room_imports_no_network():
    code = (
        "import sys, deweather.models; "
        "assert not [m for m in sys.modules if m.startswith('deweather.models.stereo')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
