"""Takes haze and rain out of single pictures and rectified stereo pairs.

`deweather.restore("hazy.jpg")` gives a PIL image, `deweather.restore_pair("l.png", "r.png")` two of
them that agree, `deweather.load("stereoirr-small.rain")` the network itself. `list_weights()` and
`list_models()` name what there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deweather._version import __version__

if TYPE_CHECKING:
    from deweather.inference import Restorer, restore, restore_pair
    from deweather.models import list_models
    from deweather.weights import list_weights
    from deweather.weights.files import load

__all__ = [
    "Restorer",
    "__version__",
    "list_models",
    "list_weights",
    "load",
    "restore",
    "restore_pair",
]

_HOMES = {
    "Restorer": "deweather.inference",
    "restore": "deweather.inference",
    "restore_pair": "deweather.inference",
    "load": "deweather.weights.files",
    "list_models": "deweather.models",
    "list_weights": "deweather.weights",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: torch takes seconds, help texts do not need it."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'deweather' has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
