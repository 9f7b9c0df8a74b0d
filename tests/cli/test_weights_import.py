"""`deweather weights import`, and restoring with what it makes."""

from __future__ import annotations

import json

import pytest
import torch

from ..weights import authors
from .conftest import pixels, write


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("authors") / "latest.pth"
    torch.save({"model": authors.psidnet(), "epoch": 1}, path)
    return path


def test_import_show_and_restore(run, checkpoint, tmp_path):
    out = tmp_path / "psidnet.safetensors"
    result = run("weights", "import", checkpoint, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"--weather haze --weights {out}" in result.stdout
    shown = run("weights", "show", out)
    assert "recipe:        the authors' own\n" in shown.stdout
    assert "trained on:    not recorded\n" in shown.stdout
    for text in ("psidnet", "latest.pth", "as released", "as_released"):
        assert text in shown.stdout
    source = write(tmp_path / "in" / "a.png", height=19, width=30)
    done = run(
        "restore", source, "--out", tmp_path / "done", "--weather", "haze", "--weights", out,
        "--device", "cpu",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert pixels(tmp_path / "done" / "a.png").shape == (19, 30, 3)


def test_json_method_and_corrected(run, checkpoint, tmp_path):
    out = tmp_path / "a.safetensors"
    result = run(
        "weights",
        "import",
        checkpoint,
        "--out",
        out,
        "--method",
        "psidnet",
        "--corrected",
        "--json",
    )
    card = json.loads(result.stdout)
    assert (card["task"], card["origin"]["behaviour"]) == ("haze", "corrected")
    again = run("weights", "import", checkpoint, "--out", out)
    assert again.exit_code == 2
    assert "exists" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "psidne"], "Did you mean 'psidnet'?"),
        (["--method", "kanet"], "those of psidnet, not of kanet"),
    ],
)
def test_wrong_usage_says_what_is_valid(run, checkpoint, tmp_path, arguments, message):
    out = tmp_path / "a.safetensors"
    result = run("weights", "import", checkpoint, "--out", out, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())
