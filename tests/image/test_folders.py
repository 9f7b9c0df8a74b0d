"""Finding pictures, naming outputs, matching pairs."""

import os
from pathlib import Path

import numpy as np
import pytest

from deweather.errors import PairError, PictureError
from deweather.image import (
    find_pairs,
    find_pictures,
    plan_outputs,
    split_side_by_side,
)


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def relatives(sources, **options):
    return [item.relative.as_posix() for item in find_pictures(sources, **options)]


def test_natural_order_any_case_no_hidden(tmp_path):
    touch(tmp_path, "f10.png", "f2.PNG", "F1.jpeg", "sub/a.tif", "notes.txt", ".h.png", "._f1.png")
    touch(tmp_path, ".git/x.png", "b.webp", "c.BMP", "noextension")
    assert relatives([tmp_path]) == ["b.webp", "c.BMP", "F1.jpeg", "f2.PNG", "f10.png", "sub/a.tif"]
    assert relatives([tmp_path], recursive=False)[-1] == "f10.png"


def test_a_file_is_taken_whatever_its_name(tmp_path):
    touch(tmp_path, "upload.tmp", ".hidden.png")
    assert relatives([tmp_path / "upload.tmp"]) == ["upload.tmp"]
    assert relatives([str(tmp_path / ".hidden.png")]) == [".hidden.png"]


def test_the_order_of_sources_is_kept(tmp_path):
    touch(tmp_path, "z/1.png", "a/2.png", "m.png")
    assert relatives([tmp_path / "z", tmp_path / "m.png", tmp_path / "a"]) == [
        "1.png",
        "m.png",
        "2.png",
    ]


def test_link_loops_end(tmp_path):
    touch(tmp_path, "a/b/x.png")
    (tmp_path / "a/b/up").symlink_to(tmp_path)
    (tmp_path / "a/self").symlink_to(tmp_path / "a")
    assert relatives([tmp_path]) == ["a/b/x.png"]


def test_linked_folders_and_broken_links(tmp_path):
    """A link to elsewhere is followed; a broken one is listed, for its reading to name it."""
    touch(tmp_path, "else/x.png", "here/y.png")
    (tmp_path / "here/link").symlink_to(tmp_path / "else")
    (tmp_path / "here/broken.png").symlink_to(tmp_path / "nowhere")
    assert relatives([tmp_path / "here"]) == ["broken.png", "link/x.png", "y.png"]


def test_missing_and_empty(tmp_path):
    with pytest.raises(PictureError, match="no such file or folder"):
        find_pictures([tmp_path / "missing"])
    with pytest.raises(PictureError, match=r"no pictures.*\.jpg.*\.png"):
        find_pictures([tmp_path])
    assert find_pictures([]) == []


@pytest.mark.parametrize("name", ["n" * 300, "n" * 300 + "/a.png", "n/" * 3000, "null\0.png"])
def test_names_that_no_file_can_have(name, tmp_path):
    touch(tmp_path, "a.png")
    source = tmp_path / name
    for find in (find_pictures, lambda s: find_pairs([tmp_path / "a.png"], s)):
        with pytest.raises(PictureError, match="no such file or folder") as error:
            find([source])
        assert str(source) in str(error.value)


def test_equal_names_from_two_folders(tmp_path):
    touch(tmp_path, "a/x.png", "b/x.png", "b/y.png")
    assert relatives([tmp_path / "a", tmp_path / "b"]) == ["a/x.png", "b/x.png", "y.png"]
    assert relatives([tmp_path / "a/x.png", tmp_path / "b/x.png"]) == ["a/x.png", "b/x.png"]
    touch(tmp_path, "c/a/x.png")
    with pytest.raises(PictureError, match="would both be called"):
        find_pictures([tmp_path / "a", tmp_path / "c/a"])


def test_the_same_source_twice_counts_once(tmp_path):
    touch(tmp_path, "x.png")
    assert relatives([tmp_path, tmp_path]) == ["x.png"]


def test_relative_sources(tmp_path, monkeypatch):
    touch(tmp_path, "x.png")
    monkeypatch.chdir(tmp_path)
    assert relatives(["."]) == ["x.png"]
    assert relatives(["x.png"]) == ["x.png"]


