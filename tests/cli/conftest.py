from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from deweather.cli.app import app
from deweather.models import create_model
from deweather.weights.files import save_weights

Run = Callable[..., Result]


def make_weights(folder: Path, task: str) -> Path:
    """A tiny network that changes pictures much, and pairs otherwise than single pictures."""
    torch.manual_seed(3)
    network = create_model("stereoirr-tiny")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    path = folder / f"{task}.safetensors"
    save_weights(path, network, model="stereoirr-tiny", switches={}, task=task)
    return path


def picture(seed: int = 0, height: int = 24, width: int = 32) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def write(path: Path, seed: int = 0, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, **options).save(path)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return np.asarray(image)


def files(folder: Path) -> list[str]:
    """All files below a folder, hidden ones too."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.fixture(scope="session")
def haze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights"), "haze")


@pytest.fixture(scope="session")
def rain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights"), "rain")


@pytest.fixture
def run() -> Run:
    """Call `deweather` in this process."""

    def call(*args: object) -> Result:
        return CliRunner().invoke(app, [str(arg) for arg in args])

    return call


@pytest.fixture
def restore(run: Run, haze: Path) -> Run:
    """Call `deweather restore` with a haze network only, which is quick."""

    def call(*args: object) -> Result:
        return run("restore", *args, "--weather", "haze", "--weights", haze, "--device", "cpu")

    return call
