import hashlib

import pytest
import torch
from safetensors.torch import save_file

from deweather.errors import UnknownNameError, WeightsError
from deweather.models import create_model
from deweather.weights.cards import BUNDLED, find_weights, list_weights, read_card
from deweather.weights.files import load, load_weights, read_header, save_weights


@pytest.fixture
def network():
    torch.manual_seed(0)
    return create_model("stereoirr-tiny")


def write(path, network, **kwargs):
    save_weights(path, network, model="stereoirr-tiny", switches={}, task="rain", **kwargs)


def test_round_trip_is_exact(network, tmp_path):
    path = tmp_path / "a.safetensors"
    write(path, network)
    again, header = load_weights(path)
    assert header.task == "rain"
    assert not again.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_half_precision_halves_the_file(network, tmp_path):
    full, half = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    write(full, network)
    write(half, network, dtype=torch.float16)
    assert half.stat().st_size < 0.52 * full.stat().st_size
    again = load(half)
    for name, tensor in network.state_dict().items():
        assert torch.allclose(tensor, again.state_dict()[name], rtol=1e-3, atol=1e-7)
        assert again.state_dict()[name].dtype == torch.float32


def test_switches_travel_in_the_file(tmp_path):
    switches = {"pool_window": 64}
    network = create_model("stereoirr-tiny", **switches)
    path = tmp_path / "a.safetensors"
    save_weights(path, network, model="stereoirr-tiny", switches=switches, task="rain")
    assert load(path).needs.tile_overlap is not None


def test_a_failed_write_leaves_the_old_file(network, tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    write(path, network)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write(path, create_model("stereoirr-tiny"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_cannot_be_used_say_why(network, tmp_path):
    with pytest.raises(WeightsError, match="no such"):
        read_header(tmp_path / "none.safetensors")
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"\x80\x02}q\x00." * 9)
    with pytest.raises(WeightsError, match="junk"):
        read_header(junk)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(WeightsError, match="which network"):
        read_header(foreign)
    other = tmp_path / "other.safetensors"
    save_weights(other, network, model="stereoirr-small", switches={}, task="rain")
    with pytest.raises(WeightsError, match="does not fit stereoirr-small"):
        load_weights(other)
    cut = tmp_path / "cut.safetensors"
    write(cut, network)
    cut.write_bytes(cut.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="cut"):
        load_weights(cut)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ('{"model": "stereoirr-tiny"}', "damaged header"),
        ('{"model": 3, "switches": {}, "task": "rain"}', "damaged header"),
        ('{"model": "stereoirr-tiny", "switches": [], "task": "rain"}', "damaged header"),
        ('{"model": "stereoirr-huge", "switches": {}, "task": "rain"}', "another version.*-huge"),
        (
            '{"model": "stereoirr-tiny", "switches": {"a": 1}, "task": "rain"}',
            "another version.*'a'",
        ),
    ],
)
def test_headers_that_cannot_be_followed_name_the_file(tmp_path, header, why):
    path = tmp_path / "odd.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"deweather": header})
    with pytest.raises(WeightsError, match=rf"odd\.safetensors: .*{why}"):
        load(path)


def test_an_authors_file_is_sent_to_the_import(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "latest.pth")
    with pytest.raises(WeightsError, match=r"latest\.pth: .*deweather weights import FILE"):
        load(tmp_path / "latest.pth")


def test_a_network_without_weights_is_no_unknown_name():
    with pytest.raises(WeightsError, match=r"no weights are bundled.*create_model\('psidnet'\)"):
        load("psidnet")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'stereoirr-small\.rain'"):
        load("stereoirr-small")


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(UnknownNameError, match=r"stereoirr-small\.rain"):
        find_weights("stereoirr-small.rainn")
    with pytest.raises(WeightsError, match="no such weights file"):
        find_weights("some/where.safetensors")
    with pytest.raises(UnknownNameError, match="x" * 300):
        find_weights("x" * 300)


def test_rain_and_haze_are_bundled():
    tasks = {read_card(name).task for name in list_weights()}
    assert tasks == {"haze", "rain"}


@pytest.mark.parametrize("name", list_weights())
def test_bundled_weights_match_their_card(name):
    card, path = read_card(name), BUNDLED / f"{name}.safetensors"
    data = path.read_bytes()
    assert card.name == name
    assert hashlib.sha256(data).hexdigest() == card.sha256
    assert len(data) == card.size < 6 * 2**20
    network, header = load_weights(path)
    assert header.task == card.task
    assert sum(p.numel() for p in network.parameters()) == card.parameters
    assert card.scores
    assert all(s.protocol and s.set for s in card.scores)
    assert card.limits
    assert card.data.licences


def test_a_damaged_bundled_file_is_noticed(tmp_path, monkeypatch):
    name = list_weights()[0]
    for suffix in (".toml", ".safetensors"):
        (tmp_path / f"{name}{suffix}").write_bytes((BUNDLED / f"{name}{suffix}").read_bytes())
    monkeypatch.setattr("deweather.weights.cards.BUNDLED", tmp_path)
    file = tmp_path / f"{name}.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(WeightsError, match="card"):
        find_weights(name)
