"""The authors' checkpoints: from their key names to our networks, with the behaviour they released.

A module per method says how to tell its checkpoints, which of their parameters are dropped on purpose
and what the others are called here. It is imported when it is needed. It exports `NAME`,
`recognises(keys)`, `translate(state)`, which gives keys that it does not know back as "?" + key, and,
where `create_model(NAME, as_released=…)` is not the network to fill,
`build(state, as_released, **switches)`.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from deweather.errors import ConfigError, UnknownNameError, WeightsError
from deweather.models import create_model
from deweather.weights.authors.naming import Names

TASKS = {"psidnet": "haze", "apanet": "rain", "kanet": "haze", "dcmpnet": "haze"}
"""The methods whose authors' checkpoints can be read, and what they take out."""

CONTAINERS = ("model", "net", "dehaze_net", "depth_net")
"""Names under which a checkpoint holds its parameters, if it holds more than them."""

_SHOWN = 20  # keys of each kind in an error


def from_authors(
    name: str | Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
    *,
    as_released: bool = True,
    fourier: tuple[Tensor, Tensor] | None = None,
    **switches: Any,
) -> nn.Module:
    """Make a network of an authors' checkpoint; on the CPU, in eval mode.

    Args:
        name: "psidnet", "apanet", "kanet" or "dcmpnet"; None, or a state in its place, recognises the
            method by the keys.
        state: parameters by the authors' names, with or without `module.` before them, bare or inside
            of `model`, `net`, `dehaze_net` or `depth_net`. The network gets their floating dtype; the
            widest, if there are several.
        as_released: behave as the authors' code does, bugs included; False corrects them.
        fourier: of KA-Net, the frequencies (512, 64) and phases (512,) of its random features, which
            its checkpoint does not hold; None draws them from a fixed seed.
        switches: further switches of the network, see `create_model`.

    Raises:
        UnknownNameError: no such method, or no such switch.
        WeightsError: keys that are missing, unknown or misshapen, which are listed.
        ConfigError: no state, or `fourier` for another method.
    """
    if isinstance(name, Mapping):
        name, state = None, name
    if state is None:
        raise ConfigError("from_authors got no state; give the authors' parameters by their names.")
    parameters = bare_parameters(state)
    name = recognise(parameters, name)
    module = _module(name)
    translated = module.translate(parameters)
    if fourier is not None:
        translated |= _fourier(name, fourier)
    network: nn.Module = (
        module.build(parameters, as_released, **switches)
        if hasattr(module, "build")
        else create_model(name, as_released=as_released, **switches)
    )
    network = network.to(_dtype(parameters))
    _check(module, network.state_dict(), translated, parameters)
    network.load_state_dict(translated)
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def recognise(keys: Iterable[str], name: str | None = None) -> str:
    """The method that bare keys belong to.

    Args:
        keys: the authors' names, see `bare_parameters`.
        name: what the method is believed to be.

    Raises:
        UnknownNameError: no such method.
        WeightsError: the keys are of no known method, or of another one than `name`.
    """
    if name is not None and name not in TASKS:
        raise UnknownNameError("method with authors' checkpoints", name, TASKS)
    keys = list(keys)
    found = next((method for method in TASKS if _module(method).recognises(keys)), None)
    if found is None and name is None:
        raise WeightsError(
            f"the keys {_listed(keys, 5)} belong to no known checkpoint; name the method, one of "
            f"{', '.join(TASKS)}, to see what is missing."
        )
    if name is not None and found not in (None, name):
        raise WeightsError(f"the keys are those of {found}, not of {name}; leave the name out.")
    return name or found  # type: ignore[return-value]


def bare_parameters(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The parameters of a checkpoint, out of their container and without `module.`.

    Raises:
        WeightsError: something else than named tensors is in it.
    """
    inner = next((state[c] for c in CONTAINERS if isinstance(state.get(c), Mapping)), state)
    other = {str(k): type(v).__name__ for k, v in inner.items() if not isinstance(v, Tensor)}
    if other or not inner:
        raise WeightsError(
            f"the checkpoint holds {other or 'nothing'} besides tensors; give its parameters, bare "
            f"or inside of {', '.join(CONTAINERS)}."
        )
    bare: dict[str, Tensor] = {}
    for key, tensor in inner.items():
        short = re.sub(r"^(module\.)+", "", key)
        if short in bare:
            raise WeightsError(f"the checkpoint holds {short!r} with and without 'module.'.")
        bare[short] = tensor
    return bare


def switches_of(network: nn.Module, name: str) -> dict[str, Any]:
    """What to give `create_model(name)` so that it makes such a network."""
    config, plain = network.config, _plain_config(name)
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(plain)
        if getattr(config, field.name) != getattr(plain, field.name)
    }


def _plain_config(name: str) -> Any:
    """The config of a variant."""
    return importlib.import_module(f"deweather.models.{name.partition('-')[0]}").VARIANTS[name]


def _module(name: str) -> Any:
    return importlib.import_module(f"deweather.weights.authors.{name}")


def _dtype(parameters: Mapping[str, Tensor]) -> torch.dtype:
    """The floating dtype of a checkpoint; counters are integers."""
    dtypes = {tensor.dtype for tensor in parameters.values() if tensor.is_floating_point()}
    if not dtypes:
        raise WeightsError("the checkpoint holds no floating tensors.")
    return reduce(torch.promote_types, dtypes)


def _fourier(name: str, fourier: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """KA-Net's random features by our keys."""
    module = _module(name)
    if not hasattr(module, "FREQUENCIES"):
        raise ConfigError(f"fourier is for kanet; {name} has no random features.")
    given: dict[str, Tensor] = module.translate(
        dict(zip((module.FREQUENCIES, module.PHASES), fourier, strict=True))
    )
    return given


def _check(
    module: Any,
    expected: Mapping[str, Tensor],
    translated: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
) -> None:
    """Raise WeightsError, in the authors' names, unless the translated tensors fill the network."""
    missing, extra = expected.keys() - translated.keys(), translated.keys() - expected.keys()
    shared = expected.keys() & translated.keys()
    wrong = {k for k in shared if translated[k].shape != expected[k].shape}
    if not (missing or extra or wrong):
        return
    # Most of our tensors are one of theirs; names of merged ones take the whole checkpoint to tell.
    for alone in (True, False):
        names = Names(module.translate, given, alone)
        kinds: dict[str, dict[str, list[str]]] = {
            "missing": {k: names.lacking(k) for k in missing},
            "unknown": {k: names.made_of.get(k, [k.removeprefix("?")]) for k in extra},
            "misshapen": {k: names.made_of.get(k, []) for k in wrong},
        }
        if all(all(found.values()) for found in kinds.values()):
            break
    parts = []
    for kind, found in kinds.items():
        keys = sorted({t for k, theirs in found.items() for t in theirs or [f"{k} (our name)"]})
        if kind == "misshapen":
            keys = [f"{k} {tuple(given[k].shape)}" if k in given else k for k in keys]
        parts += [f"{kind}: {_listed(keys)}"] if keys else []
    raise WeightsError(f"these are not the parameters of {module.NAME}; {'; '.join(parts)}.")


def _listed(keys: list[str], shown: int = _SHOWN) -> str:
    more = f" and {len(keys) - shown} more" if len(keys) > shown else ""
    return ", ".join(keys[:shown]) + more
