"""Benchmark scripts can be started from anywhere, and pages hold the tables of the committed results."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.glob("*/*.py"))


def load(path):
    """Import a script as Python does that starts it: its own folder comes first on the path."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    """Take back what scripts put on the path, and the names that they import from there."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).is_relative_to(BENCHMARKS):
            del sys.modules[name]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_a_script_finds_what_it_imports(script):
    sys.path.insert(0, str(script.parent))
    module = load(script)
    assert module.__doc__
    name = script.relative_to(BENCHMARKS.parent).as_posix()
    if hasattr(module, "main"):
        assert f"python {name}" in module.__doc__


def test_pages_of_results_are_what_the_script_makes(monkeypatch):
    sys.path.insert(0, str(BENCHMARKS))
    tables = load(BENCHMARKS / "tables.py")
    monkeypatch.setattr(sys, "argv", ["tables.py", "--check"])
    assert tables.main() == 0


def test_cells_of_markdown_tables():
    sys.path.insert(0, str(BENCHMARKS))
    table = load(BENCHMARKS / "markdown_table.py").table
    assert table(["a", "b", "c"], [[1.234, None, "x|y"], ["z"]]).splitlines() == [
        "| a | b | c |",
        "|---|---|---|",
        r"| 1.23 | – | x\|y |",
        "| z |  |  |",
    ]
    assert table(["a", "long"], [["wider", 1]], aligned=True).splitlines() == [
        "| a     | long |",
        "|-------|------|",
        "| wider | 1    |",
    ]
