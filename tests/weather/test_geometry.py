"""Disparity and camera of pictures: files, matching, synthetic depth, and what is assumed."""

from __future__ import annotations

import numpy as np
import pytest

from deweather.errors import PairError, PictureError
from deweather.weather.geometry import DISTANCE, FOCAL, PartialCamera, find_geometry


def texture(height=40, width=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_holes_of_a_disparity_end_at_the_edges_of_the_picture(tmp_path):
    """Of one view and of two, also of 16 bits."""
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 24:] = (250, 240, 30)
    truth = np.where(np.arange(40) < 24, 3, 9) * np.ones((20, 1), np.float32)
    holed = truth.copy()
    holed[5:15, 18:32] = np.nan
    np.save(tmp_path / "d.npy", holed)
    camera = PartialCamera(40.0, 0.5)
    for views in ([picture], [picture, picture], [picture.astype(np.uint16) * 257]):
        found = find_geometry(views, camera, map_file=tmp_path / "d.npy").disparity
        assert found.shape == (1, len(views), 1, 20, 40)
        near = np.abs(found[0, 0, 0].numpy() - truth)[:, np.r_[:22, 26:40]]
        assert near.max() < 1e-5


def test_an_unknown_camera_is_assumed():
    found = find_geometry([texture()], PartialCamera(), seed=3)
    camera = found.camera
    assert found.source == "synthetic"
    assert camera.focal_length == FOCAL * 64
    assert np.median(camera.depth(found.disparity.numpy())) == pytest.approx(DISTANCE, rel=1e-5)
    again = find_geometry([texture()], PartialCamera(), seed=3)
    assert (again.disparity == found.disparity).all()
    assert (find_geometry([texture()], PartialCamera(), seed=4).disparity != found.disparity).any()


def test_the_median_distance_given_is_that_of_the_depth():
    found = find_geometry([texture()], PartialCamera(focal=50.0, distance=8.0))
    assert found.camera.focal_length == 50
    assert np.median(found.camera.depth(found.disparity.numpy())) == pytest.approx(8, rel=1e-5)


def test_a_pair_is_matched(tmp_path):
    wide = texture(width=67)
    found = find_geometry([wide[:, :64], wide[:, 3:]], PartialCamera(40.0, 0.5))
    assert found.source == "semi-global matching"
    assert found.disparity.shape == (1, 2, 1, 40, 64)
    assert found.disparity.median() == pytest.approx(3, abs=0.1)
    black = np.zeros((40, 64, 3), np.uint8)
    with pytest.raises(PairError, match="could not be matched anywhere"):
        find_geometry([black, black], PartialCamera())


def test_depth_is_turned_into_disparity(tmp_path):
    np.save(tmp_path / "z.npy", np.full((40, 64), 10.0))
    options = {"map_file": tmp_path / "z.npy", "quantity": "depth"}
    found = find_geometry([texture()], PartialCamera(40.0, 0.5), **options)
    assert found.disparity.unique().item() == 2
    # Of a single camera any baseline will do: the depth is the same.
    alone = find_geometry([texture()], PartialCamera(40.0), **options)
    assert alone.camera.depth(alone.disparity).unique().item() == pytest.approx(10)
    with pytest.raises(PictureError, match="has 64x40 pixels, the picture 32x24"):
        find_geometry([texture(24, 32)], PartialCamera(), **options)
