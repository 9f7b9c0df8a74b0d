"""What is in a file arrives in the arrays: every format, depth, mode and alpha, byte for byte."""

import io
import itertools
import os
import struct

import numpy as np
import pytest
from PIL import Image

from deweather.image import read_picture

from . import make, profiles


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return path


def colours(data):
    """(H, W, 3) of samples (H, W, C), grey repeated."""
    return np.repeat(data[..., :1], 3, axis=-1) if data.shape[-1] < 3 else data[..., :3]


def same_alpha(alpha, data):
    if data.shape[-1] % 2:
        return alpha is None
    return alpha is not None and np.array_equal(alpha, data[..., -1])


DEPTHS = [np.uint8, np.uint16]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", DEPTHS)
def test_png(dtype, channels, tmp_path):
    data = make.samples(channels=channels, dtype=dtype)
    picture = read_picture(write(tmp_path, "a.png", make.png(data)))
    assert np.array_equal(picture.pixels, colours(data))
    assert same_alpha(picture.alpha, data)
    assert picture.pixels.dtype == dtype
    assert picture.info.grey == (channels < 3)
    assert picture.info.bits == 8 * np.dtype(dtype).itemsize
    assert picture.info.notes == []


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("channels", [1, 3])
def test_png_transparent_colour(dtype, channels, tmp_path):
    """A tRNS chunk of grey or RGB names one colour, in 16-bit numbers at every depth."""
    data = make.samples(channels=channels, dtype=dtype)
    key = struct.pack(f">{channels}H", *data[3, 4].tolist())
    picture = read_picture(write(tmp_path, "a.png", make.png(data, make.png_chunk(b"tRNS", key))))
    transparent = np.all(data == data[3, 4], axis=-1)
    assert np.array_equal(picture.alpha, np.where(transparent, 0, np.iinfo(dtype).max))
    assert np.array_equal(picture.pixels, colours(data))


TIFF_LAYOUTS = [
    {"order": order, "deflate": deflate, "planar": planar, "big": big, **blocks}
    for order, deflate, planar, big, blocks in itertools.product(
        "<>", (False, True), (False, True), (False, True), ({}, {"rows": 5}, {"tile": 16})
    )
    if not (big and order == ">")
]


@pytest.mark.parametrize("layout", TIFF_LAYOUTS, ids=str)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", DEPTHS)
def test_tiff(dtype, channels, layout, tmp_path):
    if dtype == np.uint8 and channels == 2 and layout["planar"]:
        pytest.skip("Pillow takes no planes of 8-bit grey and alpha")
    data = make.samples(channels=channels, dtype=dtype)
    tags = {338: (3, [2])} if channels % 2 == 0 else {}
    for predictor in (1, 2) if layout["deflate"] else (1,):
        encoded = make.tiff(data, predictor=predictor, tags=tags, **layout)
        picture = read_picture(write(tmp_path, "a.tif", encoded))
        assert np.array_equal(picture.pixels, colours(data))
        assert same_alpha(picture.alpha, data)
        assert picture.info.grey == (channels < 3)


@pytest.mark.parametrize("dtype", DEPTHS)
def test_tiff_where_white_is_zero(dtype, tmp_path):
    data = make.samples(channels=1, dtype=dtype)
    picture = read_picture(write(tmp_path, "a.tif", make.tiff(data, photometric=0)))
    assert np.array_equal(picture.pixels, colours(np.iinfo(dtype).max - data))


def test_tiff_16_premultiplied_alpha_is_divided(tmp_path):
    colour = np.full((4, 4, 3), 20_000, np.uint16)
    alpha = np.full((4, 4, 1), 40_000, np.uint16)
    alpha[0] = 0
    data = np.concatenate([colour, alpha], axis=-1)
    picture = read_picture(write(tmp_path, "a.tif", make.tiff(data, tags={338: (3, [1])})))
    assert (picture.pixels[1:] == round(20_000 * 65_535 / 40_000)).all()
    assert (picture.pixels[0] == 0).all()


def test_tiff_16_unspecified_channel_is_dropped_and_noted(tmp_path):
    data = make.samples(channels=4, dtype=np.uint16)
    picture = read_picture(write(tmp_path, "a.tif", make.tiff(data, tags={338: (3, [0])})))
    assert picture.alpha is None
    assert picture.info.notes == ["Extra channels without a meaning were dropped."]


