from __future__ import annotations

import subprocess
import sys
import types
from datetime import timedelta

import pytest
import torch

from deweather.cli import train as verb
from deweather.errors import ConfigError
from deweather.weights.files import load_weights

from .conftest import write

RECIPE = """
name: trial
model: {name: stereoirr-tiny}
weather: {kind: haze}
data: {patch: 32, views: 2, layered_share: 1}
steps: 6
checkpoint_every: 2
"""


@pytest.fixture
def workshop(tmp_path):
    (tmp_path / "trial.yaml").write_text(RECIPE)
    for seed in range(2):
        write(tmp_path / f"data/mono/{seed}.png", seed, height=64, width=64)
    return tmp_path


class Calls(list):
    """Takes `stop_at`, the step at which the runs to come end."""


@pytest.fixture
def calls(monkeypatch):
    """What the verb asks the training room to do, instead of doing it."""
    made = Calls()

    def record(recipe, data, out, **options):
        made.append((recipe.name, data, out, options))
        out.mkdir(exist_ok=True)
        torch.save({"global_step": record.step}, out / "last.ckpt")
        return out / "weights.safetensors"

    record.step = 6
    stand_in = types.ModuleType("deweather.train.run")
    stand_in.train = record
    monkeypatch.setitem(sys.modules, "deweather.train.run", stand_in)
    monkeypatch.setattr(verb, "_log_to_terminal", lambda: None)
    made.stop_at = lambda step: setattr(record, "step", step)
    return made


def test_options_reach_the_run(run, workshop, calls):
    args = ("train", workshop / "trial.yaml", "--data", workshop / "data", "--out", workshop / "r")
    result = run(*args, "--device", "cpu", "--max-time", "1h30m", "--max-steps", 4, "--fresh")
    assert result.exit_code == 0
    assert result.stdout == f"{workshop}/r/weights.safetensors\n"
    assert result.stderr == ""
    assert run(*args).exit_code == 0
    (name, data, out, options), (*_, defaults) = calls
    assert (name, data, out) == ("trial", workshop / "data", workshop / "r")
    common = {"progress": False}
    expected = {"max_time": timedelta(minutes=90), "max_steps": 4, "resume": False}
    assert options == common | expected | {"accelerator": "cpu"}
    expected = {"max_time": None, "max_steps": None, "resume": True, "accelerator": "auto"}
    assert defaults == common | expected


@pytest.mark.parametrize(
    ("step", "options", "how"),
    [
        (4, ["--max-steps", 4], " with a larger --max-steps (or none)"),
        (4, ["--max-steps", 3], " with a larger --max-steps (or none)"),
        (2, ["--max-time", "1s", "--max-steps", 4], ""),
        (2, ["--max-time", "1s"], ""),
        (2, ["--max-time", "1s", "--fresh"], " without --fresh"),
        (
            4,
            ["--max-steps", 4, "--fresh"],
            " with a larger --max-steps (or none) and without --fresh",
        ),
    ],
)
def test_a_run_that_was_stopped_says_how_to_go_on(run, workshop, calls, step, options, how):
    calls.stop_at(step)
    args = ("train", workshop / "trial.yaml", "--data", workshop / "data", "--out", workshop / "r")
    result = run(*args, *options)
    assert result.exit_code == 0
    line = f"Stopped at step {step} of 6. To go on, give the same command again{how}.\n"
    assert result.stderr == line


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("1.5", 1.5), ("1h30m", 90), ("45m", 45), ("45min", 45), ("90s", 1.5)],
)
def test_durations(text, minutes):
    assert verb.parse_duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "0", "0m", "soon", "30m1h", "-5", "1h 30m"])
def test_no_durations(text):
    with pytest.raises(ConfigError, match="is no time"):
        verb.parse_duration(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": "gone.yaml"}, "cannot be read"),
        ({"--data": "gone"}, "does not exist"),
        ({"--max-time": "soon"}, "is no time"),
        ({"--max-steps": "0"}, "--max-steps"),
        ({"--device": "abacus"}, "expected one of"),
    ],
)
def test_wrong_usage(run, workshop, calls, monkeypatch, change, message):
    monkeypatch.chdir(workshop)
    options = {"--data": "data", "--out": "r"} | change
    recipe = options.pop("recipe", "trial.yaml")
    result = run("train", recipe, *(x for pair in options.items() for x in pair))
    assert result.exit_code == 2
    assert message in result.stderr
    assert calls == []


def test_a_missing_extra_is_named(run, workshop, calls, monkeypatch):
    monkeypatch.setattr(verb, "find_spec", lambda name: None)
    args = ("--data", workshop / "data", "--out", workshop / "r")
    result = run("train", workshop / "trial.yaml", *args)
    assert result.exit_code == 2
    assert "pip install 'deweather[train]'" in result.stderr


def test_a_run_trains_and_resumes(workshop):
    words = [sys.executable, "-m", "deweather", "train", "trial.yaml", "--data", "data"]
    words += ["--out", "r", "--device", "cpu", "--max-steps"]
    for steps in (2, 4):
        ran = subprocess.run(
            [*words, str(steps)], check=False, cwd=workshop, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.endswith("r/weights.safetensors\n")
        assert ran.stderr.endswith(
            f"Stopped at step {steps} of 6. To go on, give the same command again "
            "with a larger --max-steps (or none).\n"
        )
    _, header = load_weights(workshop / "r/weights.safetensors")
    assert (header.model, header.task) == ("stereoirr-tiny", "haze")
    assert "resuming" in ran.stderr  # Lightning says from which checkpoint it goes on
