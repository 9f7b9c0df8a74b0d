from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "cv2", "lightning", "skimage", "numpy")
VERBS = ("restore", "simulate", "evaluate", "train", "data", "models", "weights", "doctor", "demo")

CODE = """
import sys
sys.argv = ["deweather", *sys.argv[1:]]
from deweather.cli import main
try:
    main()
except SystemExit as end:
    print("exit", end.code)
print("loaded", [name for name in {heavy} if name in sys.modules])
"""


@pytest.mark.parametrize("args", [["--help"], *([verb, "--help"] for verb in VERBS)])
def test_help_imports_nothing_heavy(args):
    code = CODE.format(heavy=HEAVY)
    ran = subprocess.run(
        [sys.executable, "-c", code, *args], check=False, capture_output=True, text=True
    )
    assert "Usage: deweather" in ran.stdout
    assert ran.stdout.endswith("exit 0\nloaded []\n")
    assert ran.stderr == ""


def test_runs_as_a_module():
    ran = subprocess.run(
        [sys.executable, "-m", "deweather", "--version"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0
    assert ran.stdout.startswith("deweather 0.")


@pytest.mark.parametrize("verb", VERBS)
def test_help_describes_the_verb(run, verb):
    result = run(verb, "-h")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 5


def test_all_verbs_are_listed(run):
    shown = run("--help").stdout
    assert all(f"\n  {verb} " in shown for verb in VERBS)


@pytest.mark.parametrize("args", [["restroe"], ["restore", "--no-such-option"], ["restore"]])
def test_wrong_usage_exits_with_2(run, args):
    result = run(*args)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert result.stdout == ""
