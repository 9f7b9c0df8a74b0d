"""`deweather evaluate`: scores that follow from the files, and what it refuses."""

from __future__ import annotations

import json

import pytest
import torch

from deweather.image.frames import to_frames
from deweather.metrics import psnr, ssim

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
    assert (found["protocol"], found["weather"]) == ("rgb_uint8_rounded", "haze")
    assert found["failed"] == []
    assert run("restore", data / "hazy", "--out", tmp_path / "out", *common).exit_code == 0
    for number, score in enumerate(found["samples"]):
        name = f"{number}.png"
        truth = to_frames([pixels(data / "clean" / name)])
        for way, file in (("before", data / "hazy" / name), ("after", tmp_path / "out" / name)):
            picture = to_frames([pixels(file)])
            for metric in (psnr, ssim):
                expected = float(metric(picture, truth))
                assert score[metric.__name__][way] == pytest.approx(expected, abs=1e-9)
    means = torch.tensor(
        [[s["psnr"]["before"], s["psnr"]["after"]] for s in found["samples"]]
    ).mean(0)
    assert list(found["mean"]["psnr"].values()) == pytest.approx(means.tolist(), abs=1e-4)


def test_the_table_shows_the_mean_and_what_gained_least(run, tmp_path, haze):
    data = pairs(tmp_path, count=12)
    result = run(
        "evaluate", data, "--layout", "paired", "--weather", "haze", "--weights", haze,
        "--device", "cpu", "--protocol", "y_studio",
    )  # fmt: skip
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines() if line.strip()]
    assert "12 samples, protocol y_studio: luma of BT.601" in result.stdout.splitlines()[0]
    rows = [row for row in lines if len(row) == 6 and row[3][0] in "+-"]
    assert rows[0][0] == "mean"
    gains = [float(row[3]) for row in rows[1:]]
    assert len(gains) == 10
    assert gains == sorted(gains)


def test_equal_pictures_score_100_so_that_means_stay_finite(run, tmp_path):
    for role in ("hazy", "clean"):
        write(tmp_path / role / "0.png", seed=1)
    result = run("evaluate", tmp_path, "--layout", "paired", "--json", "--device", "cpu")
    (score,) = json.loads(result.stdout)["samples"]
    assert score["psnr"]["before"] == 100
    assert score["ssim"]["before"] == 1
    assert 20 < score["psnr"]["after"] <= 100


def test_bad_samples_are_named_and_the_rest_is_scored(run, tmp_path, haze):
    data = pairs(tmp_path, count=3)
    (data / "hazy/1.png").write_bytes(b"no picture")
    (data / "clean/2.png").unlink()
    common = ["--weather", "haze", "--weights", haze, "--device", "cpu"]
    result = run("evaluate", data, "--layout", "paired", "--json", *common)
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert [s["id"] for s in found["samples"]] == ["0"]
    assert [f["id"] for f in found["failed"]] == ["1", "hazy/2.png"]
    assert "failed: 1: " in result.stderr
    assert "hazy/2.png: no clean picture" in result.stderr
    assert result.stderr.endswith("1 scored, 2 failed\n")


def test_nothing_that_can_be_scored_is_no_crash(run, tmp_path, haze):
    data = pairs(tmp_path, count=1)
    (data / "hazy/0.png").write_bytes(b"")
    result = run("evaluate", data, "--layout", "paired", "--weights", haze, "--weather", "haze")
    assert result.exit_code == 1
    assert result.stderr.endswith("0 scored, 1 failed\n")


def test_unknown_protocols_are_answered_with_the_nearest(run, tmp_path):
    result = run("evaluate", pairs(tmp_path), "--layout", "paired", "--protocol", "y_studo")
    assert result.exit_code == 2
    assert "Did you mean 'y_studio'" in result.stderr


def test_sets_without_truth_are_refused(run, tmp_path):
    write(tmp_path / "0.png")
    result = run("evaluate", tmp_path, "--layout", "clear")
    assert result.exit_code == 2
    assert "layout 'clear' has no degraded pictures" in result.stderr
