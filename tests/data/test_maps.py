"""Disparities as the layouts of data sets store them."""

import cv2
import numpy as np
import pytest

from deweather.data import find_layout
from deweather.errors import PictureError
from deweather.image.disparity import MapCode, read_map

from .trees import VAST


def test_cityscapes_disparity_is_shifted_by_one(tmp_path):
    stored = np.array([[0, 1, 257, 6401]], np.uint16)
    cv2.imwrite(str(tmp_path / "d.png"), stored)
    found = read_map(tmp_path / "d.png", "disparity", find_layout("cityscapes").map_code)
    np.testing.assert_array_equal(found, np.array([[np.nan, 0, 1, 25]], np.float32))


@pytest.mark.parametrize(("name", "unit"), [("middlebury-2006", 3), ("middlebury-2003", 4)])
def test_middlebury_disparity_is_scaled(tmp_path, name, unit):
    cv2.imwrite(str(tmp_path / "d.png"), np.array([[0, 60, 255]], np.uint8))
    found = read_map(tmp_path / "d.png", "disparity", find_layout(name).map_code)
    expected = np.array([[np.nan, 60 / unit, 255 / unit]], np.float32)
    np.testing.assert_array_equal(found, expected)


def test_kitti_disparity_is_256th_of_pixels(tmp_path):
    cv2.imwrite(str(tmp_path / "d.png"), np.array([[0, 256, 12800]], np.uint16))
    found = read_map(tmp_path / "d.png", "disparity", find_layout("kitti2015").map_code)
    np.testing.assert_array_equal(found, np.array([[np.nan, 1, 50]], np.float32))


@pytest.mark.parametrize("content", [b"", b"no picture", VAST])
def test_broken_disparities_are_named(tmp_path, content):
    (tmp_path / "d.png").write_bytes(content)
    with pytest.raises(PictureError, match=r"d\.png"):
        read_map(tmp_path / "d.png", "disparity", MapCode(4))
    with pytest.raises(PictureError, match=r"absent\.png"):
        read_map(tmp_path / "absent.png", "disparity", MapCode(4))


def test_a_code_is_for_pictures_alone(tmp_path):
    np.save(tmp_path / "d.npy", np.full((2, 3), 8.0))
    assert (read_map(tmp_path / "d.npy", "disparity", MapCode(4)) == 8).all()


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (np.zeros((4, 5), np.uint8), "no disparity in it is known"),
        (np.ones((4, 5, 3), np.uint8), "no picture of one channel"),
    ],
)
def test_pictures_that_are_no_map_are_named(tmp_path, stored, said):
    cv2.imwrite(str(tmp_path / "d.png"), stored)
    with pytest.raises(PictureError, match=rf"d\.png: .*{said}"):
        read_map(tmp_path / "d.png", "disparity", MapCode(4))
