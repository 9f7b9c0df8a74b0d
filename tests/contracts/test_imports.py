"""The arrows between rooms point down, and heavy packages stay in theirs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import deweather

ROOT = Path(deweather.__file__).parent

# Room: the rooms below it. Every room may import what is EVERYWHERE, and itself.
ARROWS = {
    "image": set(),
    "nn": {"image"},  # the sRGB curve
    "models": {"nn", "image"},
    "weights": {"models"},
    "weather": {"image"},
    "data": {"weather", "image"},
    "metrics": {"image"},
    "inference": {"weights", "models", "image", "nn"},
    "losses": {"metrics", "image"},
    "train": {"data", "weather", "losses", "metrics", "models", "weights"},
}
ABOVE = {
    "jobs": {"inference", "weights", "models", "image", "data", "weather", "metrics"},
    "export": {"inference", "weights", "models", "image"},
    "cluster": {*ARROWS, "jobs"},
    "web": {*ARROWS, "jobs"},
    "cli": {*ARROWS, "jobs", "export", "cluster", "web"},
}
EVERYWHERE = {"atomic", "checksum", "errors", "_version"}

LONGEST = 350  # lines of a file
TABLES = {ROOT / "data/layout_table.py"}  # of data, which may be longer

# Package: the rooms that may import it.
HEAVY = {
    "lightning": {"train"},
    "pytorch_lightning": {"train"},
    "tensorboard": {"train"},
    "torchmetrics": set(),
    "ray": {"cluster"},
    "gradio": {"web"},
    "fastapi": {"web"},
    "uvicorn": {"web"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
    "pillow_heif": {"image"},
    "skimage": {"jobs"},
    "matplotlib": set(),
}


def imports_of(source, room):
    """Dotted names that a file imports, at its top or within functions, but not for types only."""
    tree = ast.parse(source)
    only_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in only_types:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{room}: relative import in line {node.lineno}"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files():
    """(room, path) of every file that lies in a room."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).parts
        if len(parts) > 1:
            yield parts[0], path


def rooms_in(names):
    return {name.split(".")[1] for name in names if name.startswith("deweather.")} - EVERYWHERE


def violations(room, names):
    """What a file of this room imports against the arrows."""
    allowed = (ARROWS | ABOVE)[room] | {room}
    heavy = {name.split(".")[0] for name in names} & set(HEAVY)
    return sorted(rooms_in(names) - allowed) + sorted(p for p in heavy if room not in HEAVY[p])


@pytest.mark.parametrize(
    ("room", "path"), [pytest.param(r, p, id=str(p.relative_to(ROOT))) for r, p in files()]
)
def test_arrows_point_down(room, path):
    assert violations(room, imports_of(path.read_text(encoding="utf-8"), room)) == []


def test_every_room_is_on_the_plan():
    assert {room for room, _ in files()} <= set(ARROWS) | set(ABOVE)


def test_what_is_everywhere_stands_alone():
    for name in EVERYWHERE:
        names = imports_of((ROOT / f"{name}.py").read_text(encoding="utf-8"), name)
        assert not [n for n in names if n.split(".")[0] not in sys.stdlib_module_names]


@pytest.mark.parametrize(
    ("room", "source", "found"),
    [
        ("models", "from deweather.weights.files import load", ["weights"]),
        ("image", "def f():\n    import deweather.nn.pool", ["nn"]),
        ("inference", "from deweather import train", ["train"]),
        ("inference", "from deweather.jobs.plan import Job", ["jobs"]),
        ("jobs", "from deweather.cli.console import say", ["cli"]),
        ("jobs", "from deweather.train.run import train", ["train"]),
        ("web", "from deweather.cli import options\nfrom deweather.jobs import run", ["cli"]),
        ("losses", "from deweather.metrics import structural_similarity", []),
        ("weather", "import torch, lightning.pytorch", ["lightning"]),
        ("metrics", "from deweather.losses import charbonnier", ["losses"]),
        ("train", "import lightning\nfrom deweather.data import SceneLibrary", []),
        (
            "nn",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import deweather.models.base",
            [],
        ),
    ],
)
def test_this_check_finds_what_it_is_for(room, source, found):
    assert violations(room, imports_of(source, room)) == found


def modules():
    """Every module's dotted name and file."""
    names = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        names[".".join(parts).removesuffix(".__init__")] = path
    return names


def module_of(name, known):
    """The module that a dotted name lies in; the name itself, a class or function, or none of ours."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def circle_in(graph):
    """A list of modules that import each other in turn, or None."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return None
        path.append(module)
        found = next(filter(None, map(visit, sorted(graph[module]))), None)
        path.pop()
        done.add(module)
        return found

    return next(filter(None, map(visit, graph)), None)


def test_no_module_imports_itself_by_way_of_others():
    """Nor within functions, where Python would let it pass: such two thoughts are one."""
    known = modules()
    assert len(known) > 100
    graph = {
        name: {module_of(n, known) for n in imports_of(path.read_text(encoding="utf-8"), name)}
        - {"", name}
        for name, path in known.items()
    }
    assert circle_in(graph) is None


def test_the_search_for_circles_finds_one():
    assert circle_in({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"c"}}) is None
    assert circle_in({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d", "b"]


def test_the_plan_lets_no_room_import_cli():
    assert [room for room, below in (ARROWS | ABOVE).items() if "cli" in below] == []


def test_the_plan_has_no_circle():
    assert circle_in({"cli": set(), **ARROWS, **ABOVE}) is None


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=str(p.relative_to(ROOT))) for _, p in files() if p not in TABLES]
)
def test_files_are_short_enough_to_be_read_at_once(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def run(code):
    """Run Python code in a fresh process and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LIGHT = "bad = [m for m in ({heavy}) if m in sys.modules]; assert not bad, bad".format(
    heavy=", ".join(map(repr, ("torch", "cv2", "safetensors", *HEAVY)))
)


# Parts of what is needed that take longer to import than this whole package.
SLOW = ("torch._dynamo", "torch._inductor", "sympy", "scipy", "torchvision")


def test_import_deweather_loads_the_standard_library_alone():
    run(
        "import sys; before = set(sys.modules); import deweather; deweather.__version__\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - {'deweather'}\n"
        "bad = new - set(sys.stdlib_module_names); assert not bad, bad"
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_and_version_load_no_torch(arguments):
    code = (
        f"import sys; sys.argv = ['deweather', *{arguments!r}]\n"
        "from deweather.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"{LIGHT}"
    )
    assert run(code).strip()


@pytest.mark.parametrize("name", deweather.__all__)
def test_public_names_are_there(name):
    assert getattr(deweather, name) is not None
    assert name in dir(deweather)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="restor"):
        deweather.restor  # noqa: B018


def test_the_core_imports_without_optional_packages():
    core = (
        "image",
        "nn",
        "models",
        "weights",
        "weather",
        "losses",
        "metrics",
        "data",
        "inference",
        "jobs",
    )
    names = [
        f"deweather.{'.'.join(p.relative_to(ROOT).with_suffix('').parts)}".removesuffix(".__init__")
        for room, p in files()
        if room in core
    ]
    assert len(names) > 30
    run(
        f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
        f"bad = [m for m in {[*HEAVY, *SLOW]} if m in sys.modules]; assert not bad, bad"
    )
