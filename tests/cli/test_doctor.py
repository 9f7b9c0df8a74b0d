from __future__ import annotations

import json

import torch

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
