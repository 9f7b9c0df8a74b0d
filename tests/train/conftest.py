from pathlib import Path

import pytest
import torch

from .make import save_picture


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clean photographs."""
    root = tmp_path_factory.mktemp("clean")
    for i in range(3):
        save_picture(root / "mono" / f"{i}.png", i)
    return root


@pytest.fixture(autouse=True)
def _one_thread():
    """These tensors are so small that more threads only cost time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
