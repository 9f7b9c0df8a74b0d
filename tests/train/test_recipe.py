from pathlib import Path

import pytest

from deweather.errors import ConfigError
from deweather.models import create_model
from deweather.train.recipe import read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
GOOD = "name: a\nmodel: {name: stereoirr-tiny}\nweather: {kind: rain}\nsteps: 10\n"


def recipe(tmp_path, text):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    return read_recipe(path)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_committed_recipes_are_valid(path):
    read = read_recipe(path)
    assert read.name == path.stem
    create_model(read.model.name, **read.model.switches)


def test_there_are_recipes_for_rain_and_haze():
    assert {read_recipe(p).weather.kind for p in RECIPES} == {"rain", "haze"}


def test_defaults_fill_what_is_left_out(tmp_path):
    assert recipe(tmp_path, GOOD).data.patch == 128


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "data: {pach: 64}\n", r"data\.pach: unknown key; did you mean 'patch'"),
        (GOOD + "stepz: 3\n", r"stepz: unknown key; did you mean 'steps'"),
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


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        read_recipe(tmp_path / "none.yaml")
