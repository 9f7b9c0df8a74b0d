"""AVIF and HEIC, which are read and not written: pixels, depth, profile, turning, what is noted."""

import base64
import io

import numpy as np
import pytest
from PIL import Image, features

from deweather.errors import PictureError
from deweather.image import Found, plan_outputs, read_picture, write_picture
from deweather.image.formats import identify, sniff
from deweather.image.metadata import read_orientation, turn

from . import make, profiles

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


def brand(main, *compatible):
    body = b"ftyp" + main + bytes(4) + b"".join(compatible)
    return (len(body) + 4).to_bytes(4) + body + bytes(100)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (brand(b"avif", b"mif1"), "avif"),
        (brand(b"avis"), "avif"),
        (brand(b"heic", b"mif1"), "heic"),
        (brand(b"heix"), "heic"),
        (brand(b"mif1", b"miaf", b"heic"), "heic"),
        (brand(b"mif1", b"avif"), "avif"),
        (brand(b"mif1", b"jpeg"), None),
        (brand(b"isom", b"mp41"), None),
        (b"\0\0\0\x14ftypmif1", None),
    ],
)
def test_brands(head, kind):
    assert sniff(head) == kind


def test_a_container_of_something_else_is_told():
    with pytest.raises(PictureError, match="HEIF picture of an unknown kind"):
        identify(brand(b"mif1", b"jpeg"), "a.heic")


def avif(folder, data, **options):
    path = folder / "a.avif"
    Image.fromarray(data).save(path, "AVIF", quality=100, subsampling="4:4:4", **options)
    return path


@needs_avif
@pytest.mark.parametrize("channels", [3, 4])
def test_avif(channels, tmp_path):
    data = make.samples(40, 50, channels)
    icc = profiles.rgb_profile("sRGB")
    path = avif(tmp_path, data, icc_profile=icc, exif=b"Exif\0\0" + make.exif(), xmp=make.XMP)
    picture = read_picture(path)
    assert np.abs(picture.pixels.astype(int) - data[..., :3]).max() <= 3
    assert (picture.alpha is None) == (channels == 3)
    assert (picture.info.bits, picture.info.notes) == (8, [])
    assert picture.info.icc == icc
    assert b"Deweather" in picture.info.exif
    assert picture.info.xmp == make.XMP


@needs_avif
@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_turned_once(orientation, tmp_path):
    data = make.samples(40, 56)
    path = avif(tmp_path, data, exif=b"Exif\0\0" + make.exif(orientation))
    picture = read_picture(path)
    upright = turn(data, orientation).astype(int)
    assert np.abs(picture.pixels.astype(int) - upright).max() <= 3
    assert read_orientation(picture.info.exif) == 1


# 16x16 pixels of 12 bits, a ramp from 0 to 4095 along the rows, made with imagecodecs.
AVIF_OF_12_BITS = (
    b"0000SW^{RQVRmU|00000VRmU|ZE0pPZE0a<0002%ZDn*}000000000XXk=`10000000000aA{+7000000000000000"
    b"000004sdC7Z2$lO000310016oY;R)#0000)000310RR910RR924*&oFEC2uiC~0YKW&i*H00031000_kZf0cy000000"
    b"RRADb}%tRZ)|UJ00000YH4tCZ~y=ROKEUpZvX%Q6lrsCWdHyG000005C8xG5C8xG5O8UDX#fBK00RsR3;+NC3}JRLLx"
    b"DhG000006Ju{|a&BX6cmM(b0ssbp0000NX>e^}0000000001009I60)qqq001;?WMOm?0163M4FB5DARuUfG93~ELrQ"
    b"=E@&E*)O0`fxCFWxpwlf~#xjs1cqTX-"
)


@needs_avif
def test_more_bits_of_an_avif_are_read_as_eight_and_noted(tmp_path):
    path = tmp_path / "a.avif"
    path.write_bytes(base64.b85decode(AVIF_OF_12_BITS))
    picture = read_picture(path)
    ramp = np.rint(np.linspace(0, 255, 16))
    assert np.abs(picture.pixels - ramp[None, :, None]).max() <= 2
    assert picture.info.notes == ["The AVIF has 12 bits per channel; they were read as 8."]


@needs_avif
def test_of_an_animated_avif_the_first_frame(tmp_path):
    frames = [Image.fromarray(make.samples(40, 50, seed=s)) for s in range(3)]
    path = tmp_path / "a.avif"
    frames[0].save(path, "AVIF", save_all=True, append_images=frames[1:], quality=100)
    assert read_picture(path).info.several


@needs_avif
@pytest.mark.parametrize("part", [0.02, 0.25, 0.5, 0.9])
def test_a_cut_avif_is_refused(part, tmp_path):
    data = avif(tmp_path, make.samples(40, 50)).read_bytes()
    path = tmp_path / "cut.avif"
    path.write_bytes(data[: round(len(data) * part)])
    with pytest.raises(PictureError, match=r"cut\.avif: .*\.$"):
        read_picture(path)


