"""The networks, one file each, and the visible list of them.

A network's file is imported when one of its variants is asked for, never before.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any, Literal, get_args, get_origin, get_type_hints

from deweather.errors import ConfigError, UnknownNameError
from deweather.models.base import Needs, Network, Restoration

__all__ = ["NETWORKS", "Needs", "Network", "Restoration", "create_model", "list_models"]

NETWORKS: dict[str, tuple[str, str]] = {
    "stereoirr": ("StereoIRR", "stereo deraining by dual-view mutual attention"),
    "psidnet": ("PSIDNet", "stereo dehazing in three stages, from quarters to the full view"),
    "apanet": ("APANet", "stereo deraining by external attention and rows read in one direction"),
    "kanet": ("KANet", "dehazing of real pictures by a transformer with learned queries"),
    "dcmpnet": ("DCMPNet", "dehazing of single pictures guided by their depth"),
}
"""Module in this folder: (network class, what it is). The module's VARIANTS name its sizes."""


def _module(variant: str) -> Any:
    if not isinstance(variant, str):
        raise ConfigError(f"model {variant!r}; give a name, one of {', '.join(list_models())}.")
    family = variant.partition("-")[0]
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


def _fits(value: Any, kind: Any) -> bool:
    """Whether a switch's value is of an annotated kind: a class, Literal, tuple[kind, ...] or a union."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, list | tuple) and all(_fits(v, get_args(kind)[0]) for v in value)
    if get_args(kind):
        return any(_fits(value, k) for k in get_args(kind))
    if isinstance(value, bool):  # an int to Python, but no number to a user
        return kind is bool
    return isinstance(value, int if kind is int else (int, float) if kind is float else kind)


def create_model(name: str, **switches: Any) -> Network:
    """Build a network with fresh weights.

    Args:
        name: `network-variant`, see `list_models`.
        switches: fields of the network's config to set otherwise than the variant does.

    Raises:
        UnknownNameError: no such variant, or no such switch; the message lists the valid ones.
        ConfigError: the name is no text, or a switch has a value of the wrong kind or out of range.
    """
    module = _module(name)
    if name not in module.VARIANTS:
        raise UnknownNameError("model", name, list_models())
    config = module.VARIANTS[name]
    kinds = get_type_hints(type(config))
    for switch, value in switches.items():
        if switch not in kinds:
            raise UnknownNameError(f"switch of {name}", switch, kinds)
        if not _fits(value, kinds[switch]):
            raise ConfigError(
                f"switch {switch} of {name} is {value!r}; expected "
                f"{type(config).__annotations__[switch]}, as in {getattr(config, switch)!r}."
            )
        if isinstance(value, list):
            switches[switch] = tuple(value)
    network = getattr(module, NETWORKS[name.partition("-")[0]][0])
    return network(dataclasses.replace(config, **switches))
