from __future__ import annotations

import json

import pytest

from deweather.data import LAYOUTS

from .conftest import write


def plain(root, count=3):
    for number in range(count):
        write(root / "hazy" / f"{number}.png", seed=number)
        write(root / "clean" / f"{number}.png", seed=number)
    return root


def test_all_layouts_are_listed_with_what_they_look_for(run):
    result = run("data", "layouts")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    heads = [line.split(":")[0] for line in lines if not line.startswith(" ")]
    assert heads == list(LAYOUTS)
    place = heads.index("its")
    assert "RESIDE indoor" in [line for line in lines if not line.startswith(" ")][place]
    assert "  degraded: (hazy|haze)/**/{key}_{variant}.PICTURE" in lines


def test_layouts_as_json(run):
    rows = {row["name"]: row for row in json.loads(run("data", "layouts", "--json").stdout)}
    assert list(rows) == list(LAYOUTS)
    assert rows["kitti2015"]["views"] == 2
    assert rows["sots"]["border"] == 10
    assert rows["rain1400"]["files"] == LAYOUTS["rain1400"].names()


def test_a_good_set(run, tmp_path):
    result = run("data", "audit", plain(tmp_path), "--layout", "paired")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "Nothing is wrong."
    assert "3 samples" in result.stdout
    assert "32x24: 6" in result.stdout


def test_a_set_with_faults(run, tmp_path):
    plain(tmp_path)
    (tmp_path / "hazy" / "1.png").write_bytes(b"")
    write(tmp_path / "hazy" / "new\nline.png")
    result = run("data", "audit", tmp_path, "--layout", "paired")
    assert result.exit_code == 1
    assert "unreadable (1):\n" in result.stdout
    assert "1.png: the file is empty" in result.stdout
    assert "without partners (1):\n" in result.stdout
    assert "new\\nline.png: no clean picture" in result.stdout
    assert "Something is wrong" in result.stdout


def test_the_report_as_json(run, tmp_path):
    plain(tmp_path)
    (tmp_path / "clean" / "2.png").unlink()
    result = run("data", "audit", tmp_path, "--layout", "paired", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["ok"], found["samples"], found["sizes"]) == (False, 2, {"32x24": 4})
    assert found["unmatched"] == [f"{tmp_path / 'hazy' / '2.png'}: no clean picture"]


def test_pairs_are_looked_at(run, tmp_path):
    for number in range(3):
        for side in ("left", "right"):
            write(tmp_path / side / f"{number}.png", seed=number)
    shown = run("data", "audit", tmp_path, "--layout", "stereo", "--pairs", "2").stdout
    assert "pairs in which points were matched: 2" in shown
    assert shown.count("too few points to tell") == 2


def test_long_lists_are_cut(run, tmp_path):
    plain(tmp_path, count=1)
    for number in range(25):
        write(tmp_path / "hazy" / f"{number + 1}.png")
    shown = run("data", "audit", tmp_path, "--layout", "paired").stdout
    assert "without partners (25):" in shown
    assert shown.count("no clean picture") == 20
    assert "and 5 more; --json lists all" in shown


@pytest.mark.parametrize(
    ("name", "message"),
    [("itss", "Did you mean 'its'"), ("its", "Looked for degraded: (hazy|haze)/")],
)
def test_what_does_not_fit_exits_with_2(run, tmp_path, name, message):
    result = run("data", "audit", plain(tmp_path), "--layout", name)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert run("data", "audit", tmp_path / "absent", "--layout", "its").exit_code == 2
