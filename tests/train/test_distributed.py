"""Two processes on the CPU (gloo) take the steps of one with the same batch."""

import json
import os
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors.torch import load_file

from deweather.errors import ConfigError
from deweather.train.batches import Batch
from deweather.train.run import train
from deweather.weather import Scene

from .make import CPU, recipe


def losses(out):
    read = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [(line["loss"], line["gradient"]) for line in read if "loss" in line]


def in_two_processes(plan, pictures, out, *options):
    """Run a plan by two processes that Lightning starts."""
    path = out.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(plan.model_dump(mode="json")))
    words = ["train", path, "--data", pictures, "--out", out, "--device", "cpu", "--devices", 2]
    done = subprocess.run(
        [sys.executable, "-m", "deweather", *map(str, words), *options],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}/weights.safetensors\n"
    assert "UserWarning" not in done.stderr


def check_equal(run, other):
    torch.testing.assert_close(losses(run), losses(other), rtol=1e-5, atol=1e-6)
    for name in ("weights", "weights.not_averaged"):
        expected = load_file(other / f"{name}.safetensors")
        for key, tensor in load_file(run / f"{name}.safetensors").items():
            torch.testing.assert_close(tensor, expected[key], rtol=0, atol=1e-5)


PLAN = recipe(kind="haze", steps=4, optimizer={"accumulate": 2}, data={"stereo_share": 0.6})


@pytest.fixture(scope="module")
def alone(pictures, tmp_path_factory):
    """The run of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    train(PLAN, pictures, out, machine=CPU)
    return out


def test_two_processes_equal_one(pictures, tmp_path, alone):
    in_two_processes(PLAN, pictures, tmp_path / "two")
    check_equal(tmp_path / "two", alone)


def test_sharded_parameters_equal_whole_ones(pictures, tmp_path, alone):
    """And one process goes on where two with a half of the parameters each stopped."""
    out = tmp_path / "sharded"
    in_two_processes(PLAN, pictures, out, "--sharded", "--max-steps", "3")
    train(PLAN, pictures, out, machine=CPU)
    check_equal(out, alone)


def batch(samples=6, real=4):
    values = torch.arange(float(samples))
    scene = Scene(
        values.view(-1, 1, 1, 1, 1).expand(-1, 2, 3, 4, 4),
        values.view(-1, 1, 1, 1, 1).expand(-1, 2, 1, 4, 4),
        values + 1,
        values + 2,
    )
    return Batch(7, tuple(range(samples)), scene, torch.rand(real, 2, 3, 4, 4))


def test_the_parts_of_a_batch_are_the_batch():
    whole = batch()
    parts = [whole.part(i, 2) for i in range(2)]
    assert parts[0].seeds + parts[1].seeds == whole.seeds
    for name in ("frames", "disparity", "focal_length", "baseline"):
        joined = torch.cat([getattr(part.samples, name) for part in parts])
        assert torch.equal(joined, getattr(whole.samples, name))
    assert torch.equal(torch.cat([part.real for part in parts]), whole.real)


@pytest.mark.parametrize("sizes", [(6, 3), (5, 4)])
def test_parts_must_be_equal(sizes):
    with pytest.raises(ConfigError, match=r"on 2 devices; set data\.batch_pictures"):
        batch(*sizes).part(0, 2)
