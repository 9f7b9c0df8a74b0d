"""Scenes from folders of pictures: reading, cropping, and batches that follow from their number."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deweather.data import SceneBatches, SceneLibrary
from deweather.data.scenes import StereoPictures, mirror_pair, photometric, read_pair, read_rgb
from deweather.errors import ConfigError, PictureError

from ..weather.make import photo
from .trees import VAST

SHIFT = 6


def save(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def save_pair(folder, *, disparity=None, suffix="png"):
    wide = photo(60, 120, seed=7)
    save(folder / f"left.{suffix}", wide[:, :100])
    save(folder / f"right.{suffix}", wide[:, SHIFT : 100 + SHIFT])
    if disparity is not None:
        np.savez_compressed(folder / "disparity.npz", disparity=disparity)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    for i, size in enumerate([(70, 90), (90, 70), (64, 64)]):
        save(root / "mono" / f"{i}.png", photo(*size, seed=i))
    (root / "mono" / "readme.txt").write_text("no picture")
    known = np.full((60, 100), SHIFT, np.float32)
    known[20:30, 40:50] = np.nan
    save_pair(root / "stereo_gt" / "a", disparity=known)
    save_pair(root / "stereo" / "b")
    (root / "stereo" / "notes.md").write_text("no folder")
    return root


@pytest.fixture(scope="module")
def library(folder):
    return SceneLibrary.read(folder)


def batches(library, **changes):
    values = {
        "patch": 32,
        "views": 4,
        "stereo_share": 0.5,
        "layered_share": 0.5,
        "scales": (0.4, 1.0),
        "length": 10,
        "seed": 3,
    }
    return SceneBatches(library, **(values | changes))


def test_reading_finds_what_is_there(library):
    assert [p.shape for p in library.photos] == [(70, 90, 3), (90, 70, 3), (64, 64, 3)]
    assert len(library.pairs) == 2
    assert np.array_equal(library.photos[0], photo(70, 90, seed=0))


def test_colours_are_red_green_blue(tmp_path):
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    save(tmp_path / "red.png", red)
    assert np.array_equal(read_rgb(tmp_path / "red.png"), red)


def test_measured_disparity_is_taken_and_its_holes_are_filled(library):
    measured = library.pairs[0].disparity.astype(np.float32)
    assert (measured[0] == SHIFT).all()
    assert (measured[1] == SHIFT).all()


def test_other_pairs_are_matched(library):
    assert (np.abs(library.pairs[1].disparity - SHIFT) <= 1).mean() > 0.9


def test_large_pictures_shrink_and_their_disparity_with_them(tmp_path):
    wide = cv2.resize(photo(60, 160), (2600, 975))
    save(tmp_path / "left.png", wide[:, :2560])
    save(tmp_path / "right.png", wide[:, 24:2584])
    np.savez_compressed(tmp_path / "disparity.npz", disparity=np.full((975, 2560), 24.0))
    found = read_pair(tmp_path)
    assert found.pair.shape[2] == 1280
    assert found.disparity.shape == found.pair.shape[:3]
    assert (found.disparity == 12).all()


def test_several_kinds_of_folder_may_be_missing(tmp_path):
    save(tmp_path / "mono" / "a.jpg", photo())
    library = SceneLibrary.read(tmp_path)
    assert (len(library.photos), len(library.pairs)) == (1, 0)


def test_nothing_found_names_the_folder_and_the_layout(tmp_path):
    with pytest.raises(ConfigError, match=r"no pictures under .*mono.*stereo_gt.*disparity\.npz"):
        SceneLibrary.read(tmp_path)
    with pytest.raises(ConfigError, match="absent"):
        SceneLibrary.read(tmp_path / "absent")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\nno more", b"text", VAST])
def test_broken_pictures_are_named(tmp_path, content):
    (tmp_path / "mono").mkdir()
    (tmp_path / "mono" / "broken.png").write_bytes(content)
    with pytest.raises(PictureError, match=r"broken\.png"):
        SceneLibrary.read(tmp_path)


def test_links_that_lead_nowhere_are_named(tmp_path):
    (tmp_path / "mono").mkdir()
    (tmp_path / "mono" / "gone.png").symlink_to(tmp_path / "absent.png")
    with pytest.raises(PictureError, match=r"gone\.png: cannot be read"):
        SceneLibrary.read(tmp_path)


def test_what_is_broken_among_good_ones_is_left_out_and_named(tmp_path, caplog):
    save(tmp_path / "mono/a.png", photo(40, 50))
    (tmp_path / "mono/b.png").write_bytes(b"no picture")
    save_pair(tmp_path / "stereo_gt/scene")
    (tmp_path / "stereo_gt/half").mkdir()
    save(tmp_path / "stereo_gt/half/left.png", photo(40, 50))
    library = SceneLibrary.read(tmp_path)
    assert (len(library.photos), len(library.pairs)) == (1, 1)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "b.png" in said[0]
    assert "half: has no right.png" in said[1]


def test_pairs_that_are_none_are_named(tmp_path):
    save(tmp_path / "left.png", photo(40, 50))
    with pytest.raises(PictureError, match=r"has no right\.png"):
        read_pair(tmp_path)
    save(tmp_path / "right.png", photo(40, 52))
    with pytest.raises(PictureError, match=r"left is \(40, 50, 3\), right \(40, 52, 3\)"):
        read_pair(tmp_path)


@pytest.mark.parametrize("damage", ["shape", "text", "key"])
def test_disparity_that_does_not_fit_is_named(tmp_path, damage):
    save_pair(tmp_path, disparity=np.ones((60, 101)) if damage == "shape" else None)
    file = tmp_path / "disparity.npz"
    if damage == "text":
        file.write_bytes(b"no archive")
    elif damage == "key":
        np.savez(file, depth=np.ones((60, 100)))
    with pytest.raises(PictureError, match=r"disparity\.npz"):
        read_pair(tmp_path)


def same(a, b):
    names = ("frames", "disparity", "focal_length", "baseline")
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in names)


def test_a_batch_is_a_function_of_seed_and_number(library):
    forwards = [batches(library)[k] for k in range(8)]
    other = batches(library, length=99)
    for k in reversed(range(8)):
        assert same(other[k], forwards[k])
    assert not any(same(forwards[k], forwards[k + 1]) for k in range(7))
    assert not same(batches(library, seed=4)[0], forwards[0])


@settings(derandomize=True, max_examples=25, deadline=None)
@given(k=st.integers(0, 10**6), patch=st.sampled_from([16, 40, 80]))
def test_batches_are_scenes_of_the_promised_size(library, k, patch):
    scene = batches(library, patch=patch)[k]
    b, v = scene.frames.shape[:2]
    assert (b, v) in {(4, 1), (2, 2)}
    assert scene.frames.shape == (b, v, 3, patch, patch)
    assert scene.frames.dtype == scene.disparity.dtype == torch.float32
    assert 0 <= scene.frames.min() <= scene.frames.max() <= 1
    assert torch.isfinite(scene.disparity).all()
    assert (scene.disparity >= 0).all()
    assert ((scene.focal_length >= 1.5 * patch) & (scene.focal_length <= 6 * patch)).all()
    assert (scene.baseline > 0).all()


def test_the_median_point_is_between_3_and_60_metres(library):
    depths = torch.cat([batches(library)[k].depth().flatten(1).median(1).values for k in range(30)])
    assert depths.min() > 2.9
    assert depths.max() < 61
    assert depths.max() / depths.min() > 4


def test_shares(library):
    def stereo(**changes):
        made = batches(library, patch=16, **changes)
        return np.mean([made[k].frames.shape[1] == 2 for k in range(100)])

    assert stereo(stereo_share=0.0) == 0
    assert stereo(stereo_share=1.0) == 1
    assert stereo(stereo_share=0.3) == pytest.approx(0.3, abs=0.15)


def coded_pair(h=60, w=100):
    """A pair whose grey values tell the row, under a disparity that tells it too."""
    rows = np.repeat(np.arange(h, dtype=np.uint8), w).reshape(h, w)
    pair = np.stack([np.stack([rows * 4] * 3, 2)] * 2)
    disparity = np.stack([rows] * 2).astype(np.float16)
    return StereoPictures(pair, disparity)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_crops_of_both_views_keep_their_rows_and_scale_the_disparity(scale):
    made = batches(
        SceneLibrary([], [coded_pair()]),
        patch=24, stereo_share=1.0, layered_share=0.0, scales=(scale, scale),
    )  # fmt: skip
    tops = set()
    for k in range(10):
        rng = np.random.default_rng(k)
        source = coded_pair()
        pair, disparity = made._crop(rng, list(source.pair), list(source.disparity.astype(float)))
        assert np.array_equal(pair[0], pair[1])
        assert np.array_equal(disparity[0], disparity[1])
        row = pair[0, :, 0, 0] / 4.0
        assert np.diff(row) == pytest.approx(1 / scale, abs=0.6)
        # The disparity of a row, in pixels of the crop: what it was, times the scale.
        assert disparity[0, :, 0] / scale == pytest.approx(row, abs=0.5 / scale + 0.2)
        tops.add(float(row[0]))
    assert len(tops) > 3


def test_cropped_pairs_still_match(library):
    made = batches(library, stereo_share=1.0, layered_share=0.0, scales=(0.6, 1.0), patch=32)
    for k in range(6):
        scene = made[k]
        d = scene.disparity[:, 0, 0]
        x = torch.arange(32.0) - d
        grid = torch.stack(
            [2 * x / 31 - 1, (2 * torch.arange(32.0) / 31 - 1).view(1, 32, 1).expand_as(x)], -1
        )
        warped = torch.nn.functional.grid_sample(scene.frames[:, 1], grid, align_corners=True)
        inside = ((x >= 0) & (x <= 31)).unsqueeze(1).expand_as(warped)
        error = (warped - scene.frames[:, 0]).abs()[inside].median()
        straight = (scene.frames[:, 1] - scene.frames[:, 0]).abs()[inside].median()
        assert error < 0.4 * straight


def test_a_mirrored_pair_is_a_pair():
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 255, (5, 40, 3), dtype=np.uint8)
    pair = np.stack([wide[:, :30], wide[:, 4:34]])
    disparity = np.full((2, 5, 30), 4, np.float32)
    left, right = mirror_pair(pair, disparity)[0]
    assert np.array_equal(left[:, 4:], right[:, :-4])
    assert not np.array_equal(left[:, :-4], right[:, 4:])
    again = mirror_pair(*mirror_pair(pair, disparity))
    assert np.array_equal(again[0], pair)
    columns = np.broadcast_to(np.arange(30.0), (2, 5, 30)).copy()
    columns[1] += 100
    mirrored = mirror_pair(pair, columns)[1]
    assert mirrored[0, 0, 0] == 129
    assert mirrored[1, 0, 0] == 29


def test_colours_change_alike_in_both_views():
    frames = torch.rand(3, 1, 3, 8, 8).expand(-1, 2, -1, -1, -1)
    out = photometric(frames, np.random.default_rng(0))
    assert torch.equal(out[:, 0], out[:, 1])
    assert not torch.allclose(out, frames, atol=0.01)
    grey = torch.linspace(0, 1, 64).view(1, 1, 1, 8, 8).expand(3, 1, 3, -1, -1)
    assert (photometric(grey, np.random.default_rng(0)).flatten(3).diff() >= 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stereo_share": 0.5, "layered_share": 0.5}, "no stereo pairs.*layered_share"),
        ({"views": 1, "layered_share": 1.0}, "views = 1"),
        ({"views": 0, "stereo_share": 0.0}, "views = 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        batches(SceneLibrary([photo()], []), **changes)


def test_no_photographs_is_refused_where_they_are_needed():
    pairs = SceneLibrary([], [coded_pair()])
    with pytest.raises(ConfigError, match=r"no photographs.*mono"):
        batches(pairs)
    assert len(batches(pairs, stereo_share=1.0, layered_share=0.0)) == 10


def test_a_share_of_the_photographs_has_depth_along_its_own_outlines(library):
    """Without a share the draws are those of a run that knows of none."""
    plain, none, all_ = (
        batches(library, stereo_share=0.0, **more)[2]
        for more in ({}, {"segmented_share": 0.0}, {"segmented_share": 1.0})
    )
    assert torch.equal(plain.disparity, none.disparity)
    assert not torch.equal(plain.disparity, all_.disparity)
    assert 0.3 < all_.disparity.min() < all_.disparity.max() <= 40


def test_holes_can_be_filled_up_to_the_edges_of_the_pictures(tmp_path):
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 24:] = (250, 240, 30)
    for side in ("left", "right"):
        save(tmp_path / f"{side}.png", picture)
    truth = np.where(np.arange(40) < 24, 3, 9) * np.ones((20, 1))
    holed = truth.astype(np.float32)
    holed[5:15, 18:32] = 0
    np.savez(tmp_path / "disparity.npz", disparity=holed)
    right = [
        (read_pair(tmp_path, guided=g).disparity[0] == truth)[:, np.r_[:22, 26:40]].all()
        for g in (False, True)
    ]
    assert right == [False, True]
