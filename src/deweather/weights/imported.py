"""Importing a file with an authors' checkpoint: weights of this package, and a card beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from deweather.checksum import sha256
from deweather.errors import ConfigError, WeightsError
from deweather.models import NETWORKS
from deweather.weights.authors import TASKS, bare_parameters, from_authors, recognise, switches_of
from deweather.weights.cards import Card, Data, Origin, write_card
from deweather.weights.files import read_header, save_weights

_UNKNOWN = "not recorded in the checkpoint"


def import_weights(
    path: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    as_released: bool = True,
    overwrite: bool = False,
) -> Card:
    """Write an authors' checkpoint as a weights file of this package, and its card beside it.

    Args:
        path: what the authors published, a file that torch saved; only its tensors and plain values
            are read, never code.
        out: the file to write, ending in `.safetensors`; the card ends in `.toml` instead.
        name: see `from_authors`; None recognises the method.
        as_released: behave as the authors' code does, bugs included; False corrects them.
        overwrite: replace `out` and its card if they exist.

    Returns:
        The card.

    Raises:
        ConfigError: `out` has another ending, exists or cannot be written, or `path` is a weights file
            of this package already.
        UnknownNameError: no such method.
        WeightsError: the file cannot be read, or does not hold the parameters of the method.
    """
    path, out = Path(path), Path(out)
    if out.suffix != ".safetensors":
        raise ConfigError(f"{out}: a weights file ends in .safetensors; name it so.")
    beside = out.with_suffix(".toml")
    for existing in (p for p in (out, beside) if p.exists() and not overwrite):
        raise ConfigError(f"{existing}: exists; name another file, or overwrite it on purpose.")
    state = read_checkpoint(path)
    try:
        name = recognise(bare_parameters(state), name)
        network = from_authors(name, state, as_released=as_released)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    if type(network).__name__ != NETWORKS[name][0]:
        raise WeightsError(
            f"{path}: holds {type(network).__name__}, a partner in training that restores nothing; "
            f"import the checkpoint of {NETWORKS[name][0]}."
        )
    dtype = next(network.parameters()).dtype
    switches = switches_of(network, name)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        save_weights(out, network, model=name, switches=switches, task=TASKS[name], dtype=dtype)
        origin = Origin(
            file=_text(path.name),
            sha256=sha256(path),
            size=path.stat().st_size,
            behaviour="as released" if as_released else "corrected",
        )
        card = _card(out, network, name, origin)
        write_card(beside, card)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror}).") from error
    return card


def read_checkpoint(path: str | Path) -> Mapping[str, Any]:
    """What a file that torch saved holds, on the CPU; tensors and plain values only, never code.

    Raises:
        ConfigError: a file that this package wrote, which needs no import.
        WeightsError: no such file, or not one that can be read so.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such checkpoint.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    # Scores are often kept as numpy scalars, by a name that numpy has given up since.
    scalars = [
        (np.float64(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar")
        for core in ("core", "_core")
    ]
    harmless: list[Any] = [*scalars, np.dtype, *(type(np.dtype(t)) for t in ("f8", "f4", "i8"))]
    try:
        with torch.serialization.safe_globals(harmless):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what pickle, zipfile and its own readers raise
        # torch's own advice, to read it without the restriction, would run what is in the file.
        raise WeightsError(
            f"{path}: cannot be read as a checkpoint of tensors alone; other objects are never read. "
            "Save its state_dict and import that."
        ) from error
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path}: holds a {type(state).__name__}, not named parameters.")
    return state


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        read_header(path)
    except WeightsError:  # not one of ours, as it should be
        pass
    else:
        raise ConfigError(f"{path}: is a weights file of this package; use it as it is.")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read ({error}); fetch it again.") from error


def _text(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _card(out: Path, network: torch.nn.Module, name: str, origin: Origin) -> Card:
    return Card(
        name=_text(out.stem),
        task=TASKS[name],
        sha256=sha256(out),
        size=out.stat().st_size,
        parameters=sum(p.numel() for p in network.parameters()),
        licence=f"the authors' own; {_UNKNOWN}",
        recipe="the authors' own",
        commit=_UNKNOWN,
        training=_UNKNOWN,
        limits=["Imported: what it was trained on and what it scores is not known here."],
        data=Data(sets=[], licences=_UNKNOWN, weather=_UNKNOWN),
        scores=[],
        origin=origin,
    )