@needs_avif
def test_the_limit_holds_before_pixels_are_decoded(tmp_path, monkeypatch):
    path = avif(tmp_path, make.samples(40, 50))

    def decode(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.AvifImagePlugin.AvifImageFile.load", decode)
    with pytest.raises(PictureError, match="more than the limit of 1,999"):
        read_picture(path, max_pixels=1999)


def test_a_pillow_without_avif_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda _: False)
    (tmp_path / "a.avif").write_bytes(brand(b"avif"))
    with pytest.raises(PictureError, match=r"pip install 'pillow>=11\.3'"):
        read_picture(tmp_path / "a.avif")


def test_without_the_extra_its_name_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(brand(b"heic"))
    with pytest.raises(PictureError, match=r"a\.heic: .*pip install 'deweather\[heic\]'"):
        read_picture(tmp_path / "a.heic")


def heic(folder, data, *, exif=None, icc=None, xmp=None):
    pillow_heif = pytest.importorskip("pillow_heif")
    height, width, channels = data.shape
    mode = {3: "RGB", 4: "RGBA"}[channels] + (";16" if data.dtype == np.uint16 else "")
    file = pillow_heif.from_bytes(mode, (width, height), data.tobytes())
    facts = {"exif": exif and b"Exif\0\0" + exif, "icc_profile": icc, "xmp": xmp}
    buffer, options = io.BytesIO(), {k: v for k, v in facts.items() if v is not None}
    file.save(buffer, quality=-1, chroma=444, matrix_coefficients=0, **options)
    path = folder / "a.heic"
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.parametrize("channels", [3, 4])
def test_heic(channels, tmp_path):
    data, icc = make.samples(40, 50, channels), profiles.rgb_profile("sRGB")
    path = heic(tmp_path, data, exif=make.exif(), icc=icc)
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, data[..., :3])
    assert (picture.alpha is None) == (channels == 3)
    if channels == 4:
        assert np.array_equal(picture.alpha, data[..., 3])
    assert (picture.info.bits, picture.info.icc, picture.info.exif) == (8, icc, make.exif())
    assert picture.pixels.flags.writeable  # it is restored in place


def test_of_several_pictures_in_a_heic_the_main_one(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pictures = [make.samples(40, 50, seed=s) for s in range(3)]
    file = pillow_heif.HeifFile()
    for data in pictures:
        file.add_frombytes("RGB", (50, 40), data.tobytes())
    path = tmp_path / "a.heic"
    file.save(path, quality=-1, chroma=444, matrix_coefficients=0, primary_index=1)
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, pictures[1])
    assert picture.info.several


def test_heic_of_ten_bits_comes_out_as_sixteen(tmp_path):
    data = make.samples(40, 50, dtype=np.uint16)
    data[0, 0], data[0, 1] = 65535, 0
    picture = read_picture(heic(tmp_path, data))
    assert picture.info.bits == 16
    assert picture.pixels[0, 0].tolist() == [65535] * 3
    assert picture.pixels[0, 1].tolist() == [0] * 3
    step = 65535 / 1023
    assert np.abs(picture.pixels.astype(int) - data).max() <= step + 1


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_heic_is_turned_once(orientation, tmp_path):
    """The writer turns EXIF's orientation into the container's, which alone counts."""
    data = make.samples(40, 56)
    picture = read_picture(heic(tmp_path, data, exif=make.exif(orientation)))
    assert picture.pixels.shape == turn(data, orientation).shape
    assert np.array_equal(picture.pixels, turn(data, orientation))
    assert read_orientation(picture.info.exif) == 1


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_cut_heic_is_refused(part, tmp_path):
    path = heic(tmp_path, make.samples(40, 50))
    path.write_bytes((d := path.read_bytes())[: round(len(d) * part)])
    with pytest.raises(PictureError, match=r"a\.heic: .*\.$"):
        read_picture(path)


def test_the_limit_holds_for_heic(tmp_path):
    with pytest.raises(PictureError, match="more than the limit of 1,999"):
        read_picture(heic(tmp_path, make.samples(40, 50)), max_pixels=1999)


def planned(*names):
    from pathlib import Path

    items = [Found(Path("in", name), Path(name)) for name in names]
    return [str(target) for _, target in plan_outputs(items, "out")]


def test_outputs_are_png_where_the_format_is_not_written():
    assert planned("a.heic", "b.jpg", "c.AVIF") == ["out/a.png", "out/b.jpg", "out/c.png"]
    assert planned("a.heic", "a.png", "a.avif") == ["out/a.heic.png", "out/a.png", "out/a.avif.png"]


@needs_avif
def test_what_is_read_only_is_written_as_png_or_refused(tmp_path):
    picture = read_picture(avif(tmp_path, make.samples(40, 50, 4)))
    plain = write_picture(tmp_path / "no extension", picture, picture.pixels)
    with Image.open(plain) as image:
        assert image.format == "PNG"
    again = read_picture(plain)
    assert np.array_equal(again.pixels, picture.pixels)
    assert np.array_equal(again.alpha, picture.alpha)
    for suffix, title in ((".avif", "AVIF"), (".heic", "HEIC")):
        with pytest.raises(PictureError, match=f"{title} cannot be written. Use one of"):
            write_picture(tmp_path / f"b{suffix}", picture, picture.pixels)
