"""Runs that are killed with SIGKILL at any moment and resumed, bit for bit."""

import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

# One process imports everything and forks a child for each run: a fork is cheap, an import is not.
ZYGOTE = """
import json, os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from deweather import atomic
from deweather.train import checkpoints
from deweather.train.recipe import Recipe
from deweather.train.run import Machine, train
from deweather.train.objectives.reweighted import ReweightedObjective

data, root, plan = sys.argv[1], Path(sys.argv[2]), Recipe(**json.loads(sys.argv[3]))


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_call(owner, name, nth):
    real, calls = getattr(owner, name), []

    def counted(*args, **kwargs):
        calls.append(None)
        if len(calls) == nth:
            kill()
        return real(*args, **kwargs)

    setattr(owner, name, counted)


class HalfWritten:
    def __init__(self, file):
        self.file = file

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        kill()


def kill_in_checkpoint(nth):
    real, calls = checkpoints.replacing, []

    from contextlib import contextmanager

    @contextmanager
    def replacing(path):
        calls.append(None)
        with real(path) as file:
            yield HalfWritten(file) if len(calls) == nth else file

    checkpoints.replacing = replacing


def run(name, spoil=lambda: None):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            spoil()
            train(plan, data, root / name, machine=Machine("cpu"))
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


cases = {
    "first_step": lambda: kill_at_call(ReweightedObjective, "losses", 1),
    "step": lambda: kill_at_call(ReweightedObjective, "losses", 3),
    "checkpoint": lambda: kill_in_checkpoint(2),
    # The three renames of the second checkpoint: files before it are renamed, too.
    **{f"rename_{n}": lambda n=n: kill_at_call(os, "replace", n) for n in (9, 10, 11)},
}
told = {"straight": run("straight")}
for name, spoil in cases.items():
    told[name] = [run(name, spoil), run(name)]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def runs(pictures, tmp_path_factory):
    """How the processes ended, by case, and the folder of their runs."""
    root = tmp_path_factory.mktemp("runs")
    plan = {
        "name": "t",
        "model": {"name": "kanet-tiny"},
        "weather": {"kind": "photograph"},
        "data": {"patch": 48, "batch_pictures": 2, "stereo_share": 0.3, "layered_share": 1.0},
        # Paths dropped at random, norms with statistics, remembered features: all must come back.
        "loss": {"kind": "reweighted", "features": {"kind": "random"}},
        "optimizer": {"warmup": 0},
        "steps": 3,
        "checkpoint_every": 1,
        "log_every": 2,
        "ema": 0.5,
    }
    done = subprocess.run(
        [sys.executable, "-c", ZYGOTE, str(pictures), str(root), json.dumps(plan)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), root


CASES = ["first_step", "step", "checkpoint", "rename_9", "rename_10", "rename_11"]


@pytest.mark.parametrize("case", CASES)
def test_a_killed_run_ends_with_the_very_weights(runs, case):
    told, root = runs
    assert told["straight"] == 0
    killed, resumed = told[case]
    assert os.WTERMSIG(killed) == signal.SIGKILL
    assert resumed == 0
    for name in ("weights", "weights.not_averaged"):
        expected = load_file(root / "straight" / f"{name}.safetensors")
        tensors = load_file(root / case / f"{name}.safetensors")
        assert all(torch.equal(tensors[k], expected[k]) for k in expected)
    assert lines(root / case) == lines(root / "straight")


def test_checkpoints_hold_the_same(runs):
    _, root = runs
    states = [
        torch.load(root / case / "last.ckpt", weights_only=True) for case in ("straight", *CASES)
    ]
    for state in states[1:]:
        torch.testing.assert_close(state["loop"], states[0]["loop"], rtol=0, atol=0)


def lines(out):
    read = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    speed = ("seconds_per_step", "share_waited_for_data")
    return [{k: v for k, v in line.items() if k not in speed} for line in read]
