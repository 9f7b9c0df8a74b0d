"""EXIF orientation: applied to pixels and alpha, set to 1, nothing else touched."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from deweather.image import read_picture, write_picture
from deweather.image.metadata import read_orientation, turn, upright_exif, upright_xmp

from . import make


def reference(data, orientation):
    """Pillow's own turning of an (H, W, C) uint8 picture."""
    image = Image.fromarray(data)
    image.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turn_agrees_with_pillow(orientation):
    data = make.samples(5, 8)
    assert np.array_equal(turn(data, orientation), reference(data, orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_pixels_and_alpha_are_turned(suffix, dtype, orientation, tmp_path):
    data = make.samples(6, 9, 4, dtype)
    path = tmp_path / f"a{suffix}"
    if suffix == ".png":
        path.write_bytes(make.png(data, make.png_chunk(b"eXIf", make.exif(orientation, ">"))))
    elif suffix == ".tif":
        tags = {338: (3, [2]), 0x0112: (3, [orientation])}
        path.write_bytes(make.tiff(data, deflate=True, tags=tags))
    elif dtype == np.uint8:
        options = {"lossless": True, "exact": True, "exif": make.exif(orientation)}
        Image.fromarray(data).save(path, **options)
    else:
        pytest.skip("WebP has 8 bits")
    picture = read_picture(path)
    upright = turn(data, orientation)
    assert np.array_equal(picture.pixels, upright[..., :3])
    assert np.array_equal(picture.alpha, upright[..., 3])
    again = read_picture(write_picture(tmp_path / f"b{suffix}", picture, picture.pixels))
    assert np.array_equal(again.pixels, picture.pixels)
    assert np.array_equal(again.alpha, picture.alpha)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg(orientation, tmp_path):
    path = tmp_path / "a.jpg"
    exif = b"Exif\0\0" + make.exif(orientation)
    Image.fromarray(make.samples(16, 24)).save(path, exif=exif, quality=95)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, expected)
    assert picture.info.exif == make.exif(1)


def test_exif_behind_the_pixels_counts_too(tmp_path):
    for dtype in (np.uint8, np.uint16):
        data = make.samples(5, 8, dtype=dtype)
        path = tmp_path / "a.png"
        path.write_bytes(make.png(data, late=make.png_chunk(b"eXIf", make.exif(6))))
        assert np.array_equal(read_picture(path).pixels, turn(data, 6))


@pytest.mark.parametrize("order", "<>")
def test_only_the_orientation_changes(order):
    block = make.exif(6, order) + b"maker notes, with offsets"
    assert read_orientation(block) == 6
    assert upright_exif(block) == make.exif(1, order) + b"maker notes, with offsets"
    assert read_orientation(upright_exif(block)) == 1


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_cut_blocks_have_no_orientation_or_the_right_one(cut):
    assert read_orientation(make.exif(8)[:cut]) in (1, 8)
    upright_exif(make.exif(8)[:cut])


def test_xmp():
    assert b'tiff:Orientation="1"' in upright_xmp(make.XMP)
    element = b"<tiff:Orientation>8</tiff:Orientation>"
    assert upright_xmp(element) == b"<tiff:Orientation>1</tiff:Orientation>"
