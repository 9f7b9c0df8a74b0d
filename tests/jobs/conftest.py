from __future__ import annotations

from pathlib import Path

import pytest

from deweather.inference import Restorer
from tests.cli.conftest import make_weights


@pytest.fixture(scope="session")
def haze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights"), "haze")


@pytest.fixture(scope="session")
def restorer(haze: Path) -> Restorer:
    return Restorer("haze", weights=haze, device="cpu")
