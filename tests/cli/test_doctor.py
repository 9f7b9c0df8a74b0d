from __future__ import annotations

import json

import pytest
import torch

from deweather.inference import Restorer
from deweather.jobs import self_test
from deweather.weights import cards


def test_all_is_well(run):
    result = run("doctor", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0, report["checks"]
    assert report["ok"]
    assert report["versions"]["torch"] == torch.__version__
    assert {"python", "numpy", "Pillow", "OpenCV", "deweather"} <= report["versions"].keys()
    assert report["devices"][0].startswith("cpu")
    names = [check["name"] for check in report["checks"]]
    assert "weights stereoirr-small.rain" in names
    assert "restores a pair" in names


def test_missing_weights_are_found_out(run, tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "BUNDLED", tmp_path)
    result = run("doctor")
    assert result.exit_code == 1
    assert "FAILED     weights stereoirr-small.haze: " in result.stdout
    assert "FAILED     networks: " in result.stdout
    assert not json.loads(run("doctor", "--json").stdout)["ok"]


def test_a_missing_device_is_wrong_usage(run):
    result = run("doctor", "--device", "abacus")
    assert result.exit_code == 2


@pytest.fixture
def restorer(haze):
    return Restorer("haze", weights=haze, device="cpu")


@pytest.mark.parametrize("views", [1, 2])
def test_the_self_test_passes_a_sound_restorer(restorer, views):
    assert "finite, in range, repeatable" in self_test.restore_twice(restorer, views)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (lambda frames: frames[..., 1:], "the shape is"),
        (lambda frames: frames * torch.nan, "not finite"),
        (lambda frames: frames - 1, "beyond"),
        (lambda frames: frames * torch.rand(1), "two runs differ"),
    ],
)
def test_the_self_test_finds_a_broken_one(restorer, monkeypatch, broken, complaint):
    monkeypatch.setattr(Restorer, "restore", lambda self, frames: broken(frames))
    with pytest.raises(RuntimeError, match=complaint):
        self_test.restore_twice(restorer, views=1)


def test_the_synthetic_weather_is_always_the_same():
    first, second = self_test.synthetic_weather(2), self_test.synthetic_weather(2)
    assert first.shape == (1, 2, 3, 96, 128)
    assert torch.equal(first, second)
