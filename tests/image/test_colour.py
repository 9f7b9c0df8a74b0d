"""Colour spaces: agreement with littlecms, exact identity, and changes that arrive in the space."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from deweather.image import read_picture, write_picture
from deweather.image.colour import ProfileError, parse_matrix_profile

from . import make, profiles

WIDE = ["Display P3", "Adobe RGB", "ProPhoto"]
CURVES = ["para", "table", "gamma"]


def all_colours(dtype=np.uint8, count=32):
    """Every combination of `count` values per channel, as one picture (count², count, 3)."""
    steps = np.linspace(0, np.iinfo(dtype).max, count).round().astype(dtype)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(count * count, count, 3)


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("name", [*WIDE, "sRGB"])
def test_agrees_with_littlecms(name, curve):
    icc = profiles.rgb_profile(name, curve)
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(icc)),
        ImageCms.createProfile("sRGB"),
        "RGB",
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    colours = all_colours()
    theirs = np.asarray(ImageCms.applyTransform(Image.fromarray(colours), transform))
    ours = parse_matrix_profile(icc).to_srgb(colours)
    error = np.abs(ours.astype(int) - theirs.astype(int))
    assert error.mean() < 0.1
    # Near black, where sRGB is steep, littlecms with its tables of 8 bits is off by a few.
    assert np.quantile(error, 0.999) <= 2


@pytest.mark.parametrize(("curve", "expected"), [("para", True), ("table", True), ("gamma", False)])
def test_srgb_is_recognised(curve, expected):
    """By its numbers, not by its name; a pure gamma of 2.2 differs by more than rounding."""
    assert parse_matrix_profile(profiles.rgb_profile("sRGB", curve)).is_srgb() == expected


@pytest.mark.parametrize("name", WIDE)
def test_other_spaces_are_not_srgb(name):
    assert not parse_matrix_profile(profiles.rgb_profile(name)).is_srgb()


def test_p3_red_by_the_book():
    """Display P3's (0.5, 0.25, 0.25) in sRGB, by the published matrix between the two spaces."""
    code = np.array([[[0.5, 0.25, 0.25]]])
    linear = ((code + 0.055) / 1.055) ** 2.4
    matrix = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
    expected = 1.055 * (linear @ matrix.T) ** (1 / 2.4) - 0.055
    pixels = np.rint(code * 65535).astype(np.uint16)
    ours = parse_matrix_profile(profiles.rgb_profile("Display P3")).to_srgb(pixels) / 65535
    assert ours == pytest.approx(expected, abs=2e-3)


def wide_picture(folder, name, dtype, curve="para"):
    path = folder / "wide.png"
    path.write_bytes(make.png(all_colours(dtype)))
    plain = read_picture(path)
    plain.info.icc = profiles.rgb_profile(name, curve)
    wide = write_picture(folder / "tagged.png", plain, plain.pixels, overwrite=True)
    return read_picture(wide)


@pytest.mark.parametrize("format", ["png", "tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", WIDE)
def test_an_unchanged_picture_comes_back_exactly(name, dtype, format, tmp_path):
    """Also where it had to be clipped for sRGB, which a third of these colours do."""
    picture = wide_picture(tmp_path, name, dtype)
    assert not np.array_equal(picture.pixels, all_colours(dtype))
    target = write_picture(tmp_path / "out.png", picture, picture.pixels.copy(), format=format)
    again = read_picture(target)
    assert np.array_equal(again.info.wide.original, all_colours(dtype))
    assert again.info.icc == profiles.rgb_profile(name)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.uint8, 2), (np.uint16, 60)])
@pytest.mark.parametrize("name", WIDE)
def test_a_change_in_gamut_arrives(name, dtype, tolerance, tmp_path):
    """What is seen on reading the output is what the network made, where sRGB holds the source."""
    picture = wide_picture(tmp_path, name, dtype)
    top = np.iinfo(dtype).max
    inside = ((picture.pixels > 0.2 * top) & (picture.pixels < 0.95 * top)).all(axis=-1)
    restored = (picture.pixels * 0.9 + 0.02 * top).astype(dtype)
    again = read_picture(write_picture(tmp_path / "out.tif", picture, restored))
    error = np.abs(again.pixels.astype(int) - restored.astype(int))[inside]
    assert inside.mean() > 0.1
    # One step of an 8-bit wide space can be several of sRGB in its dark, saturated colours.
    assert np.quantile(error, 0.99) <= tolerance


def test_neutral_stays_neutral():
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=-1)
    for name in WIDE:
        seen = parse_matrix_profile(profiles.rgb_profile(name)).to_srgb(grey).astype(int)
        assert np.ptp(seen, axis=-1).max() <= 1


@pytest.mark.parametrize("cut", [0, 50, 131, 140, 200, 300, 400])
def test_cut_profiles_are_refused(cut):
    with pytest.raises(ProfileError):
        parse_matrix_profile(profiles.rgb_profile("Display P3")[:cut])


def test_other_profiles_are_refused():
    for icc in (profiles.grey_profile(), profiles.cmyk_profile()):
        with pytest.raises(ProfileError, match="not an RGB profile"):
            parse_matrix_profile(icc)


@pytest.mark.parametrize("kind", range(5))
def test_parametric_curves(kind):
    """Each function type against its formula in the specification, at three points."""
    g, a, b, c, d, e, f = 2.0, 0.8, 0.2, 0.5, 0.25, 0.02, 0.01
    stored = [[g], [g, a, b], [g, a, b, c], [g, a, b, c, d], [g, a, b, c, d, e, f]][kind]
    if kind in (1, 2):
        stored[1:3] = a, b = 1.2, -0.3  # the curve is flat up to -b/a = 0.25
        if kind == 2:
            stored[3] = c = 0.1
    body = b"para" + bytes(4) + kind.to_bytes(2, "big") + bytes(2) + profiles.fixed(*stored)
    tags = {b"wtpt": profiles.xyz(0.9642, 1.0, 0.82491)}
    for index, letter in enumerate("rgb"):
        column = [row[index] for row in profiles.SPACES["sRGB"][0]]
        tags |= {f"{letter}XYZ".encode(): profiles.xyz(*column), f"{letter}TRC".encode(): body}
    curve = parse_matrix_profile(profiles.assemble(b"RGB ", b"XYZ ", tags)).curves[0]
    for x in (0.1, 0.6, 1.0):
        power = (a * x + b) ** g
        expected = [
            x**g,
            power if x >= 0.25 else 0.0,
            power + c if x >= 0.25 else c,
            power if x >= d else c * x,
            power + e if x >= d else c * x + f,
        ][kind]
        assert curve[round(x * 65535)] == pytest.approx(min(expected, 1.0), abs=1e-4)


def test_grey_picture_with_rgb_profile(tmp_path):
    path = tmp_path / "a.jpg"
    image = Image.fromarray(make.samples(channels=1)[..., 0])
    image.save(path, icc_profile=profiles.rgb_profile("Adobe RGB"))
    picture = read_picture(path)
    assert picture.info.icc is None
    assert "it was dropped" in picture.info.notes[0]