def test_interlaced_png_16(tmp_path):
    """The seven passes of Adam7, each a picture of its own."""
    data = make.samples(channels=3, dtype=np.uint16)
    encoded = make.interlaced_png(data)
    picture = read_picture(write(tmp_path, "a.png", encoded))
    assert np.array_equal(picture.pixels, data)


RGB = Image.fromarray(make.samples())
GREY = Image.fromarray(make.samples(channels=1)[..., 0])
RGBA = Image.fromarray(make.samples(channels=4))
PALETTE = RGB.quantize(32)
BILEVEL = GREY.point(lambda v: 255 * (v > 100)).convert("1")
LOSSLESS = [
    ("RGB.bmp", RGB, "BMP", {}),
    ("grey.bmp", GREY, "BMP", {}),
    ("bilevel.bmp", BILEVEL, "BMP", {}),
    ("palette.bmp", PALETTE, "BMP", {}),
    ("palette.png", PALETTE, "PNG", {}),
    ("bilevel.png", BILEVEL, "PNG", {}),
    ("bilevel.tif", BILEVEL, "TIFF", {"compression": "group4"}),
    ("palette.tif", PALETTE, "TIFF", {}),
    ("lzw.tif", RGB, "TIFF", {"compression": "tiff_lzw"}),
    ("packbits.tif", RGB, "TIFF", {"compression": "packbits"}),
    ("RGB.webp", RGB, "WEBP", {"lossless": True}),
    ("RGBA.webp", RGBA, "WEBP", {"lossless": True, "exact": True}),
    ("RGBA.tif", RGBA, "TIFF", {}),
    ("RGBA.png", RGBA, "PNG", {}),
]


@pytest.mark.parametrize(("name", "image", "kind", "options"), LOSSLESS, ids=lambda v: str(v)[:20])
def test_what_pillow_writes_losslessly(name, image, kind, options, tmp_path):
    picture = read_picture(make.save(tmp_path / name, image, kind, **options))
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    assert (picture.alpha is not None) == (image.mode == "RGBA")
    if picture.alpha is not None:
        assert np.array_equal(picture.alpha, np.asarray(image)[..., 3])
    assert picture.info.grey == (image.mode in ("L", "1"))
    assert any("Palette" in n for n in picture.info.notes) == (image.mode == "P")
    assert any("1-bit" in n for n in picture.info.notes) == (image.mode == "1")


@pytest.mark.parametrize("transparency", [3, bytes(range(0, 256, 8))])
def test_palette_with_transparency(transparency, tmp_path):
    path = make.save(tmp_path / "a.png", PALETTE, "PNG", transparency=transparency)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGBA"))
    picture = read_picture(path)
    assert np.array_equal(picture.alpha, expected[..., 3])
    assert np.array_equal(picture.pixels, expected[..., :3])
    assert len(np.unique(picture.alpha)) > 1


def test_bilevel_with_transparency(tmp_path):
    path = make.save(tmp_path / "a.png", BILEVEL, "PNG", transparency=0)
    picture = read_picture(path)
    white = np.asarray(BILEVEL)
    assert np.array_equal(picture.alpha, np.where(white, 255, 0))
    assert np.array_equal(picture.pixels[..., 0], np.where(white, 255, 0))


def test_bmp_with_alpha(tmp_path):
    """Only the later headers of BMP have alpha; `write_picture` makes such files."""
    from deweather.image import write_picture

    source = read_picture(make.save(tmp_path / "a.png", RGBA, "PNG"))
    picture = read_picture(write_picture(tmp_path / "a.bmp", source, source.pixels))
    assert np.array_equal(picture.pixels, source.pixels)
    assert np.array_equal(picture.alpha, source.alpha)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg(mode, tmp_path):
    image = RGB.convert(mode)
    path = make.save(tmp_path / "a.jpg", image, "JPEG", quality=90)
    with Image.open(path) as decoded:
        expected = np.asarray(decoded.convert("RGB"))
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, expected)
    assert picture.info.grey == (mode == "L")
    assert picture.info.jpeg is not None


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_without_profile(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    RGB.convert("CMYK").save(path, quality=95) if suffix == ".jpg" else RGB.convert("CMYK").save(
        path
    )
    with Image.open(path) as decoded:
        expected = np.asarray(decoded.convert("RGB"))
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, expected)
    assert picture.info.notes == ["CMYK converted to RGB."]
    assert picture.info.icc is None


