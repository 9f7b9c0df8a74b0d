"""The citation file: the version of the package, and a paper for every network."""

from pathlib import Path

import pytest
import yaml

import deweather
from deweather.models import NETWORKS

PATH = Path(__file__).parents[1] / "CITATION.cff"


@pytest.fixture(scope="module")
def citation():
    return yaml.safe_load(PATH.read_text(encoding="utf-8"))


def test_the_version_is_that_of_the_package(citation):
    assert citation["version"] == deweather.__version__


def test_every_network_has_its_paper(citation):
    papers = " ".join(f"{p['title']} {p.get('notes', '')}" for p in citation["references"])
    missing = [name for name, _ in NETWORKS.values() if name not in papers.replace("-", "")]
    assert missing == []
    assert len(citation["references"]) == len(NETWORKS)


def test_each_has_what_the_format_demands(citation):
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    for paper in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(paper)
        assert all(set(a) in ({"name"}, {"family-names", "given-names"}) for a in paper["authors"])
