"""What was read is written back: pixels, depth, alpha, metadata, whole files or none."""

import itertools
import os

import numpy as np
import pytest
from PIL import Image

from deweather.errors import PictureError
from deweather.image import copy_picture, output_name, read_picture, write_picture
from deweather.image import files as files_module

from . import make, profiles

SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tif"}


def source(folder, channels=3, dtype=np.uint8, **chunks):
    path = folder / "source.png"
    extra = b"".join(make.png_chunk(name.encode(), body) for name, body in chunks.items())
    path.write_bytes(make.png(make.samples(channels=channels, dtype=dtype), extra))
    return path, read_picture(path)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("format", SUFFIXES)
def test_every_format_depth_and_alpha(format, dtype, channels, tmp_path):
    _, picture = source(tmp_path, channels, dtype)
    restored = picture.pixels // 2 + 7
    target = write_picture(tmp_path / "out.png", picture, restored, format=format)
    assert target == tmp_path / f"out{SUFFIXES[format]}"
    result = read_picture(target)
    deep = format in ("png", "tiff") and dtype == np.uint16
    assert result.pixels.dtype == (np.uint16 if deep else np.uint8)
    wanted = restored if deep or dtype == np.uint8 else np.rint(restored / 257).astype(np.uint8)
    if format in ("png", "tiff"):
        assert np.array_equal(result.pixels, wanted)
    else:
        error = np.abs(result.pixels.astype(int) - wanted.astype(int))
        assert error.mean() < 12  # small noisy picture, lossy colour
    if channels % 2 == 0 and format != "jpg":
        alpha = picture.alpha if result.pixels.dtype == dtype else np.rint(picture.alpha / 257)
        assert np.array_equal(result.alpha, alpha)
    else:
        assert result.alpha is None
    assert result.info.grey == (channels < 3 and format != "webp")
    notes = " ".join(picture.info.notes)
    assert ("16 bits were rounded" in notes) == (dtype == np.uint16 and not deep)
    assert ("alpha channel was dropped" in notes) == (format == "jpg" and channels % 2 == 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_keep_keeps_the_format(kind, tmp_path):
    path = tmp_path / f"a.{kind.lower()}"
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(make.samples()).save(path, kind, **options)
    picture = read_picture(path)
    bare = write_picture(tmp_path / "no_extension", picture, picture.pixels)
    with Image.open(bare) as image:
        assert image.format == kind
    if kind != "JPEG":
        with Image.open(bare) as image:
            assert np.array_equal(np.asarray(image.convert("RGB")), picture.pixels)


def test_jpeg_keeps_its_quantisation(tmp_path):
    for quality, subsampling in itertools.product((30, 75, 92), (0, 1, 2)):
        path = tmp_path / "a.jpg"
        image = Image.fromarray(make.samples(64, 64))
        image.save(path, "JPEG", quality=quality, subsampling=subsampling)
        picture = read_picture(path)
        out = write_picture(tmp_path / "b.jpg", picture, picture.pixels, overwrite=True)
        again = read_picture(out)
        assert again.info.jpeg == picture.info.jpeg
        assert picture.info.jpeg.subsampling == subsampling


def test_jpeg_from_elsewhere_is_fine(tmp_path):
    """Quality 95: the first table's first entry is 2; 4:4:4: no subsampling."""
    _, picture = source(tmp_path)
    hint = read_picture(write_picture(tmp_path / "a.jpg", picture, picture.pixels)).info.jpeg
    assert hint.tables[0][0] == 2
    assert hint.subsampling == 0


def test_progressive_jpeg_stays_so(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(make.samples()).save(path, "JPEG", progressive=True)
    picture = read_picture(path)
    assert picture.info.jpeg.progressive
    out = write_picture(tmp_path / "b.jpg", picture, picture.pixels)
    assert read_picture(out).info.jpeg.progressive


def test_lossless_webp_stays_so(tmp_path):
    for lossless in (True, False):
        path = tmp_path / f"{lossless}.webp"
        Image.fromarray(make.samples()).save(path, "WEBP", lossless=lossless)
        picture = read_picture(path)
        assert picture.info.lossless == lossless
        out = write_picture(tmp_path / f"out{lossless}.webp", picture, picture.pixels)
        assert np.array_equal(read_picture(out).pixels, picture.pixels) == lossless


METADATA = {"exif": make.exif(), "xmp": make.XMP, "icc": profiles.rgb_profile("sRGB")}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("format", SUFFIXES)
def test_metadata_travels(format, dtype, tmp_path):
    _, picture = source(tmp_path, dtype=dtype)
    for name, value in METADATA.items():
        setattr(picture.info, name, value)
    picture.info.dpi = (300.0, 200.0)
    target = write_picture(tmp_path / "a.png", picture, picture.pixels, format=format)
    again = read_picture(target).info
    assert again.xmp == make.XMP
    assert again.icc == METADATA["icc"]
    with Image.open(target) as image:
        assert image.getexif()[0x010F].strip("\0") == "Deweather"
    if format != "tiff":
        assert again.exif == METADATA["exif"]
    if format != "webp":
        assert again.dpi == pytest.approx((300, 200), rel=1e-3)


def test_exif_and_gps_directories_travel_through_tiff(tmp_path):
    """JPEG to TIFF to JPEG: the tags move between two ways of storing them."""
    exif = Image.Exif()
    exif[0x0110] = "Camera 1"
    exif.get_ifd(0x8769)[0x829A] = 0.25  # exposure time
    exif.get_ifd(0x8825)[0x0001] = "N"
    path = tmp_path / "a.jpg"
    Image.fromarray(make.samples()).save(path, "JPEG", exif=exif)
    for step, name in enumerate(["b.tif", "c.jpg", "d.tif", "e.png"]):
        picture = read_picture(path)
        path = write_picture(tmp_path / name, picture, picture.pixels)
        with Image.open(path) as image:
            read = image.getexif()
            assert read[0x0110] == "Camera 1", step
            assert float(read.get_ifd(0x8769)[0x829A]) == 0.25, step
            assert read.get_ifd(0x8825)[0x0001] == "N", step


def test_exif_too_large_for_jpeg_is_dropped_and_noted(tmp_path):
    _, picture = source(tmp_path)
    picture.info.exif = make.exif() + bytes(70_000)
    picture.info.xmp = bytes(70_000)
    again = read_picture(write_picture(tmp_path / "a.jpg", picture, picture.pixels))
    assert again.info.exif is None
    assert sum("too large for JPEG" in note for note in picture.info.notes) == 2


def test_large_profile_is_split_over_jpeg_segments(tmp_path):
    _, picture = source(tmp_path)
    picture.info.icc = profiles.rgb_profile("sRGB") + bytes(200_000)
    again = read_picture(write_picture(tmp_path / "a.jpg", picture, picture.pixels))
    assert again.info.icc == picture.info.icc


def test_grey_profile(tmp_path):
    _, picture = source(tmp_path, channels=1)
    picture.info.icc = profiles.grey_profile()
    kept = read_picture(write_picture(tmp_path / "a.jpg", picture, picture.pixels))
    assert kept.info.icc == profiles.grey_profile()
    assert kept.info.notes == []
    write_picture(tmp_path / "a.webp", picture, picture.pixels)
    assert "grey ICC profile" in " ".join(picture.info.notes)


def test_grey_is_luma(tmp_path):
    """BT.601: 0.299 R + 0.587 G + 0.114 B, and exact where the channels agree."""
    _, picture = source(tmp_path, channels=1)
    colour = make.samples(seed=3)
    again = read_picture(write_picture(tmp_path / "a.png", picture, colour))
    expected = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(again.pixels[..., 0] - expected).max() <= 0.5 + 1e-9


def test_all_8_and_16_bit_values_survive(tmp_path):
    for dtype, side in ((np.uint8, 16), (np.uint16, 256)):
        _, picture = source(tmp_path, dtype=dtype)
        ramp = np.arange(side * side, dtype=dtype).reshape(side, side)
        picture.pixels = np.stack([ramp, ramp.T, ramp[::-1]], axis=-1)
        for format in ("png", "tiff"):
            path = tmp_path / f"{side}"
            target = write_picture(path, picture, picture.pixels, format=format)
            assert np.array_equal(read_picture(target).pixels, picture.pixels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (70, 16500)])
def test_extreme_shapes(shape, tmp_path):
    _, picture = source(tmp_path)
    picture.pixels = make.samples(*shape)
    for format in ("png", "tiff"):
        target = write_picture(tmp_path / "a.png", picture, picture.pixels, format=format)
        assert np.array_equal(read_picture(target).pixels, picture.pixels)
    if max(shape) > 16383:
        with pytest.raises(PictureError, match="too large for WebP"):
            write_picture(tmp_path / "a.webp", picture, picture.pixels)
        assert not (tmp_path / "a.webp").exists()


def test_existing_files_are_safe(tmp_path):
    path, picture = source(tmp_path)
    before = path.read_bytes()
    with pytest.raises(PictureError, match=r"source\.png: the file exists"):
        write_picture(path, picture, picture.pixels)
    assert path.read_bytes() == before
    write_picture(path, picture, 255 - picture.pixels, overwrite=True)
    assert np.array_equal(read_picture(path).pixels, 255 - picture.pixels)


def test_a_failure_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    path, picture = source(tmp_path)
    before = path.read_bytes()

    def fail(file, *_):
        file.write(b"half a pict")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files_module, "encode", fail)
    with pytest.raises(PictureError, match="No space left on device"):
        write_picture(path, picture, picture.pixels, overwrite=True)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["source.png"]


