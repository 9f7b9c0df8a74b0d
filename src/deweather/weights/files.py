"""Weights files: safetensors whose header says which network they belong to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from deweather.atomic import write_whole
from deweather.checksum import sha256
from deweather.errors import ConfigError, UnknownNameError, WeightsError
from deweather.models import Network, create_model
from deweather.weights.cards import find_weights, read_card_beside

_KEY = "deweather"


@dataclass(frozen=True)
class Header:
    """What a weights file says of itself.

    Attributes:
        model: variant name for `create_model`.
        switches: switches for `create_model`.
        task: "haze" or "rain".
    """

    model: str
    switches: dict[str, Any]
    task: str


def save_weights(
    path: str | Path,
    network: torch.nn.Module,
    *,
    model: str,
    switches: dict[str, Any],
    task: str,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a network's weights; a killed run leaves either the old file or the new one."""
    state = {
        k: v.detach().to("cpu", dtype if v.is_floating_point() else v.dtype).contiguous()
        for k, v in network.state_dict().items()  # counts of batches stay integers
    }
    header = {"model": model, "switches": switches, "task": task}
    write_whole(Path(path), save(state, metadata={_KEY: json.dumps(header, sort_keys=True)}))


def read_header(path: str | Path) -> Header:
    """Read what a weights file says of itself.

    Raises:
        WeightsError: no such file, not safetensors, or not written by this package.
    """
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file.") from error
    except (SafetensorError, OSError) as error:
        remedy = "fetch it again."
        if Path(path).suffix in (".pt", ".pth"):
            remedy = "authors' checkpoints become one by: deweather weights import FILE --out FILE"
        raise WeightsError(f"{path}: not a safetensors file ({error}); {remedy}") from error
    if text is None:
        raise WeightsError(
            f"{path}: does not say which network it belongs to; it was not written here."
        )
    try:
        header = Header(**json.loads(text))
    except (TypeError, ValueError) as error:
        raise _damaged(path, text) from error
    kinds = ((header.model, str), (header.switches, dict), (header.task, str))
    if not all(isinstance(value, kind) for value, kind in kinds):
        raise _damaged(path, text)
    return header


def describe_file(path: Path) -> dict[str, Any]:
    """What a weights file says of itself, its checksum, and the card beside it.

    The card is the TOML file of the same name, of whatever keys, if its `sha256` is that of this
    very file; a note says why there is none.

    Raises:
        WeightsError: not a weights file of this package.
    """
    header = read_header(path)
    facts: dict[str, Any] = {
        "file": str(path),
        "model": header.model,
        "switches": header.switches,
        "task": header.task,
        "size": path.stat().st_size,
        "sha256": sha256(path),
    }
    card, note = read_card_beside(path, facts["sha256"])
    return {**facts, "card": card, "note": note}


def _damaged(path: str | Path, header: str) -> WeightsError:
    return WeightsError(f"{path}: has a damaged header ({header[:80]!r}); fetch it again.")


def load_weights(path: str | Path) -> tuple[Network, Header]:
    """Build the network that a weights file belongs to and fill it, in float32 and eval mode.

    Raises:
        WeightsError: as `read_header`, it belongs to a network that is not known here, or names or
            shapes do not fit the network.
    """
    header = read_header(path)
    try:
        network = create_model(header.model, **header.switches)
    except (UnknownNameError, ConfigError) as error:
        raise WeightsError(f"{path}: belongs to another version of deweather: {error}") from error
    fill(network, path, header.model)
    return network.eval().to(memory_format=torch.channels_last), header  # type: ignore[call-overload]


def fill(network: torch.nn.Module, path: str | Path, name: str) -> None:
    """Put the weights of a file into a network, called `name` in errors.

    Raises:
        WeightsError: as `read_header`, or names or shapes do not fit the network.
    """
    read_header(path)
    with safe_open(path, framework="pt") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    state = {k: t.float() if t.is_floating_point() else t for k, t in tensors.items()}
    expected = network.state_dict()
    missing, extra = expected.keys() - state.keys(), state.keys() - expected.keys()
    wrong = [k for k in expected.keys() & state.keys() if expected[k].shape != state[k].shape]
    if missing or extra or wrong:
        raise WeightsError(
            f"{path}: does not fit {name}; missing {sorted(missing)[:5]}, "
            f"unexpected {sorted(extra)[:5]}, misshapen {sorted(wrong)[:5]}."
        )
    network.load_state_dict(state)


def load(weights: str | Path) -> Network:
    """A network with trained weights, in float32 and eval mode, on the CPU.

    Args:
        weights: the name of bundled weights (see `deweather.list_weights`) or a weights file.

    Raises:
        UnknownNameError: no such weights; the message lists those there are.
        WeightsError: a file that cannot be used.
    """
    return load_weights(find_weights(weights))[0]
