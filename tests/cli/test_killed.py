"""A run that is killed at any moment leaves whole files or none, and the next one completes."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time

import pytest

from .conftest import files, write


def digest(folder):
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files(folder)
    }


@pytest.mark.skipif("sys.platform == 'win32'")
def test_killed_runs_leave_no_half_of_a_file(restore, haze, tmp_path):
    for seed in range(6):
        write(tmp_path / f"in/{seed}.png", seed, height=192, width=256)
    before = digest(tmp_path / "in")
    begun = time.perf_counter()
    assert restore(tmp_path / "in", "--out", tmp_path / "whole").exit_code == 0
    duration = time.perf_counter() - begun
    expected = digest(tmp_path / "whole")

    out = tmp_path / "out"
    words = [sys.executable, "-m", "deweather", "restore", tmp_path / "in", "--out", out]
    words += ["--weather", "haze", "--weights", haze, "--device", "cpu"]
    rng = random.Random(11)
    for _ in range(3):
        process = subprocess.Popen(
            [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        # The first line says that the first file is written; the next ones are on their way.
        process.stdout.readline()
        time.sleep(rng.uniform(0, duration / 4))
        process.kill()
        process.stdout.close()
        process.wait()
        shown = {k: v for k, v in digest(out).items() if not k.startswith(".")}
        assert shown.items() <= expected.items()
    assert restore(tmp_path / "in", "--out", out).exit_code == 0
    assert digest(out) == expected
    assert digest(tmp_path / "in") == before
