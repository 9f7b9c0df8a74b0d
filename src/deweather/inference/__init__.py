"""Networks and a picture become a restored picture: measure, apply; padding, tiles, devices, hooks.

Names are imported when they are first used: `Progress`, `Hooks` and `Restored` need no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deweather.inference.api import restore, restore_pair
    from deweather.inference.hooks import IsCancelled, OnProgress, Progress
    from deweather.inference.networks import Weather
    from deweather.inference.pictures import Restored
    from deweather.inference.restorer import Restorer, check_pair

__all__ = [
    "IsCancelled",
    "OnProgress",
    "Progress",
    "Restored",
    "Restorer",
    "Weather",
    "check_pair",
    "restore",
    "restore_pair",
]

_HOMES = {
    "IsCancelled": "hooks",
    "OnProgress": "hooks",
    "Progress": "hooks",
    "Restored": "pictures",
    "Restorer": "restorer",
    "Weather": "networks",
    "check_pair": "restorer",
    "restore": "api",
    "restore_pair": "api",
}


def __getattr__(name: str) -> Any:
    """Import a name of this room when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'deweather.inference' has no attribute {name!r}")
    return getattr(importlib.import_module(f"deweather.inference.{_HOMES[name]}"), name)
