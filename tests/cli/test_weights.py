"""Some of these look at the bundled weights."""

from __future__ import annotations

import hashlib
import json

import pytest

from deweather.weights import cards, list_weights
from deweather.weights.files import save_weights

from .conftest import make_weights

CARD = """
name = "{name}"
task = "haze"
sha256 = "00"
size = 5000000
parameters = 2272723
licence = "CC BY 4.0"
recipe = "recipes/some.yaml"
commit = "abc"
training = "4600 steps"
limits = ["Sees no snow."]
[data]
sets = ["photographs"]
licences = "CC0"
weather = "made on the fly"
[[scores]]
set = "held back"
protocol = "psnr_rgb_uint8_rounded"
pictures = 12
before = 14.5
after = 21.25
"""


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    (tmp_path / "net-small.haze.toml").write_text(CARD.format(name="net-small.haze"))
    monkeypatch.setattr(cards, "BUNDLED", tmp_path)
    return tmp_path


def test_the_list_shows_scores_with_protocol_licence_and_limits(run, shelf):
    result = run("weights")
    assert result.exit_code == 0
    for text in ("net-small.haze", "2,272,723", "4.8", "CC BY 4.0", "held back", "14.50", "21.25"):
        assert text in result.stdout
    for text in ("+6.75", "psnr_rgb_uint8_rounded", "Sees no snow."):
        assert text in result.stdout


def test_show_prints_the_card(run, shelf):
    result = run("weights", "show", "net-small.haze")
    assert result.exit_code == 0
    for text in ("sha256:", "recipes/some.yaml at abc", "photographs", "CC0", "Sees no snow."):
        assert text in result.stdout


def test_json(run, shelf):
    (card,) = json.loads(run("weights", "--json").stdout)
    assert card["scores"][0]["after"] == 21.25
    assert json.loads(run("weights", "show", "net-small.haze", "--json").stdout) == card


def test_json_before_the_command_is_not_ignored(run, shelf):
    result = run("weights", "--json", "show", "net-small.haze")
    assert result.exit_code == 2
    assert "after the command" in result.stderr


def test_unknown_names_are_wrong_usage(run, shelf):
    result = run("weights", "show", "net-smal.haze")
    assert result.exit_code == 2
    assert "Did you mean 'net-small.haze'?" in result.stderr


def test_show_reads_a_file(run, tmp_path):
    path = make_weights(tmp_path, "rain")
    result = run("weights", "show", path)
    assert result.exit_code == 0
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    size = f"{path.stat().st_size:,} bytes"
    shown = dict(line.split(None, 1) for line in result.stdout.splitlines())
    assert shown == {
        "file:": str(path),
        "model:": "stereoirr-tiny",
        "switches:": "{}",
        "task:": "rain",
        "size:": size,
        "sha256:": checksum,
        "card:": "there is no card beside it",
    }
    found = json.loads(run("weights", "show", path, "--json").stdout)
    assert (found["sha256"], found["size"], found["card"]) == (checksum, path.stat().st_size, None)


def test_show_tells_the_switches_of_a_file(run, tmp_path):
    import torch

    switches = {"pool_window": 80}
    path = tmp_path / "a.safetensors"
    save_weights(path, torch.nn.Linear(1, 1), model="stereoirr", switches=switches, task="rain")
    assert json.loads(run("weights", "show", path, "--json").stdout)["switches"] == switches
    assert 'switches:      {"pool_window": 80}' in run("weights", "show", path).stdout


def test_show_adds_the_card_of_that_very_file(run, tmp_path):
    path = make_weights(tmp_path, "haze")
    text = CARD.format(name="mine")
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "haze.toml").write_text(text.replace('"00"', f'"{checksum}"'))
    shown = run("weights", "show", path).stdout
    assert "model:         stereoirr-tiny" in shown
    assert "recipes/some.yaml at abc" in shown
    assert "Sees no snow." in shown
    assert json.loads(run("weights", "show", path, "--json").stdout)["card"]["name"] == "mine"


def test_show_adds_a_card_of_other_keys(run, tmp_path):
    path = make_weights(tmp_path, "haze")
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    card = f'sha256 = "{checksum}"\norigin = "a lab"\nday = 2024-05-01\nsets = ["one"]\n'
    (tmp_path / "haze.toml").write_text(card)
    _, shown = run("weights", "show", path).stdout.split("\n\n")
    assert [line.split(None, 1) for line in shown.splitlines()] == [
        ["sha256:", checksum],
        ["origin:", "a lab"],
        ["day:", "2024-05-01"],
        ["sets:", '["one"]'],
    ]
    found = json.loads(run("weights", "show", path, "--json").stdout)
    assert found["card"]["day"] == "2024-05-01"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (CARD.format(name="x"), "is not the card of this file: the sha256 that it states is 00"),
        ('name = "x"', "is not the card of this file: the sha256 that it states is none"),
        ("name = ", "haze.toml cannot be read as TOML"),
    ],
)
def test_show_says_why_a_card_is_not_shown(run, tmp_path, text, why):
    path = make_weights(tmp_path, "haze")
    (tmp_path / "haze.toml").write_text(text)
    result = run("weights", "show", path)
    assert result.exit_code == 0
    assert why in result.stdout
    assert "Sees no snow." not in result.stdout
    found = json.loads(run("weights", "show", path, "--json").stdout)
    assert found["card"] is None
    assert why in found["note"]


def test_show_refuses_other_files(run, tmp_path):
    (tmp_path / "a.txt").write_text("no weights")
    reasons = {
        "a.txt": "not a safetensors file",
        "gone.safetensors": "no such weights",
        "n" * 300: "n" * 300,  # the reason is worded by the Python version
    }
    for name, why in reasons.items():
        result = run("weights", "show", tmp_path / name)
        assert result.exit_code == 2
        assert why in result.stderr
        assert result.stdout == ""


def test_an_empty_shelf_is_said(run, tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "BUNDLED", tmp_path)
    result = run("weights")
    assert result.exit_code == 0
    assert "No weights are bundled" in result.stdout
    assert json.loads(run("weights", "--json").stdout) == []


def test_bundled_weights_are_listed(run):
    shown = {card["name"]: card for card in json.loads(run("weights", "--json").stdout)}
    assert {"stereoirr-small.rain", "stereoirr-small.haze"} <= shown.keys()
    assert list(shown) == list_weights()
    for card in shown.values():
        assert card["scores"]
        assert card["limits"]
        assert card["licence"]
