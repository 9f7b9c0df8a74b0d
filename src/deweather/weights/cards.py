"""Weight cards, and finding weights by name or file.

A card is a TOML file beside the weights: what they were trained on, by which recipe, what they score
under which protocol, and where they fail. Bundled weights are checked against their card when loaded.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from deweather.atomic import write_whole
from deweather.checksum import sha256
from deweather.errors import UnknownNameError, WeightsError

BUNDLED = Path(__file__).parent / "bundled"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Score(_Section):
    """One figure: on what, by which protocol, before and after restoring."""

    set: str
    protocol: str
    pictures: int
    before: float
    after: float


class Data(_Section):
    """What the weights were trained on."""

    sets: list[str]
    licences: str
    weather: str


class Origin(_Section):
    """The authors' checkpoint that weights were imported from, and which behaviour was chosen."""

    file: str
    sha256: str
    size: int
    behaviour: Literal["as released", "corrected"]


class Card(_Section):
    """What is known of a checkpoint."""

    name: str
    task: Literal["haze", "rain"]
    sha256: str
    size: int
    parameters: int
    licence: str
    recipe: str
    commit: str
    training: str
    limits: list[str]
    data: Data
    scores: list[Score]
    origin: Origin | None = None


def list_weights() -> list[str]:
    """Names of the weights that ship with the package."""
    return sorted(path.name.removesuffix(".toml") for path in BUNDLED.glob("*.toml"))


def read_card(name: str) -> Card:
    """Read the card of bundled weights.

    Raises:
        UnknownNameError: no such weights; the message lists those there are.
    """
    path = BUNDLED / f"{name}.toml"
    if name not in list_weights():
        raise UnknownNameError("weights", name, list_weights())
    return Card(**tomllib.loads(path.read_text(encoding="utf-8")))


def read_card_beside(path: Path, sha256: str) -> tuple[dict[str, Any] | None, str | None]:
    """The card beside a weights file, of whatever keys, or why there is none.

    Args:
        path: the weights file; its card is the TOML file of the same name.
        sha256: of the weights file; a card that states another one belongs to another file.
    """
    beside = path.with_name(path.name.removesuffix(".safetensors") + ".toml")
    if not beside.is_file():
        return None, "there is no card beside it"
    try:
        card = tomllib.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return None, f"{beside} cannot be read as TOML ({error})"
    if card.get("sha256") != sha256:
        stated = card.get("sha256", "none")
        return None, f"{beside} is not the card of this file: the sha256 that it states is {stated}"
    # TOML has dates, JSON has none.
    return json.loads(json.dumps(card, default=str)), None


def write_card(path: Path, card: Card) -> None:
    """Write a card as TOML; a killed run leaves either the old file or the new one."""
    fields = card.model_dump(exclude_none=True)
    scores = fields.pop("scores")
    tables = [(f"[{k}]", fields.pop(k)) for k in list(fields) if isinstance(fields[k], dict)]
    if scores:
        tables += [("[[scores]]", score) for score in scores]
    else:
        fields["scores"] = []
    lines = [f"{k} = {_toml(v)}" for k, v in fields.items()]
    for name, table in tables:
        lines += ["", name, *(f"{k} = {_toml(v)}" for k, v in table.items())]
    write_whole(path, ("\n".join(lines) + "\n").encode())


def _toml(value: str | float | list[str]) -> str:
    # JSON's strings, numbers and lists of them are TOML's, but for the character DEL.
    text = json.dumps(value, indent=2 if isinstance(value, list) and value else None)
    return text.replace("\x7f", "\\u007f")


def find_weights(weights: str | Path) -> Path:
    """The file of bundled weights (by name) or the file itself (by path).

    Raises:
        UnknownNameError: neither bundled weights nor a file.
        WeightsError: no such file, a network that no weights are bundled for, or the bundled file is
            not the one that its card describes.
    """
    name = str(weights)
    if isinstance(weights, str) and name in list_weights():
        path = BUNDLED / f"{name}.safetensors"
        card = read_card(name)
        if not path.is_file():
            raise WeightsError(f"{path}: is missing from the package; install it again.")
        if sha256(path) != card.sha256:
            raise WeightsError(f"{path}: is not the file of its card; install the package again.")
        return path
    path = Path(weights)
    if os.path.isfile(path):  # unlike Path.is_file it takes names of any length
        return path
    if path.suffix in (".safetensors", ".pt", ".pth") or len(path.parts) > 1:
        raise WeightsError(f"{path}: no such weights file. Bundled: {', '.join(list_weights())}.")
    from deweather.models import list_models  # with torch, which reading cards does without

    if name in list_models() and not any(w.startswith(f"{name}.") for w in list_weights()):
        raise WeightsError(
            f"{name}: no weights are bundled for this network. Give a file that was trained or imported "
            f"(deweather weights import), or take fresh weights: deweather.models.create_model({name!r})."
        )
    raise UnknownNameError("weights", name, list_weights())