def test_cmyk_with_profile_goes_through_it(tmp_path):
    """The profile says that full cyan has L = 70 and is bluish; plain arithmetic makes it aqua."""
    ink = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    path = tmp_path / "a.tif"
    ink.save(path, icc_profile=profiles.cmyk_profile())
    red, green, blue = read_picture(path).pixels[0, 0].astype(int)
    assert (red, green, blue) != (0, 255, 255)
    assert blue > green > red
    # L = 70 is a luminance of 0.4072; sRGB primaries weigh it by 0.2126, 0.7152, 0.0722.
    light = [((v / 255 + 0.055) / 1.055) ** 2.4 for v in (red, green, blue)]
    luminance = np.dot(light, [0.2126, 0.7152, 0.0722])
    assert luminance == pytest.approx(0.4072, abs=0.04)


def test_cmyk_with_broken_profile(tmp_path):
    path = tmp_path / "a.tif"
    RGB.convert("CMYK").save(path, icc_profile=profiles.cmyk_profile()[:200])
    assert read_picture(path).info.notes == ["CMYK converted to RGB."]


def test_lab_tiff(tmp_path):
    """L* = 53.6 is mid grey of code 128; neutral Lab stays neutral."""
    path = tmp_path / "a.tif"
    Image.new("LAB", (4, 4), (round(53.585 * 2.55), 128, 128)).save(path)
    pixel = read_picture(path).pixels[0, 0].astype(int)
    assert np.abs(pixel - 128).max() <= 3


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("a.webp", "WEBP", {"lossless": True}),
        ("a.png", "PNG", {}),
        ("a.tif", "TIFF", {}),
    ],
)
def test_of_several_frames_the_first(name, kind, options, tmp_path):
    frames = [Image.fromarray(make.samples(seed=s)) for s in range(3)]
    path = tmp_path / name
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], **options)
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, make.samples(seed=0))
    assert len(picture.info.notes) == 1
    assert "first" in picture.info.notes[0]
    assert picture.info.several
    frames[0].save(tmp_path / f"one{path.suffix}", kind, **options)
    assert not read_picture(tmp_path / f"one{path.suffix}").info.several


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP"])
def test_resolution(kind, tmp_path):
    path = make.save(tmp_path / f"a.{kind.lower()}", RGB, kind, dpi=(300, 150))
    assert read_picture(path).info.dpi == pytest.approx((300, 150), rel=1e-3)


def test_paths_of_every_kind(tmp_path):
    """Unicode, a name at the limit of 255 bytes, and a path beyond 300 characters."""
    data = make.png(make.samples())
    deep = tmp_path
    for index in range(6):
        deep = deep / (str(index) * 60)
    os.makedirs(deep)
    names = ["žluťoučký 雾霾 🌧.png", "n" * 251 + ".png", " spaces and 'quotes'\".png", "-rf.png"]
    for folder, name in itertools.product((tmp_path, deep), names):
        path = write(folder, name, data)
        assert np.array_equal(read_picture(path).pixels, make.samples())
        assert np.array_equal(read_picture(str(path)).pixels, make.samples())
    assert len(str(deep)) > 300


def test_many_threads_leave_the_warning_filters_alone(tmp_path):
    import threading
    import warnings

    path = write(tmp_path, "a.jpg", make.encoded("JPEG", exif=b"Exif\0\0" + make.exif()[:20]))
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [read_picture(path) for _ in range(20)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_bytes_of_a_file_are_not_held_open(tmp_path):
    path = write(tmp_path, "a.png", make.encoded("PNG"))
    read_picture(path)
    path.unlink()
    assert not any(
        "a.png" in os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.islink(f"/proc/self/fd/{fd}")
    )


def test_large_picture_is_read_in_bands(tmp_path):
    """More than one band: 2.4 megapixels against bands of one."""
    data = make.samples(1500, 1600)
    buffer = io.BytesIO()
    Image.fromarray(data).save(buffer, "PNG", compress_level=1)
    assert np.array_equal(read_picture(write(tmp_path, "a.png", buffer.getvalue())).pixels, data)
