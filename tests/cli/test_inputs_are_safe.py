"""No input is lost: not by writing among the inputs, not by naming one file twice."""

from __future__ import annotations

import os

import pytest

from .conftest import files, write


def contents(folder):
    return {name: (folder / name).read_bytes() for name in files(folder)}


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "album"
    for seed, name in enumerate(["a.jpg", "b.png", "sub/c.png"]):
        write(folder / name, seed)
    return folder


@pytest.mark.parametrize("more", [[], ["--format", "png"], ["--layout", "side-by-side"]])
def test_out_equal_to_the_source_folder_is_refused(restore, album, more):
    before = contents(album)
    result = restore(album, "--out", album, *more)
    assert result.exit_code == 2
    assert "--overwrite" in result.stderr
    assert contents(album) == before


def test_out_equal_to_the_source_folder_through_a_link_is_refused(restore, album, tmp_path):
    (tmp_path / "link").symlink_to(album)
    result = restore(album, "--out", tmp_path / "link")
    assert result.exit_code == 2


def test_a_file_is_not_restored_into_itself(restore, album):
    before = contents(album)
    result = restore(album / "b.png", "--out", album)
    assert result.exit_code == 2
    assert f"{album}/b.png is an input and would be replaced" in result.stderr
    assert contents(album) == before


def test_in_place_with_overwrite_is_what_was_asked_for(restore, album):
    restore(album, "--out", album.parent / "out")
    expected = contents(album.parent / "out")
    assert restore(album, "--out", album, "--overwrite").exit_code == 0
    assert contents(album) == expected


def test_another_format_beside_the_source(restore, album):
    before = contents(album)
    args = (album / "a.jpg", "--out", album, "--format", "png")
    assert restore(*args).exit_code == 0
    assert files(album) == ["a.jpg", "a.png", "b.png", "sub/c.png"]
    assert "1 already there" in restore(*args).stderr
    (album / "a.png").unlink()
    assert contents(album) == before


def test_the_input_of_another_is_never_replaced(restore, album, tmp_path):
    write(tmp_path / "out/a.jpg", 9)
    (tmp_path / "link.jpg").symlink_to(tmp_path / "out/a.jpg")
    before = contents(tmp_path)
    sources = (album / "a.jpg", tmp_path / "link.jpg")
    result = restore(*sources, "--out", tmp_path / "out", "--overwrite")
    assert result.exit_code == 2
    assert f"replaced by the result of {album}/a.jpg" in result.stderr
    assert contents(tmp_path) == before


def test_an_input_that_links_to_an_output_name_is_refused(restore, tmp_path):
    real = write(tmp_path / "out/a.png")
    before = real.read_bytes()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").symlink_to(real)
    result = restore(tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "is an input and would be replaced" in result.stderr
    assert real.read_bytes() == before


def test_two_names_of_one_input_do_not_feed_on_each_other(restore, tmp_path):
    write(tmp_path / "a.png")
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    before = contents(tmp_path)
    result = restore(tmp_path, "--out", tmp_path, "--overwrite")
    assert result.exit_code == 2
    assert contents(tmp_path) == before


def test_results_within_the_source_are_not_restored_again(restore, album):
    out = album / "clear"
    assert restore(album, "--out", out).exit_code == 0
    first = contents(out)
    assert sorted(first) == ["a.jpg", "b.png", "sub/c.png"]
    result = restore(album, "--out", out)
    assert result.exit_code == 0
    assert result.stderr.startswith("0 restored, 3 already there ")
    assert result.stderr.endswith(", 0 failed\n")
    assert restore(album, "--out", out, "--overwrite").exit_code == 0
    assert contents(out) == first


def test_a_folder_within_the_output_can_be_asked_for(restore, album):
    out = album / "clear"
    restore(album, "--out", out)
    result = restore(out / "sub", "--out", out / "again")
    assert result.exit_code == 0
    assert files(out / "again") == ["c.png"]


def test_only_results_in_the_source_are_nothing_to_do(restore, tmp_path):
    write(tmp_path / "in/out/a.png")
    result = restore(tmp_path / "in", "--out", tmp_path / "in/out")
    assert result.exit_code == 2
    assert "lie in the output folder" in result.stderr


def test_pairs_refuse_an_output_among_them(restore, tmp_path):
    write(tmp_path / "left/a.png")
    write(tmp_path / "right/a.png", 1)
    before = contents(tmp_path)
    pair = (tmp_path / "left", "--right", tmp_path / "right")
    for out in (tmp_path, tmp_path / "left", tmp_path / "right/out"):
        result = restore(*pair, "--out", out)
        assert result.exit_code == 2
        assert "Name" in result.stderr
        assert contents(tmp_path) == before
    assert restore(*pair, "--out", tmp_path, "--overwrite").exit_code == 0
    assert files(tmp_path) == ["left/a.png", "right/a.png"]
    assert contents(tmp_path) != before
