"""The two functions of a first example: a picture or a pair in, restored by the bundled weights."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from deweather.inference.restorer import Restorer, Weather


@lru_cache(maxsize=4)
def _shared(weather: Weather, device: str) -> Restorer:
    return Restorer(weather, device=device)


def restore(
    source: Any,
    out: Any = None,
    *,
    weather: Weather = "auto",
    device: str = "auto",
    overwrite: bool = False,
) -> Any:
    """Restore one picture with the bundled weights; see `Restorer.restore`.

    The networks are loaded at the first call and kept.
    """
    return _shared(weather, str(device)).restore(source, out, overwrite=overwrite)


def restore_pair(
    left: Any,
    right: Any,
    out: Any = None,
    *,
    weather: Weather = "auto",
    device: str = "auto",
    overwrite: bool = False,
) -> tuple[Any, Any]:
    """Restore a rectified pair with the bundled weights; see `Restorer.restore_pair`."""
    return _shared(weather, str(device)).restore_pair(left, right, out, overwrite=overwrite)
