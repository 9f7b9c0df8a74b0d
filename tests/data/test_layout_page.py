"""The page on data sets: the table of layouts that its script makes, and notes on each."""

import importlib.util
import re
from pathlib import Path

from deweather.data.layout_table import LAYOUTS

DOCS = Path(__file__).parents[2] / "docs"


def script():
    spec = importlib.util.spec_from_file_location("layouts", DOCS / "layouts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_table_is_what_the_script_makes():
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    assert script().page(text) == text


def test_a_stale_table_is_made_anew():
    made, stale = script(), "before\n<!-- layouts -->\nold\n<!-- /layouts -->\nafter"
    assert made.page(stale) == f"before\n<!-- layouts -->\n{made.table()}\n<!-- /layouts -->\nafter"
    assert sum(line.startswith("| `") for line in made.table().splitlines()) == len(LAYOUTS)


def test_every_cell_stays_in_its_column():
    for row in filter(lambda line: line.startswith("|"), script().table().splitlines()):
        assert len(re.findall(r"(?<!\\)\|", row)) == 6


def test_each_set_with_a_layout_has_a_note():
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    notes = text[text.index("## Notes on the sets") :]
    heads = re.findall(r"^\*\*[^*]+\*\*(?: \(([^)]*)\))?", notes, re.MULTILINE)
    assert sorted(re.findall(r"`([^`]+)`", " ".join(heads))) == sorted(LAYOUTS)
