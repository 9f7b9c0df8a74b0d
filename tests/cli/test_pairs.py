from __future__ import annotations

import json

import numpy as np
import pytest

from deweather.cli.restore import repeat_right
from deweather.inference import Restorer

from .conftest import files, picture, pixels, write


@pytest.fixture
def rig(tmp_path):
    for seed, name in enumerate(["1.png", "sub/2.png"]):
        write(tmp_path / "l" / name, seed)
        write(tmp_path / "r" / name, seed + 10)
    return tmp_path


def test_pairs_are_restored_together(restore, haze, rig):
    result = restore(rig / "l", "--right", rig / "r", "--out", rig / "out")
    assert result.exit_code == 0
    names = ["left/1.png", "left/sub/2.png", "right/1.png", "right/sub/2.png"]
    assert files(rig / "out") == names
    restorer = Restorer("haze", weights=haze, device="cpu")
    left, right = (pixels(rig / side / "1.png") for side in "lr")
    expected = restorer.restore_pair(left, right)
    np.testing.assert_array_equal(pixels(rig / "out/left/1.png"), expected[0])
    np.testing.assert_array_equal(pixels(rig / "out/right/1.png"), expected[1])
    assert not np.array_equal(expected[0], restorer.restore(left))
    assert result.stdout.startswith(
        f"{rig}/l/1.png + {rig}/r/1.png -> {rig}/out/left/1.png + {rig}/out/right/1.png ("
    )


def test_files_as_a_shell_expands_them(restore, rig):
    write(rig / "l/3.png")
    write(rig / "r/3.png")
    lefts, rights = sorted((rig / "l").glob("*.png")), sorted((rig / "r").glob("*.png"))
    result = restore(*lefts, "--right", *rights, "--out", rig / "out")
    assert result.exit_code == 0
    assert files(rig / "out") == ["left/1.png", "left/3.png", "right/1.png", "right/3.png"]


