"""`deweather evaluate`: scores that follow from the files, and what it refuses."""

from __future__ import annotations

import json

import pytest
import torch

from deweather.image.frames import to_frames
from deweather.metrics import psnr

from .conftest import pixels, write


def pairs(root, count=3):
    for number in range(count):
        write(root / "hazy" / f"{number}.png", seed=number)
        write(root / "clean" / f"{number}.png", seed=10 + number)
    return root


def test_scores_are_those_of_what_restore_writes(run, tmp_path, haze):
    data = pairs(tmp_path / "data")
    common = ["--weather", "haze", "--weights", haze, "--device", "cpu"]
    result = run("evaluate", data, "--layout", "paired", "--json", *common)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["protocol"] == "psnr_rgb_uint8_rounded"
    assert run("restore", data / "hazy", "--out", tmp_path / "out", *common).exit_code == 0
    for number, score in enumerate(found["samples"]):
        name = f"{number}.png"
        truth = to_frames([pixels(data / "clean" / name)])
        for key, file in (("before", data / "hazy" / name), ("after", tmp_path / "out" / name)):
            expected = float(psnr(to_frames([pixels(file)]), truth))
            assert score[key] == pytest.approx(expected, abs=1e-9)
    means = torch.tensor([[s["before"], s["after"]] for s in found["samples"]]).mean(0)
    assert [found["before"], found["after"]] == pytest.approx(means.tolist(), abs=1e-4)


def test_the_table_shows_the_mean_and_what_gained_least(run, tmp_path, haze):
    data = pairs(tmp_path, count=12)
    result = run(
        "evaluate", data, "--layout", "paired", "--weather", "haze", "--weights", haze,
        "--device", "cpu",
    )  # fmt: skip
    lines = [line.split() for line in result.stdout.splitlines() if line.strip()]
    assert result.stdout.splitlines()[0].endswith("12 samples, psnr_rgb_uint8_rounded in dB")
    rows = [row for row in lines if len(row) == 4 and row[3][0] in "+-"]
    assert rows[0][0] == "mean"
    gains = [float(row[3]) for row in rows[1:]]
    assert len(gains) == 10
    assert gains == sorted(gains)


def test_equal_pictures_score_100_so_that_means_stay_finite(run, tmp_path):
    for role in ("hazy", "clean"):
        write(tmp_path / role / "0.png", seed=1)
    result = run("evaluate", tmp_path, "--layout", "paired", "--json", "--device", "cpu")
    (score,) = json.loads(result.stdout)["samples"]
    assert score["before"] == 100
    assert 20 < score["after"] <= 100


def test_sets_without_truth_are_refused(run, tmp_path):
    write(tmp_path / "0.png")
    result = run("evaluate", tmp_path, "--layout", "clear")
    assert result.exit_code == 2
    assert "layout 'clear' has no degraded pictures" in result.stderr
