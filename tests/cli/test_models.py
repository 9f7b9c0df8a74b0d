from __future__ import annotations

import json

from deweather.cli.models import about
from deweather.models import NETWORKS, create_model, list_models
from deweather.models.cost import gflop_per_megapixel
from deweather.weights import list_weights


def test_the_table_names_every_model(run):
    result = run("models")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for name in list_models():
        row, purpose = (line.split() for line in lines if line.split()[:1] == [name])
        assert row[1].replace(",", "").isdigit()
        assert " ".join(purpose[1:]) == about(name)


def test_the_table_tells_who_reads_both_views(run):
    lines = run("models").stdout.splitlines()
    alone = {line.split()[0].partition("-")[0] for line in lines if "1 or 2, each alone" in line}
    assert alone == {"kanet", "dcmpnet"}


def test_each_network_is_named_above_its_variants(run):
    lines = run("models").stdout.splitlines()
    for family, (_, title) in NETWORKS.items():
        assert lines[lines.index(f"{family}: {title}") + 1].split()[0] == family


def test_about_says_the_size_and_what_local_means():
    local = "local averages: tiles agree with the whole picture"
    assert about("net") == "published size"
    assert about("net-local") == f"published size; {local}"
    assert about("net-tiny") == "smallest, for trials and tests"
    assert about("net-small-local") == f"compact, for a CPU or a small GPU; {local}"
    assert about("net-huge") == "huge"
    assert about("net-huge-local") == f"huge; {local}"


def test_json_states_what_each_needs(run):
    result = run("models", "--json")
    models = {row["name"]: row for row in json.loads(result.stdout)}
    assert list(models) == list_models()
    tiny = create_model("stereoirr-tiny")
    assert models["stereoirr-tiny"] == {
        "name": "stereoirr-tiny",
        "about": "smallest, for trials and tests",
        "parameters": sum(p.numel() for p in tiny.parameters()),
        "gflop_per_megapixel": gflop_per_megapixel("stereoirr-tiny"),
        "weights": [],
        "views": [1, 2],
        "minimum": tiny.needs.minimum,
        "multiple": tiny.needs.multiple,
        "padding": "reflect",
        "tile_overlap": tiny.needs.tile_overlap,
        "whole_rows": tiny.needs.whole_rows,
        "precisions": list(tiny.needs.precisions),
    }
    assert [w for row in models.values() for w in row["weights"]] == list_weights()
    assert models["stereoirr-small"]["weights"] == ["stereoirr-small.haze", "stereoirr-small.rain"]
