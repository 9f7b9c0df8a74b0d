from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from deweather.errors import PictureError
from deweather.image.disparity import read_map

VALUES = np.array([[1.5, 2.25, 3.0], [40.0, 0.5, 100.125]], np.float32)


def pfm(path, values, order="<"):
    scale = b"-1.0" if order == "<" else b"1.0"
    head = b"Pf\n%d %d\n%s\n" % (values.shape[1], values.shape[0], scale)
    path.write_bytes(head + values[::-1].astype(f"{order}f4").tobytes())


def store(path, values, quantity="disparity"):
    kind = path.suffix.lower()
    if kind == ".npy":
        np.save(path, values)
    elif kind == ".npz":
        np.savez(path, other=np.zeros(3), **{quantity: values})
    elif kind == ".pfm":
        pfm(path, values)
    else:
        Image.fromarray(np.round(values * 256).astype(np.uint16)).save(path)


@pytest.mark.parametrize("quantity", ["disparity", "depth"])
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pfm", ".png"])
def test_every_kind_gives_its_values_back(tmp_path, suffix, quantity):
    path = tmp_path / f"map{suffix}"
    store(path, VALUES, quantity)
    read = read_map(path, quantity)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, VALUES)


def test_pfm_of_the_other_byte_order(tmp_path):
    pfm(tmp_path / "a.pfm", VALUES, ">")
    np.testing.assert_array_equal(read_map(tmp_path / "a.pfm", "disparity"), VALUES)


def test_a_lone_array_may_have_any_name(tmp_path):
    np.savez(tmp_path / "a.npz", d=VALUES)
    np.testing.assert_array_equal(read_map(tmp_path / "a.npz", "disparity"), VALUES)


def test_unknown_is_nan_and_the_sky_is_infinitely_deep(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, -1, np.inf, np.nan, 2]]))
    nan = np.nan
    disparity = read_map(tmp_path / "a.npy", "disparity")
    np.testing.assert_array_equal(disparity, [[nan, nan, nan, nan, 2]])
    depth = read_map(tmp_path / "a.npy", "depth")
    np.testing.assert_array_equal(depth, [[nan, nan, np.inf, nan, 2]])


def test_whole_numbers_are_taken_as_they_are(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[3, 4]], np.uint8))
    np.testing.assert_array_equal(read_map(tmp_path / "a.npy", "disparity"), [[3, 4]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.exr", b"x", "unknown kind of disparity file"),
        ("a.npy", b"no array", "damaged"),
        ("a.npy", b"", "damaged"),
        ("a.npz", b"no archive", "damaged"),
        ("a.pfm", b"PF\n2 2\n-1\n" + bytes(48), "no PFM file of one channel"),
        ("a.pfm", b"Pf\n2 2\n-1\n" + bytes(4), "truncated"),
        ("a.pfm", b"Pf\n200000 200000\n-1\n" + bytes(4), "truncated"),
        ("a.pfm", b"Pf\n-2 2\n-1\n", "announces"),
        ("a.pfm", b"Pf\ntwo\n", "damaged"),
        ("a.png", b"no picture", "no PNG or damaged"),
        ("a.png", b"", "no PNG or damaged"),
    ],
)
def test_broken_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PictureError, match=message):
        read_map(tmp_path / name, "disparity")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 3)), "no disparity in it is known"),
        (np.ones((2, 3, 1)), "shape \\(2, 3, 1\\)"),
        (np.ones((0, 3)), "shape \\(0, 3\\)"),
        (np.ones((2, 3), complex), "complex"),
    ],
)
def test_arrays_that_are_no_map(tmp_path, values, message):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(PictureError, match=message):
        read_map(tmp_path / "a.npy", "disparity")


def test_no_code_in_arrays_is_run(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(PictureError, match="damaged"):
        read_map(tmp_path / "a.npy", "disparity")


def test_several_arrays_without_the_right_name(tmp_path):
    np.savez(tmp_path / "a.npz", left=VALUES, right=VALUES)
    with pytest.raises(PictureError, match="holds left, right; name the array 'depth'"):
        read_map(tmp_path / "a.npz", "depth")


def test_a_picture_is_no_disparity(tmp_path):
    Image.new("RGB", (3, 2), "red").save(tmp_path / "a.png")
    with pytest.raises(PictureError, match="16 bits"):
        read_map(tmp_path / "a.png", "disparity")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PictureError, match=r"gone\.npy: cannot be read"):
        read_map(tmp_path / "gone.npy", "disparity")
