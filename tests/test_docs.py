"""Pages of the docs hold the tables that their script makes, and notes on what there is."""

import importlib.util
import re
from pathlib import Path

import pytest

from deweather.data.layout_table import LAYOUTS

DOCS = Path(__file__).parents[1] / "docs"


def script():
    spec = importlib.util.spec_from_file_location("make_tables", DOCS / "make_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", script().TABLES)
def test_the_committed_table_is_what_the_script_makes(name):
    made = script()
    page = (DOCS / made.TABLES[name][0]).read_text(encoding="utf-8")
    assert f"<!-- {name} -->\n|" in page
    assert made.with_table(page, name) == page


def test_a_stale_table_is_made_anew():
    made = script()
    stale = "before\n<!-- layouts -->\nold\n<!-- /layouts -->\nafter"
    table = made.TABLES["layouts"][1]()
    assert made.with_table(stale, "layouts") == stale.replace("old", table)
    assert sum(line.startswith("| `") for line in table.splitlines()) == len(LAYOUTS)


@pytest.mark.parametrize("name", script().TABLES)
def test_every_cell_stays_in_its_column(name):
    rows = [line for line in script().TABLES[name][1]().splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_each_set_with_a_layout_has_a_note():
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    notes = text[text.index("## Notes on the sets") :]
    heads = re.findall(r"^\*\*[^*]+\*\*(?: \(([^)]*)\))?", notes, re.MULTILINE)
    assert sorted(re.findall(r"`([^`]+)`", " ".join(heads))) == sorted(LAYOUTS)