def test_plan(tmp_path):
    touch(tmp_path, "a.jpg", "a.png", "b.tif", "sub/a.jpg")
    items = find_pictures([tmp_path])
    out = Path("out")
    assert [target for _, target in plan_outputs(items, out)] == [
        out / item.relative for item in items
    ]
    assert dict(plan_outputs(items, out, "png")) == {
        tmp_path / "a.jpg": out / "a.jpg.png",
        tmp_path / "a.png": out / "a.png",
        tmp_path / "b.tif": out / "b.png",
        tmp_path / "sub/a.jpg": out / "sub/a.png",
    }


def test_plan_refuses_what_still_meets(tmp_path):
    touch(tmp_path, "a.jpg", "a.bmp", "a.jpg.png")
    with pytest.raises(PictureError, match="would both be written to"):
        plan_outputs(find_pictures([tmp_path]), "out", "png")


def test_two_files_make_a_pair_whatever_they_are_called(tmp_path):
    touch(tmp_path, "one.png", "two.jpg")
    (pair,), lefts, rights = find_pairs([tmp_path / "one.png"], [tmp_path / "two.jpg"])
    assert (pair.left.name, pair.right.name) == ("one.png", "two.jpg")
    assert lefts == rights == []


def test_folders_match_by_name_then_by_stem(tmp_path):
    touch(tmp_path, "l/1.png", "l/2.png", "l/s/3.png", "r/1.png", "r/2.jpg", "r/s/3.png")
    pairs, lefts, rights = find_pairs([tmp_path / "l"], [tmp_path / "r"])
    assert lefts == rights == []
    assert [(p.left.name, p.right.name) for p in pairs] == [
        ("1.png", "1.png"),
        ("2.png", "2.jpg"),
        ("3.png", "3.png"),
    ]
    assert pairs[2].relative == Path("s/3.png")


def test_where_nothing_has_a_partner_the_first_few_are_named(tmp_path):
    touch(tmp_path, *[f"l/{i}.png" for i in range(1, 8)], "r/9.png")
    with pytest.raises(PairError, match=r"l/1\.png.* and 3 more"):
        find_pairs([tmp_path / "l"], [tmp_path / "r"])


def test_what_has_partners_is_found_beside_what_has_none(tmp_path):
    touch(tmp_path, "l/1.png", "l/2.png", "l/2.tif", "r/0.png", "r/1.jpg", "r/2.tif")
    pairs, lefts, rights = find_pairs([tmp_path / "l"], [tmp_path / "r"])
    assert [(p.left.name, p.right.name) for p in pairs] == [("1.png", "1.jpg"), ("2.tif", "2.tif")]
    assert lefts == [tmp_path / "l/2.png"]
    assert rights == [tmp_path / "r/0.png"]
    touch(tmp_path, "other/9.png")
    with pytest.raises(PairError, match=r"r/0\.png.*other/9\.png"):
        find_pairs([tmp_path / "r"], [tmp_path / "other"])


def test_ambiguous_stems_do_not_match(tmp_path):
    touch(tmp_path, "l/1.png", "r/1.jpg", "r/1.tif")
    with pytest.raises(PairError):
        find_pairs([tmp_path / "l"], [tmp_path / "r"])


def test_one_right_picture_is_not_used_twice(tmp_path):
    touch(tmp_path, "l/1.png", "l/1.tif", "r/1.png", "r/2.png")
    pairs, lefts, rights = find_pairs([tmp_path / "l"], [tmp_path / "r"])
    assert [(pair.left.name, pair.right.name) for pair in pairs] == [("1.png", "1.png")]
    assert (lefts, rights) == ([tmp_path / "l/1.tif"], [tmp_path / "r/2.png"])


def test_side_by_side():
    pixels = np.arange(2 * 6 * 3, dtype=np.uint8).reshape(2, 6, 3)
    left, right = split_side_by_side(pixels)
    assert np.shares_memory(left, pixels)
    assert np.shares_memory(right, pixels)
    left[:], right[:] = 1, 2
    assert (pixels == np.repeat([1, 2], 3)[:, None]).all()
    with pytest.raises(PairError, match="5 pixels wide"):
        split_side_by_side(pixels[:, :5])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folder(tmp_path):
    touch(tmp_path, "a/x.png")
    (tmp_path / "a").chmod(0)
    with pytest.raises(PictureError, match="cannot be read"):
        find_pictures([tmp_path])
    (tmp_path / "a").chmod(0o755)
