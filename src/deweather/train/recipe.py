"""A recipe: everything that decides what a training run does, as typed YAML.

Unknown keys and values out of range are errors that name the dotted path and the nearest valid key.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import Discriminator, Field, Tag, ValidationError

from deweather.errors import ConfigError
from deweather.train.sections import (
    CharbonnierSection,
    DataSection,
    DepthSection,
    DevSection,
    DistillationSection,
    GuardSection,
    ModelSection,
    OptimizerSection,
    ReweightedSection,
    Section,
    SsimSection,
    StagesSection,
    WeatherSection,
)


def _loss_kind(value: Any) -> Any:
    """Which loss is meant; the first one needs no name."""
    if isinstance(value, dict):
        return value.get("kind", "charbonnier")
    return getattr(value, "kind", None)


Loss = Annotated[
    Annotated[CharbonnierSection, Tag("charbonnier")]
    | Annotated[StagesSection, Tag("stages")]
    | Annotated[SsimSection, Tag("ssim")]
    | Annotated[DistillationSection, Tag("distillation")]
    | Annotated[ReweightedSection, Tag("reweighted")]
    | Annotated[DepthSection, Tag("depth")],
    Discriminator(_loss_kind),
]
"""What is minimised, chosen by `kind`."""


class Recipe(Section):
    """One training run."""

    name: str
    model: ModelSection
    weather: WeatherSection
    data: DataSection = DataSection()
    dev: DevSection | None = None
    loss: Loss = CharbonnierSection()
    optimizer: OptimizerSection = OptimizerSection()
    guard: GuardSection = GuardSection()
    steps: int = Field(gt=0)
    checkpoint_every: int = Field(100, gt=0, description="steps")
    log_every: int = Field(20, gt=0, description="steps")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the averaged weights")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    compile: str | None = Field(None, description="torch.compile's backend, such as inductor")
    seed: int = Field(0, ge=0, lt=1 << 20)


def read_recipe(path: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe from YAML.

    Args:
        path: the file.
        changes: `a.b=c` each, set before the recipe is checked; c is read as YAML.

    Raises:
        ConfigError: not YAML, an unknown key, or a value out of range; names the dotted path.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds no keys; see recipes/ for examples.")
    texts = dict(_split(change) for change in changes)
    for dotted, text in texts.items():
        _put(values, dotted, _read_value(dotted, text))
    try:
        return _check(values, texts)
    except ValidationError as error:
        raise ConfigError(f"{path}: " + "; ".join(map(_say, error.errors()))) from error


def _split(change: str) -> tuple[str, str]:
    dotted, equals, text = change.partition("=")
    if not equals or not all(dotted.split(".")):
        raise ConfigError(f"--set {change!r}: write KEY=VALUE, such as optimizer.rate=3e-4.")
    return dotted, text


def _read_value(dotted: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {dotted}: {text!r} is not YAML; quote it.") from error


def _put(values: dict[str, Any], dotted: str, value: Any) -> None:
    """Set a value by its dotted path; sections that are missing or null on the way are made."""
    *path, last = dotted.split(".")
    section: Any = values
    for i, key in enumerate(path):
        if section.get(key) is None:
            section[key] = {}
        section = section[key]
        if not isinstance(section, dict):
            where = ".".join(path[: i + 1])
            raise ConfigError(f"--set {dotted}: {where} is {section!r} and holds no keys.")
    section[last] = value


def _check(values: dict[str, Any], texts: dict[str, str]) -> Recipe:
    """The recipe; a change that must be a string, though it reads like a number, is one."""
    try:
        return Recipe(**values)
    except ValidationError as error:
        wrong = {_dotted(p) for p in error.errors() if p["type"] == "string_type"} & texts.keys()
        if not wrong:
            raise
        for dotted in wrong:
            _put(values, dotted, texts[dotted])
        return Recipe(**values)


def _sections(kind: Any) -> dict[str, type[Section]]:
    """The sections that an annotation allows, by their tag, or by their name if they have none."""
    tag = next((m.tag for m in get_args(kind)[1:] if isinstance(m, Tag)), None)
    if tag is not None:
        return {tag: get_args(kind)[0]}
    if isinstance(kind, type) and issubclass(kind, Section):
        return {kind.__name__: kind}
    return {name: s for part in get_args(kind) for name, s in _sections(part).items()}


def _walk(loc: Sequence[Any]) -> tuple[list[str], type[Section]]:
    """The keys of a problem's place, without the tags of losses, and the section that it is in."""
    keys: list[str] = []
    section: type[Section] = Recipe
    inner: dict[str, type[Section]] = {}
    for part in loc:
        if part in inner:
            section = inner[part]
        elif part in section.model_fields:
            keys.append(str(part))
            field = section.model_fields[part]
            inner = _sections(field.annotation)
            if len(inner) == 1:
                section = next(iter(inner.values()))
        else:
            keys.append(str(part))
    return keys, section


def _dotted(problem: Any) -> str:
    return ".".join(_walk(problem["loc"])[0])


def _say(problem: Any) -> str:
    """One line for a pydantic problem, with the nearest valid key for an unknown one."""
    keys, section = _walk(problem["loc"])
    path = ".".join(keys)
    if problem["type"] == "union_tag_invalid":
        context = problem["ctx"]
        given, names = context["tag"], context["expected_tags"].replace("'", "").split(", ")
        near = difflib.get_close_matches(given, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; valid: {', '.join(names)}"
        return f"{path}.kind: unknown loss {given!r}{hint}"
    if problem["type"] == "union_tag_not_found":
        names = ", ".join(_sections(section.model_fields[keys[-1]].annotation))
        return f"{path}: give keys, kind among them: {names} (given: {problem['input']!r})"
    if problem["type"] != "extra_forbidden":
        whole = problem["type"] in ("missing", "value_error")  # the message says what is wrong
        given = "" if whole else f" (given: {problem['input']!r})"
        return f"{path}: {problem['msg'].removeprefix('Value error, ')}{given}"
    if keys[-1] in section.renamed:
        return f"{path}: is called {section.renamed[keys[-1]]!r} now; rename it"
    valid = list(section.model_fields)
    near = difflib.get_close_matches(keys[-1], valid, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; valid keys: {', '.join(valid)}"
    return f"{path}: unknown key{hint}"


def schema() -> str:
    """The JSON schema of recipes, for editors; `recipes/schema.json` is this text."""
    return json.dumps(Recipe.model_json_schema(), indent=1) + "\n"
