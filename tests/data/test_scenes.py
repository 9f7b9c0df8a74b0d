"""Batches of clean scenes: crops, and what follows from their number."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.data import SceneBatches, SceneLibrary
from deweather.data.scene_library import StereoPictures
from deweather.data.scenes import COLOURS
from deweather.errors import ConfigError

from ..weather.make import photo
from .trees import clear_scenes


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return SceneLibrary.read(clear_scenes(tmp_path_factory.mktemp("pictures")))


def batches(library, **changes):
    values = {
        "patch": 32,
        "batch_pictures": 4,
        "stereo_share": 0.5,
        "layered_share": 0.5,
        "scales": (0.4, 1.0),
        "length": 10,
        "seed": 3,
    }
    return SceneBatches(library, **(values | changes))


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


def test_colours_change_alike_in_both_views():
    frames = torch.rand(3, 1, 3, 8, 8).expand(-1, 2, -1, -1, -1)
    (out,) = COLOURS([frames], np.random.default_rng(0))
    assert torch.equal(out[:, 0], out[:, 1])
    assert not torch.allclose(out, frames, atol=0.01)
    grey = torch.linspace(0, 1, 64).view(1, 1, 1, 8, 8).expand(3, 1, 3, -1, -1)
    (out,) = COLOURS([grey], np.random.default_rng(0))
    assert (out.flatten(3).diff() >= 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stereo_share": 0.5, "layered_share": 0.5}, "no stereo pairs.*layered_share"),
        ({"batch_pictures": 1, "layered_share": 1.0}, "batch_pictures = 1"),
        ({"batch_pictures": 0, "stereo_share": 0.0}, "batch_pictures = 0"),
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
