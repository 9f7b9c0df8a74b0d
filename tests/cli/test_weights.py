"""Some of these look at the bundled weights."""

from __future__ import annotations

import json

import pytest

from deweather.weights import cards, list_weights

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


def test_unknown_names_are_wrong_usage(run, shelf):
    result = run("weights", "show", "net-smal.haze")
    assert result.exit_code == 2
    assert "Did you mean 'net-small.haze'?" in result.stderr


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
