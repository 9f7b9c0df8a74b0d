"""Importing files with authors' checkpoints: never any code, and a card beside the weights."""

import hashlib
import os
import tomllib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from deweather.errors import ConfigError, UnknownNameError, WeightsError
from deweather.inference import Restorer
from deweather.weights.authors import from_authors
from deweather.weights.cards import Card, Data, Origin, write_card
from deweather.weights.files import load_weights
from deweather.weights.imported import _text, import_weights, read_checkpoint

from . import authors


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint and what is imported from it."""
    folder = tmp_path_factory.mktemp("import")
    state = {f"module.{k}": t for k, t in authors.psidnet().items()}
    torch.save({"model": state, "epoch": 3, "optimal": np.float64(29.5)}, folder / "latest.pth")
    import_weights(folder / "latest.pth", folder / "made" / "net.released.safetensors")
    return folder


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_file_says_what_it_is_and_restores(folder):
    path = folder / "made" / "net.released.safetensors"
    network, header = load_weights(path)
    assert (header.model, header.task, header.switches) == (
        "psidnet",
        "haze",
        {"as_released": True},
    )
    expected = from_authors("psidnet", authors.psidnet()).state_dict()
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, expected[key])
    pictures = [np.random.default_rng(i).integers(0, 256, (13, 21, 3), np.uint8) for i in (0, 1)]
    restorer = Restorer("haze", weights=path, device="cpu")
    left, right = restorer.restore_pair(*pictures)
    assert left.shape == right.shape == (13, 21, 3)
    assert restorer.restore(pictures[0]).dtype == np.uint8


def test_the_card_says_where_it_comes_from(folder):
    path, source = folder / "made" / "net.released.safetensors", folder / "latest.pth"
    card = Card(**tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8")))
    assert card.name == "net.released"
    assert (card.sha256, card.size) == (sha256(path), path.stat().st_size)
    assert card.parameters == sum(t.numel() for t in load_weights(path)[0].parameters())
    assert card.origin.file == "latest.pth"
    assert (card.origin.sha256, card.origin.size) == (sha256(source), source.stat().st_size)
    assert card.origin.behaviour == "as released"
    assert card.scores == []


def test_nothing_is_replaced_unless_asked(folder):
    source = folder / "latest.pth"
    path, card = folder / "b.safetensors", folder / "b.toml"
    card.write_text("mine")
    with pytest.raises(ConfigError, match=r"b\.toml: exists"):
        import_weights(source, path)
    assert not path.exists()
    import_weights(source, path, as_released=False, overwrite=True)
    assert tomllib.loads(card.read_text())["origin"]["behaviour"] == "corrected"
    assert not load_weights(path)[0].config.as_released
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"b\.safetensors: exists"):
        import_weights(source, path)
    assert path.read_bytes() == before
    with pytest.raises(ConfigError, match=r"ends in \.safetensors"):
        import_weights(source, folder / "b.pth")
    with pytest.raises(UnknownNameError):
        import_weights(source, folder / "c.safetensors", name="psid")
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == [
        "b.safetensors",
        "b.toml",
        "latest.pth",
    ]


def make_card(origin):
    return Card(
        name="a",
        task="haze",
        sha256="0",
        size=1,
        parameters=1,
        licence="b",
        recipe="c",
        commit="d",
        training="e",
        limits=["f", 'g "h"'],
        data=Data(sets=[], licences="i", weather="j"),
        scores=[],
        origin=origin,
    )


class Code:
    """Makes a folder when it is unpickled, if code is run."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_file_is_not_run(tmp_path):
    torch.save({"model": Code(tmp_path / "harm")}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=r"a\.pth: cannot be read as a checkpoint"):
        read_checkpoint(tmp_path / "a.pth")
    assert not (tmp_path / "harm").exists()


def test_files_that_are_no_checkpoints_say_why(tmp_path):
    with pytest.raises(WeightsError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "none.pth")
    for name, data in {
        "empty.pth": b"",
        "junk.pth": b"PK\x03\x04junk",
        "text.pth": b"x = 1",
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WeightsError, match=name):
            read_checkpoint(tmp_path / name)
    torch.save(torch.zeros(2), tmp_path / "tensor.pth")
    with pytest.raises(WeightsError, match="holds a Tensor"):
        read_checkpoint(tmp_path / "tensor.pth")


def test_what_does_not_fit_names_the_file(folder, tmp_path):
    with pytest.raises(WeightsError, match=r"latest\.pth: the keys are those of psidnet"):
        import_weights(folder / "latest.pth", tmp_path / "a.safetensors", name="kanet")
    assert not list(tmp_path.iterdir())


def test_safetensors_are_read_but_not_those_of_this_package(folder, tmp_path):
    save_file(authors.psidnet(), tmp_path / "a.safetensors")
    card = import_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert card.origin.file == "a.safetensors"
    with pytest.raises(ConfigError, match=r"b\.safetensors: is a weights file of this package"):
        read_checkpoint(tmp_path / "b.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(WeightsError, match=r"junk\.safetensors: cannot be read"):
        read_checkpoint(tmp_path / "junk.safetensors")


def test_numpy_scalars_beside_the_parameters_are_read(tmp_path):
    scalars = {"a": np.float64(1.5), "b": np.float32(2.5), "c": np.int64(3)}
    torch.save({"net": {"w": torch.ones(2)}, **scalars}, tmp_path / "a.pth")
    read = read_checkpoint(tmp_path / "a.pth")
    assert {k: read[k] for k in scalars} == scalars


@pytest.mark.parametrize("name", ['a "quoted" \x7f\n näme.pth', "back\\slash", "\udc80.pth"])
def test_names_of_files_survive_in_the_card(tmp_path, name):
    origin = Origin(file=_text(name), sha256="0", size=1, behaviour="corrected")
    write_card(tmp_path / "a.toml", make_card(origin))
    card = Card(**tomllib.loads((tmp_path / "a.toml").read_text(encoding="utf-8")))
    assert card == make_card(origin)
    assert card.origin.file == name.replace("\udc80", "\\udc80")
