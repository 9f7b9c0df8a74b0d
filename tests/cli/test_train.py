from __future__ import annotations

import subprocess
import sys
import types
from collections import namedtuple
from datetime import timedelta
from pathlib import Path

import pytest
import torch

from deweather.cli import train as verb
from deweather.errors import ConfigError
from deweather.train.recipe import schema
from deweather.weights.files import load_weights

from .conftest import write

RECIPE = """
name: trial
model: {name: stereoirr-tiny}
weather: {kind: haze}
data: {patch: 32, batch_pictures: 2, layered_share: 1}
steps: 6
checkpoint_every: 2
"""


@pytest.fixture
def workshop(tmp_path):
    (tmp_path / "trial.yaml").write_text(RECIPE)
    for seed in range(2):
        write(tmp_path / f"data/mono/{seed}.png", seed, height=64, width=64)
    return tmp_path


Machine = namedtuple("Machine", "accelerator devices nodes workers sharded")


class Calls(list):
    """Takes `stop_at`, the step at which the runs to come end."""


@pytest.fixture
def calls(monkeypatch):
    """What the verb asks the training room to do, instead of doing it."""
    made = Calls()

    def record(recipe, data, out, **options):
        made.append((recipe, data, out, options))
        out.mkdir(exist_ok=True, parents=True)
        torch.save({"loop": {"step": record.step}}, out / "last.ckpt")
        return out / "weights.safetensors"

    record.step = 6
    stand_in = types.ModuleType("deweather.train.run")
    stand_in.train = record
    stand_in.Machine = Machine
    monkeypatch.setitem(sys.modules, "deweather.train.run", stand_in)
    monkeypatch.setattr(verb, "_log_to_terminal", lambda level: None)
    made.stop_at = lambda step: setattr(record, "step", step)
    return made


def test_options_reach_the_run(run, workshop, calls):
    args = ("train", workshop / "trial.yaml", "--data", workshop / "data", "--out", workshop / "r")
    result = run(*args, "--device", "cpu", "--max-time", "1h30m", "--max-steps", 4, "--fresh")
    assert result.exit_code == 0
    assert result.stdout == f"{workshop}/r/weights.safetensors\n"
    assert result.stderr == ""
    assert (
        run(*args, "--resume", "--devices", 2, "--nodes", 3, "--workers", 4, "--sharded").exit_code
        == 0
    )
    (recipe, data, out, options), (*_, others) = calls
    assert (recipe.name, data, out) == ("trial", workshop / "data", workshop / "r")
    common = {"progress": False}
    expected = {"max_time": timedelta(minutes=90), "max_steps": 4, "resume": False}
    assert options == common | expected | {"machine": Machine("cpu", 1, 1, None, False)}
    expected = {"max_time": None, "max_steps": None, "resume": True}
    assert others == common | expected | {"machine": Machine("auto", 2, 3, 4, True)}


def test_data_and_folder_of_the_run_may_be_left_to_the_recipe(run, workshop, calls, monkeypatch):
    monkeypatch.chdir(workshop)
    assert run("train", "trial.yaml").exit_code == 0
    ((_, data, out, _),) = calls
    assert data is None
    assert out == Path("runs/trial")


def test_keys_of_the_recipe_can_be_set(run, workshop, calls):
    args = ("train", workshop / "trial.yaml", "--set", "optimizer.rate=3e-4", "--set", "name=7")
    assert run(*args, "--out", workshop / "r").exit_code == 0
    ((recipe, *_),) = calls
    assert (recipe.optimizer.rate, recipe.name) == (3e-4, "7")
    result = run("train", workshop / "trial.yaml", "--set", "data.pach=3")
    assert result.exit_code == 2
    assert "data.pach: unknown key; did you mean 'patch'" in result.stderr


def test_the_schema_needs_no_recipe(run):
    result = run("train", "--schema")
    assert result.exit_code == 0
    assert result.stdout == schema()


def test_only_the_first_of_several_processes_speaks(run, workshop, calls, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    result = run("train", workshop / "trial.yaml", "--out", workshop / "r")
    assert result.exit_code == 0
    assert result.stdout + result.stderr == ""
    assert len(calls) == 1


def test_a_dry_run_prints_the_plan_and_writes_nothing(run, workshop):
    args = ("train", workshop / "trial.yaml", "--data", workshop / "data", "--out", workshop / "r")
    result = run(*args, "--device", "cpu", "--dry-run")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("trial: stereoirr-tiny, 0.34 M parameters trained, loss charbonnier")
    assert lines[1] == "data: 2 photographs and 0 pairs for weather"
    assert "from step 0 2 pictures of 32 pixels" in lines[2]
    assert "s of it for data" in lines[3]
    assert lines[4].endswith("MiB at most")
    assert lines[5].startswith("run: 6 steps, about ")
    assert f"start in {workshop}/r" in lines[5]
    assert not (workshop / "r").exists()


def test_a_dry_run_is_that_of_its_options(run, workshop):
    """Of a run of one step, of one device's part, from the start, and of a rate that is too high."""
    (workshop / "r").mkdir()
    torch.save({"format": 1, "loop": {"step": 2}}, workshop / "r/last.ckpt")
    (workshop / "r/recipe.yaml").write_text(RECIPE.replace("haze", "rain"))
    args = ("train", workshop / "trial.yaml", "--data", workshop / "data", "--out", workshop / "r")
    args = (*args, "--device", "cpu", "--dry-run")
    refused = run(*args)
    assert refused.exit_code == 2
    assert "weather.kind" in refused.stderr
    changes = [f"--set={c}" for c in ("steps=1", "data.batch_pictures=4", "optimizer.rate=1e30")]
    result = run(*args, "--fresh", "--devices", 2, *changes, "--set=optimizer.warmup=0")
    assert result.exit_code == 0, result.stderr
    assert "this one 2x1x3x32x32" in result.stdout or "this one 1x2x3x32x32" in result.stdout
    assert "it is left out: the loss is nan" in result.stdout
    assert "start in" in result.stdout
    assert len(list((workshop / "r").iterdir())) == 2
    result = run(*args, "--fresh", "--devices", 2)
    assert result.exit_code == 2
    assert "1 samples in a batch on 2 devices" in result.stderr


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
    [
        ("90", 90),
        ("1.5", 1.5),
        ("1h30m", 90),
        ("45m", 45),
        ("45min", 45),
        ("90s", 1.5),
        ("00:08:30", 8.5),
    ],
)
def test_durations(text, minutes):
    assert verb.parse_duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "0", "0m", "soon", "30m1h", "-5", "1h 30m", "00:60:00"])
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
    assert "resuming" in ran.stderr
