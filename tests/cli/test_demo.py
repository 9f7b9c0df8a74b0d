from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from deweather.jobs import demo as jobs_demo
from deweather.metrics import REPORT, psnr

from .conftest import files, pixels


@pytest.fixture
def small(monkeypatch):
    """The demo's scenes reduced by cropping, which is quick."""
    scenes = jobs_demo.demo_scenes()
    crop = np.s_[..., 200:264, 300:396]
    cut = [jobs_demo.DemoScene(s.name, s.weather, s.truth[crop], s.seen[crop]) for s in scenes]
    monkeypatch.setattr(jobs_demo, "demo_scenes", lambda: cut)
    return cut


def test_the_demo_writes_sheets_and_scores(run, small, haze, rain, tmp_path):
    both = ("--weights", haze, "--weights", rain, "--device", "cpu")
    result = run("demo", "--out", tmp_path / "new/demo", *both, "--json")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert [(r["scene"], r["views"]) for r in rows] == [
        (name, views) for name in ("haze", "rain", "clear") for views in (1, 2)
    ]
    assert {r["protocol"] for r in rows} == {REPORT.of("psnr")}
    before = {(r["scene"], r["views"]): r["before"] for r in rows}
    assert before["clear", 1] == REPORT.cap
    assert before["haze", 2] == pytest.approx(float(psnr(small[0].seen, small[0].truth)), abs=1e-3)
    written = files(tmp_path / "new/demo")
    sheets = [name for name in written if "/" not in name]
    assert sheets == sorted(
        f"{n}{s}.png" for n in ("haze", "rain", "clear") for s in ("", "_stereo")
    )
    assert len(written) == 6 + 3 * 3 * 3
    assert pixels(tmp_path / "new/demo/haze.png").shape == (64 + 20, 96 * 3 + 8, 3)
    assert pixels(tmp_path / "new/demo/haze_stereo.png").shape == (2 * 64 + 24, 96 * 3 + 8, 3)
    after = pixels(tmp_path / "new/demo/pictures/rain_after_left.png")
    score = next(r["after"] for r in rows if (r["scene"], r["views"]) == ("rain", 2))
    right = pixels(tmp_path / "new/demo/pictures/rain_after_right.png")
    restored = torch.from_numpy(np.stack([after, right])).permute(0, 3, 1, 2)[None] / 255
    assert score == pytest.approx(float(psnr(restored, small[1].truth)), abs=1e-3)


def test_the_table_names_its_protocol(run, small, haze, rain, tmp_path):
    both = ("--weights", haze, "--weights", rain, "--device", "cpu")
    result = run("demo", "--out", tmp_path, *both)
    assert result.exit_code == 0
    assert f"Protocol: {REPORT.of('psnr')}; equal pictures get 100." in result.stdout
    assert " 100.00" in result.stdout


def test_the_demo_with_bundled_weights(run, small, tmp_path):
    assert run("demo", "--out", tmp_path).exit_code == 0


def test_a_missing_extra_is_named(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    result = run("demo", "--out", tmp_path / "demo")
    assert result.exit_code == 2
    assert "pip install 'deweather[demo]'" in result.stderr
    assert not (tmp_path / "demo").exists()
