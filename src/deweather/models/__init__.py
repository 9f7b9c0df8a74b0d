"""The networks, one file each, and the visible list of them.

A network's file is imported when one of its variants is asked for, never before.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from deweather.errors import ConfigError, UnknownNameError
from deweather.models.base import Needs, Network, Restoration

__all__ = ["NETWORKS", "Needs", "Network", "Restoration", "create_model", "list_models"]

NETWORKS: dict[str, tuple[str, str]] = {
    "stereoirr": ("StereoIRR", "stereo deraining by dual-view mutual attention"),
}
"""Module in this folder: (network class, what it is). The module's VARIANTS name its sizes."""


def _module(variant: str) -> Any:
    family = variant.split("-")[0]
    if family not in NETWORKS:
        raise UnknownNameError("model", variant, list_models())
    return importlib.import_module(f"deweather.models.{family}")


def list_models() -> list[str]:
    """Names of all variants of all networks, for `create_model`."""
    return [
        name
        for family in NETWORKS
        for name in importlib.import_module(f"deweather.models.{family}").VARIANTS
    ]


def create_model(name: str, **switches: Any) -> Network:
    """Build a network with fresh weights.

    Args:
        name: `network-variant`, see `list_models`.
        switches: fields of the network's config to set otherwise than the variant does.

    Raises:
        UnknownNameError: no such variant, or no such switch; the message lists the valid ones.
        ConfigError: a switch has a value of the wrong kind.
    """
    module = _module(name)
    if name not in module.VARIANTS:
        raise UnknownNameError("model", name, list_models())
    config = module.VARIANTS[name]
    fields = {f.name for f in dataclasses.fields(config)}
    for switch, value in switches.items():
        if switch not in fields:
            raise UnknownNameError(f"switch of {name}", switch, fields)
        now = getattr(config, switch)
        kinds = (int, float) if isinstance(now, int | float) else (type(now), list, int)
        if value is not None and now is not None and not isinstance(value, kinds):
            raise ConfigError(
                f"switch {switch} of {name} is {value!r}; expected a value like {now!r}."
            )
        if isinstance(value, list):
            switches[switch] = tuple(value)
    network = getattr(module, NETWORKS[name.split("-")[0]][0])
    return network(dataclasses.replace(config, **switches))
