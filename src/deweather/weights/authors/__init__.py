"""The authors' checkpoints: from their key names to our networks, with the behaviour they released.

`manifests.json` lists the names and shapes of the parameters in each kind of checkpoint, as the authors'
code makes them. A module per method says which of them are dropped on purpose and what the others
are called here. It is imported when it is needed. It exports `UNUSED`, `translate(state)` and, where
`create_model(name, as_released=…)` is not the network to fill, `build(state, as_released, **switches)`.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache, reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deweather.errors import ConfigError, UnknownNameError, WeightsError
from deweather.models import create_model

TASKS = {"psidnet": "haze", "apanet": "rain", "kanet": "haze", "dcmpnet": "haze"}
"""The methods whose authors' checkpoints can be read, and what they take out."""

CONTAINERS = ("model", "net", "dehaze_net", "depth_net")
"""Names under which a checkpoint holds its parameters, if it holds more than them."""

Manifest = dict[str, tuple[int, ...]]


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
        ConfigError: no state, `fourier` for another method or of other kind or shapes, or switches that
            change the sizes of the network.
    """
    if isinstance(name, Mapping):
        name, state = None, name
    if not isinstance(state, Mapping):
        got = "no state" if state is None else f"a state of type {type(state).__name__}"
        raise ConfigError(
            f"from_authors got {got}; give the authors' parameters by their names, as "
            "torch.load(FILE, weights_only=True) reads them."
        )
    parameters = bare_parameters(state)
    kind = _kind(parameters, name)
    name = _method(kind)
    module = _module(name)
    used = _used(kind, parameters, module.UNUSED)
    given = used | _fourier(module, name, fourier)
    network: nn.Module = (
        module.build(used, as_released, **switches)
        if hasattr(module, "build")
        else create_model(name, as_released=as_released, **switches)
    )
    network = network.to(_dtype(used))
    # What a network has beyond the checkpoint, KA-Net's random features, stays unless it is given.
    own = network.state_dict()
    filled = {**own, **module.translate(given)}
    if {k: t.shape for k, t in own.items()} != {k: t.shape for k, t in filled.items()}:
        raise ConfigError(
            f"switches {switches} make a network of other sizes than that of the authors' "
            "checkpoints; leave those out that change sizes."
        )
    network.load_state_dict(filled)
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@cache
def manifests() -> dict[str, Manifest]:
    """Names and shapes of the authors' parameters in each kind of checkpoint.

    A kind is called after its method; `-depth` is that of DCMPNet's partner in training.
    """
    text = Path(__file__).with_name("manifests.json").read_text(encoding="utf-8")
    return {
        kind: {key: tuple(shape) for key, shape in manifest.items()}
        for kind, manifest in json.loads(text).items()
    }


def recognise(keys: Iterable[str], name: str | None = None) -> str:
    """The method that bare keys belong to.

    Args:
        keys: the authors' names, see `bare_parameters`.
        name: what the method is believed to be.

    Raises:
        UnknownNameError: no such method.
        WeightsError: the keys are of no known method, or of another one than `name`.
    """
    return _method(_kind(keys, name))


def _kind(keys: Iterable[str], name: str | None) -> str:
    """The kind of checkpoint, of the method if one is named, that has the most of the keys."""
    if name is not None and name not in TASKS:
        raise UnknownNameError("method with authors' checkpoints", name, TASKS)
    keys = set(keys)
    shared = {kind: len(keys & manifest.keys()) for kind, manifest in manifests().items()}
    found = max(shared, key=shared.__getitem__)
    if 2 * shared[found] > len(keys):
        if name not in (None, _method(found)):
            raise WeightsError(
                f"the keys are those of {_method(found)}, not of {name}; leave the name out."
            )
        return found
    if name is None:
        raise WeightsError(
            f"the keys {_few(sorted(keys))} belong to no known checkpoint; name the method, one of "
            f"{', '.join(TASKS)}, to see what is missing."
        )
    return max((k for k in shared if _method(k) == name), key=shared.__getitem__)


def _few(texts: list[str]) -> str:
    """The first five, and a sign that there are more."""
    return ", ".join(texts[:5] + ["…"] * (len(texts) > 5))


def _method(kind: str) -> str:
    return kind.partition("-")[0]


def bare_parameters(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The parameters of a checkpoint, out of their container and without `module.`.

    Raises:
        WeightsError: something else than named tensors is in it.
    """
    inner = next((state[c] for c in CONTAINERS if isinstance(state.get(c), Mapping)), state)
    other = [
        f"{k!r}: {type(v).__name__!r}"
        for k, v in inner.items()
        if not (isinstance(k, str) and isinstance(v, Tensor))
    ]
    if other or not inner:
        raise WeightsError(
            f"the checkpoint holds {_few(other) or 'nothing'} and not named tensors alone; give its "
            f"parameters, bare or inside of {', '.join(CONTAINERS)}."
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


def _used(
    kind: str, given: Mapping[str, Tensor], unused: Iterable[re.Pattern[str]]
) -> dict[str, Tensor]:
    """The tensors of a checkpoint that count: all of its manifest, but for the unused ones.

    Raises:
        WeightsError: some are missing, unknown or misshapen; all of them are listed.
    """
    manifest = manifests()[kind]
    needed = {k: s for k, s in manifest.items() if not any(p.fullmatch(k) for p in unused)}
    complaints = {
        "missing": sorted(needed.keys() - given.keys()),
        "unknown": sorted(given.keys() - manifest.keys()),
        "misshapen": [
            f"{k} {tuple(given[k].shape)} instead of {shape}"
            for k, shape in sorted(needed.items())
            if k in given and given[k].shape != shape
        ],
    }
    said = [f"{what}: {', '.join(keys)}" for what, keys in complaints.items() if keys]
    if said:
        raise WeightsError(f"these are not the parameters of {kind}; {'; '.join(said)}.")
    return {k: given[k] for k in needed}


def _fourier(module: Any, name: str, fourier: tuple[Tensor, Tensor] | None) -> dict[str, Tensor]:
    """KA-Net's random features, if given, by the names that its module has for them."""
    if fourier is None:
        return {}
    if not hasattr(module, "FOURIER"):
        raise ConfigError(f"fourier is for kanet; {name} has no random features.")
    if not (isinstance(fourier, tuple | list) and all(isinstance(t, Tensor) for t in fourier)):
        raise ConfigError(f"fourier is of type {type(fourier).__name__}; expected two tensors.")
    shapes = [tuple(tensor.shape) for tensor in fourier]
    if shapes != list(module.FOURIER.values()):
        raise ConfigError(
            f"fourier has the shapes {shapes}; expected {list(module.FOURIER.values())}."
        )
    return dict(zip(module.FOURIER, fourier, strict=True))
