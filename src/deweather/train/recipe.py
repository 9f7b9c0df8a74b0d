"""A recipe: everything that decides what a training run does, as typed YAML.

Unknown keys and values out of range are errors that name the dotted path and the nearest valid key.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deweather.errors import ConfigError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSection(_Section):
    """Which network is trained."""

    name: str
    switches: dict[str, Any] = Field(default_factory=dict)
    weights: str | None = Field(
        None, description="bundled name or file to start from; null starts at random"
    )


class DataSection(_Section):
    """What clean scenes it sees; see `deweather.data.SceneBatches`."""

    patch: int = Field(128, ge=16, description="side of the crops, pixels")
    views: int = Field(16, ge=2, description="pictures in a batch")
    stereo_share: float = Field(0.5, ge=0, le=1, description="share of stereo batches")
    layered_share: float = Field(
        0.5, ge=0, le=1, description="share of stereo cut from photographs"
    )
    scales: tuple[float, float] = Field(
        (0.3, 1.0), description="reduction before cropping, least, most"
    )


class WeatherSection(_Section):
    """What weather is put into them."""

    kind: Literal["haze", "rain"]
    clear_share: float = Field(0.2, ge=0, le=1, description="share of pictures in clear weather")
    keep_veil: bool = Field(
        False,
        description="rain: take off the streaks alone, leave mist and veil to the haze network",
    )


class LossSection(_Section):
    """Charbonnier plus weighted frequency L1."""

    charbonnier_eps: float = Field(1e-3, gt=0)
    frequency_weight: float = Field(0.1, ge=0)


class OptimizerSection(_Section):
    """AdamW with a linear warm-up and a cosine to `final_rate`."""

    rate: float = Field(1e-3, gt=0)
    final_rate: float = Field(1e-7, ge=0)
    warmup: int = Field(200, ge=0, description="steps")
    betas: tuple[float, float] = (0.9, 0.9)
    weight_decay: float = Field(0.0, ge=0)
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")


class Recipe(_Section):
    """One training run."""

    name: str
    model: ModelSection
    weather: WeatherSection
    data: DataSection = DataSection()
    loss: LossSection = LossSection()
    optimizer: OptimizerSection = OptimizerSection()
    steps: int = Field(gt=0)
    checkpoint_every: int = Field(100, gt=0, description="steps; a run resumes at these")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the averaged weights")
    seed: int = 0


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe from YAML.

    Raises:
        ConfigError: not YAML, an unknown key, or a value out of range; names the dotted path.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds no keys; see recipes/ for examples.")
    try:
        return Recipe(**values)
    except ValidationError as error:
        raise ConfigError(f"{path}: " + "; ".join(map(_say, error.errors()))) from error


def _say(problem: Any) -> str:
    """One line for a pydantic problem, with the nearest valid key for an unknown one."""
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        given = "" if problem["type"] == "missing" else f" (given: {problem['input']!r})"
        return f"{path}: {problem['msg']}{given}"
    section: Any = Recipe
    for part in problem["loc"][:-1]:
        section = section.model_fields[part].annotation
    valid = list(section.model_fields)
    near = difflib.get_close_matches(str(problem["loc"][-1]), valid, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; valid keys: {', '.join(valid)}"
    return f"{path}: unknown key{hint}"