def test_one_file_each_may_have_other_names(restore, tmp_path):
    write(tmp_path / "l.png")
    write(tmp_path / "r.bmp", 1)
    result = restore(tmp_path / "l.png", "--right", tmp_path / "r.bmp", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert files(tmp_path / "out") == ["left/l.png", "right/l.bmp"]


def test_json_names_both_views(restore, rig):
    result = restore(rig / "l", "--right", rig / "r", "--out", rig / "out", "--json")
    first = json.loads(result.stdout.splitlines()[0])
    assert first["source"] == str(rig / "l/1.png")
    assert first["right"] == str(rig / "r/1.png")
    assert first["outputs"] == [str(rig / f"out/{side}/1.png") for side in ("left", "right")]
    assert (first["width"], first["height"]) == (32, 24)


def test_notes_say_of_which_view_they_are(restore, tmp_path):
    write(tmp_path / "l/a.jpg")
    (tmp_path / "r").mkdir()
    picture().convert("CMYK").save(tmp_path / "r/a.jpg")
    result = restore(tmp_path / "l", "--right", tmp_path / "r", "--out", tmp_path / "out", "--json")
    notes = json.loads(result.stdout)["notes"]
    assert notes
    assert all(note.startswith("Right: ") for note in notes)


def test_of_a_pair_that_was_cut_short_the_missing_half_is_added(restore, rig):
    args = (rig / "l", "--right", rig / "r", "--out", rig / "out")
    restore(*args)
    right = rig / "out/right/1.png"
    whole = right.read_bytes()
    right.unlink()
    kept = (rig / "out/left/1.png").stat()
    result = restore(*args)
    assert result.exit_code == 0
    assert right.read_bytes() == whole
    assert (rig / "out/left/1.png").stat() == kept
    assert result.stderr.startswith("1 restored, 1 already there ")


def test_pairs_of_other_sizes_fail_alone(restore, rig):
    write(rig / "l/wide.png")
    write(rig / "r/wide.png", width=33)
    result = restore(rig / "l", "--right", rig / "r", "--out", rig / "out")
    assert result.exit_code == 1
    assert f"failed: {rig}/l/wide.png + {rig}/r/wide.png: left is 32x24" in result.stderr
    assert len(files(rig / "out")) == 4


def test_a_bad_view_fails_its_pair_and_is_named(restore, rig):
    (rig / "r/1.png").write_bytes(b"")
    result = restore(rig / "l", "--right", rig / "r", "--out", rig / "out")
    assert result.exit_code == 1
    assert f"{rig}/r/1.png: the file is empty" in result.stderr
    assert files(rig / "out") == ["left/sub/2.png", "right/sub/2.png"]


def test_views_without_partner_fail_alone(restore, rig):
    write(rig / "l/0 unpaired.png")
    write(rig / "r/z unpaired.png")
    args = (rig / "l", "--right", rig / "r", "--out", rig / "out")
    result = restore(*args)
    assert result.exit_code == 1
    advice = "Give left and right pictures the same names."
    assert result.stderr.splitlines() == [
        "2 restored, 2 failed",
        f"failed: {rig}/l/0 unpaired.png: it has no partner among the right pictures. {advice}",
        f"failed: {rig}/r/z unpaired.png: it has no partner among the left pictures. {advice}",
    ]
    names = ["left/1.png", "left/sub/2.png", "right/1.png", "right/sub/2.png"]
    assert files(rig / "out") == names
    again = restore(*args)
    assert again.exit_code == 1
    assert again.stderr.startswith("0 restored, 2 already there ")
    assert again.stderr.splitlines()[1:] == result.stderr.splitlines()[1:]


def test_views_without_partner_in_json(restore, rig):
    write(rig / "l/unpaired.png")
    result = restore(rig / "l", "--right", rig / "r", "--out", rig / "out", "--json")
    first, *others = map(json.loads, result.stdout.splitlines())
    assert (first["source"], first["right"]) == (str(rig / "l/unpaired.png"), None)
    assert (first["status"], first["outputs"]) == ("failed", [])
    assert first["error"].startswith("it has no partner among the right pictures.")
    assert [record["status"] for record in others] == ["done", "done"]


def test_no_partner_at_all_is_wrong_usage(restore, rig):
    write(rig / "other/3.png")
    result = restore(rig / "l", "--right", rig / "other", "--out", rig / "out")
    assert result.exit_code == 2
    assert f"no partner for {rig}/l/1.png, {rig}/l/sub/2.png, {rig}/other/3.png" in result.stderr
    assert not (rig / "out").exists()


def test_a_view_without_partner_is_not_replaced(restore, tmp_path):
    write(tmp_path / "l/1.jpg")
    write(tmp_path / "r/1.jpg")
    unpaired = write(tmp_path / "out/left/1.png", 5)
    before = unpaired.read_bytes()
    args = (tmp_path / "l", "--right", tmp_path / "r/1.jpg", unpaired, "--out", tmp_path / "out")
    result = restore(*args, "--format", "png", "--overwrite")
    assert result.exit_code == 2
    assert f"{unpaired} is an input and would be replaced by the result of" in result.stderr
    assert unpaired.read_bytes() == before


def test_side_by_side(restore, haze, tmp_path):
    source = write(tmp_path / "in/sub/both.png", width=64)
    result = restore(
        tmp_path / "in", "--layout", "side-by-side", "--out", tmp_path / "out", "--json"
    )
    assert result.exit_code == 0
    assert files(tmp_path / "out") == ["sub/both.png"]
    both = pixels(source)
    expected = Restorer("haze", weights=haze).restore_pair(both[:, :32], both[:, 32:])
    np.testing.assert_array_equal(pixels(tmp_path / "out/sub/both.png"), np.hstack(expected))
    assert json.loads(result.stdout)["width"] == 64


def test_side_by_side_of_odd_width_fails(restore, tmp_path):
    source = write(tmp_path / "odd.png", width=33)
    result = restore(source, "--layout", "side-by-side", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert f"failed: {source}: a side-by-side picture 33 pixels wide" in result.stderr


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ("a b --right c d --out e", "a b --right c --right d --out e"),
        ("--out e a --right c d", "--out e a --right c --right d"),
        ("--right c a b", "--right c a b"),
        ("--json --right c a --right d", "--json --right c a --right d"),
        ("a --right c --json d", "a --right c --json d"),
        ("a --right=c d", "a --right=c d"),
        ("a --right c -- d", "a --right c -- d"),
    ],
)
def test_right_takes_many_after_the_pictures(given, parsed):
    assert repeat_right(given.split(), {"--json"}) == parsed.split()