@pytest.mark.parametrize("write", ["restored", "copied"])
def test_all_bytes_are_on_the_disk_before_the_name_is(write, tmp_path, monkeypatch):
    path, picture = source(tmp_path)
    steps = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor):
        fsync(descriptor)
        steps.append(("fsync", os.fstat(descriptor).st_size, target.exists()))

    def watched_replace(one, other):
        replace(one, other)
        steps.append(("replace", other.stat().st_size, True))

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    target = tmp_path / "a.png"
    if write == "copied":
        copy_picture(path, target)
    else:
        write_picture(target, picture, picture.pixels)
    size = target.stat().st_size
    assert size > 0
    assert steps == [("fsync", size, False), ("replace", size, True)]


def test_a_disk_that_refuses_to_sync_is_an_error(tmp_path, monkeypatch):
    path, picture = source(tmp_path)
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(PictureError, match="Input/output error"):
        write_picture(path, picture, picture.pixels, overwrite=True)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["source.png"]


def test_an_interrupt_leaves_no_rubbish(tmp_path, monkeypatch):
    path, picture = source(tmp_path)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files_module, "encode", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_picture(tmp_path / "a.png", picture, picture.pixels)
    assert os.listdir(tmp_path) == [path.name]


def test_long_names_and_deep_folders(tmp_path):
    _, picture = source(tmp_path)
    deep = tmp_path.joinpath(*["d" * 80] * 5)
    for name in ("n" * 251 + ".png", "雾" * 80 + ".png"):
        target = write_picture(deep / name, picture, picture.pixels)
        assert np.array_equal(read_picture(target).pixels, picture.pixels)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("a.gif", "GIF cannot be written"),
        ("n" * 252 + ".png", "File name too long"),
        ("source.png/below.png", "cannot be written"),
        ("null\0.png", "cannot be written"),
    ],
)
def test_impossible_targets(target, words, tmp_path):
    _, picture = source(tmp_path)
    with pytest.raises(PictureError, match=words):
        write_picture(tmp_path / target, picture, picture.pixels)


def test_other_pixels_than_the_pictures_are_refused(tmp_path):
    _, picture = source(tmp_path)
    for wrong in (picture.pixels[:-1], picture.pixels.astype(np.uint16), picture.pixels[..., 0]):
        with pytest.raises(PictureError, match="the restored pixels are"):
            write_picture(tmp_path / "a.png", picture, wrong)


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [
        ("a/b.jpg", "keep", "a/b.jpg"),
        ("a/b.jpg", "png", "a/b.png"),
        ("a/b.JPEG", "jpg", "a/b.JPEG"),
        ("b.tiff", "tiff", "b.tiff"),
        ("b.v1.2", "png", "b.v1.2.png"),
        ("b", "webp", "b.webp"),
        ("b.heic", "jpg", "b.jpg"),
    ],
)
def test_output_name(name, format, expected):
    from pathlib import Path

    assert output_name(Path(name), format) == Path(expected)


def test_unknown_format():
    from pathlib import Path

    with pytest.raises(PictureError, match="unknown format 'gif'"):
        output_name(Path("a.png"), "gif")
