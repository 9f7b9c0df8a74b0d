from __future__ import annotations

import json

from deweather.models import create_model, list_models


def test_the_table_names_every_model(run):
    result = run("models")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for name in list_models():
        assert sum(line.split()[:1] == [name] for line in lines) == 1


def test_json_states_what_each_needs(run):
    result = run("models", "--json")
    models = {row["name"]: row for row in json.loads(result.stdout)}
    assert list(models) == list_models()
    tiny = create_model("stereoirr-tiny")
    assert models["stereoirr-tiny"] == {
        "name": "stereoirr-tiny",
        "parameters": sum(p.numel() for p in tiny.parameters()),
        "views": [1, 2],
        "minimum": tiny.needs.minimum,
        "multiple": tiny.needs.multiple,
        "tile_overlap": tiny.needs.tile_overlap,
        "whole_rows": tiny.needs.whole_rows,
        "precisions": list(tiny.needs.precisions),
    }
