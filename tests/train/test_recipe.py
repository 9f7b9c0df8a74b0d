from pathlib import Path

import pytest

from deweather.errors import ConfigError
from deweather.models import create_model
from deweather.train.recipe import read_recipe, schema

FOLDER = Path(__file__).parents[2] / "recipes"
RECIPES = sorted(FOLDER.glob("*.yaml"))
GOOD = "name: a\nmodel: {name: stereoirr-tiny}\nweather: {kind: rain}\nsteps: 10\n"


def recipe(tmp_path, text, *changes):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    return read_recipe(path, changes)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_committed_recipes_are_valid(path):
    read = read_recipe(path)
    assert read.name == path.stem
    needs = create_model(read.model.name, **read.model.switches).needs
    assert read.data.patch % needs.multiple == 0


def test_every_method_has_a_published_and_a_small_recipe():
    recipes = [read_recipe(path) for path in RECIPES]
    for network, kind in {
        "stereoirr": "charbonnier",
        "psidnet": "stages",
        "apanet": "ssim",
        "kanet": "reweighted",
        "dcmpnet": "depth",
    }.items():
        for variant in (network, f"{network}-small"):
            kinds = {r.loss.kind for r in recipes if r.model.name == variant}
            assert kind in kinds, variant
            assert "distillation" in kinds or network != "apanet"


def test_the_schema_is_current():
    """If not: deweather train --schema > recipes/schema.json."""
    assert (FOLDER / "schema.json").read_text(encoding="utf-8") == schema()


def test_defaults_fill_what_is_left_out(tmp_path):
    read = recipe(tmp_path, GOOD)
    assert read.data.patch == 128
    assert read.loss.kind == "charbonnier"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "data: {pach: 64}\n", r"data\.pach: unknown key; did you mean 'patch'"),
        (GOOD + "stepz: 3\n", r"stepz: unknown key; did you mean 'steps'"),
        (GOOD + "loss: {frequncy_weight: 1}\n", r"loss\.frequncy_weight.*'frequency_weight'"),
        (GOOD + "loss: {kind: stages, eps: 1}\n", r"loss\.eps.*early_stages"),
        (GOOD + "loss: {kind: depht}\n", r"loss\.kind: unknown loss 'depht'; did you mean 'depth'"),
        (GOOD + "loss: stages\n", r"loss: give keys.*charbonnier, stages.*given: 'stages'"),
        (GOOD + "loss:\n", r"loss: give keys.*given: None"),
        (GOOD + "optimizer: {betas: [2, 0.9]}\n", r"optimizer\.betas\.0: .*less than 1 \(given: 2"),
        (GOOD + "optimizer: {rate: .inf}\n", r"optimizer\.rate: .*finite"),
        (GOOD + "data: {scales: [1, 0.3]}\n", r"data: scales are \[1\.0, 0\.3\]; give the least"),
        (GOOD + "data: {scales: [0, 1]}\n", r"data: scales are \[0\.0, 1\.0\].*above 0"),
        (GOOD + "dev: {folder: x, split: test}\n", r"dev\.split: .*'train' or 'val'"),
        (GOOD + "loss: {kind: 7}\n", r"loss\.kind: unknown loss '7'; valid: charbonnier"),
        (
            GOOD + "loss: {kind: depth, features: {knd: 3}}\n",
            r"loss\.features\.knd: unknown key; did you mean 'kind'",
        ),
        (
            GOOD + "data: {phases: [{start: 3, patch: 32, batch_picture: 3}]}\n",
            r"data\.phases\.0\.batch_picture: unknown key; did you mean 'batch_pictures'",
        ),
        (
            GOOD
            + "data: {phases: [{start: 3, patch: 32, batch_pictures: 3}, "
            + "{start: 2, patch: 16, batch_pictures: 2}]}\n",
            r"data: phases start at \[3, 2\]; give rising steps",
        ),
        (GOOD + "loss: {kind: depth, truth: teacher}\n", r"loss: truth: teacher and"),
        (GOOD + "dev: {foldr: x}\n", r"dev\.foldr: unknown key; did you mean 'folder'"),
        (GOOD.replace("rain", "snow"), r"weather\.kind.*snow"),
        (GOOD.replace("10", "-1"), r"steps.*-1"),
        ("name: a\n", r"model: Field required"),
        ("[1, 2]", "holds no keys"),
        ("a: [", "not YAML"),
    ],
)
def test_errors_name_the_dotted_path(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        recipe(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: {views: 8}\n", r"data\.views: is called 'batch_pictures' now; rename it"),
        (
            "data: {phases: [{start: 3, patch: 32, views: 3}]}\n",
            r"data\.phases\.0\.views: is called 'batch_pictures' now",
        ),
        (
            "loss: {kind: distillation, teacher: a, real: b, real_views: 2}\n",
            r"loss\.real_views: is called 'real_batch_pictures' now",
        ),
    ],
)
def test_keys_of_earlier_versions_are_told_their_new_name(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        recipe(tmp_path, GOOD + text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        read_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("steps=20", lambda r: r.steps == 20),
        ("optimizer.rate=1e-4", lambda r: r.optimizer.rate == 1e-4),
        ("optimizer.clip=null", lambda r: r.optimizer.clip is None),
        ("data.scales=[0.5, 1]", lambda r: r.data.scales == (0.5, 1.0)),
        ("name=123", lambda r: r.name == "123"),
        ("name=true", lambda r: r.name == "true"),
        ("weather.keep_veil=true", lambda r: r.weather.keep_veil is True),
        ("model.switches.width=16", lambda r: r.model.switches == {"width": 16}),
        ("loss={kind: stages, early_stages: false}", lambda r: r.loss.early_stages is False),
        ("dev.folder=a=b", lambda r: str(r.dev.folder) == "a=b"),
    ],
)
def test_changes_are_read_by_the_type_of_their_key(tmp_path, change, value):
    assert value(recipe(tmp_path, GOOD, change))


def test_a_change_is_data_and_never_code(tmp_path):
    text = "__import__('os').mkdir('x')"
    assert recipe(tmp_path, GOOD, f"name={text}").name == text
    with pytest.raises(ConfigError, match="is not YAML"):
        recipe(tmp_path, GOOD, "name=!!python/object/apply:os.getcwd []")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("steps", "write KEY=VALUE"),
        ("=3", "write KEY=VALUE"),
        ("data..patch=3", "write KEY=VALUE"),
        ("steps=abc", "steps: Input should be a valid integer"),
        ("steps.x=3", "steps is 10 and holds no keys"),
        ("data.pach=3", r"data\.pach: unknown key; did you mean 'patch'"),
        ("pach.x=3", "pach: unknown key"),
        ("name=[", "is not YAML"),
    ],
)
def test_changes_that_cannot_be_made(tmp_path, change, said):
    with pytest.raises(ConfigError, match=said):
        recipe(tmp_path, GOOD, change)
