"""Files that are no pictures, or not any more: each must end in a PictureError that names it.

`BAD_FILES` maps a name to a function that makes one such file in a folder and returns its path.
`ODD_FILES` does the same for files that look wrong but hold all their pixels: these must be read.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from . import make

Maker = Callable[[Path], Path]
BAD_FILES: dict[str, Maker] = {}
ODD_FILES: dict[str, Maker] = {}

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp"}


def _file(name: str, data: Callable[[], bytes], suffix: str, into: dict[str, Maker]) -> None:
    def maker(folder: Path) -> Path:
        path = folder / f"{name}{suffix}"
        path.write_bytes(data())
        return path

    into[name] = maker


def bad(name: str, suffix: str, data: Callable[[], bytes]) -> None:
    _file(name, data, suffix, BAD_FILES)


def odd(name: str, suffix: str, data: Callable[[], bytes]) -> None:
    _file(name, data, suffix, ODD_FILES)


def special(maker: Maker) -> Maker:
    """Add a maker of something that is not a file with bytes in it, under its own name."""
    BAD_FILES[maker.__name__] = maker
    return maker


# --- cut short, or nothing at all -----------------------------------------------------------------

for _kind, _suffix in SUFFIXES.items():
    bad(f"empty_{_kind.lower()}", _suffix, lambda: b"")
    for _part in (0.02, 0.25, 0.5, 0.9):
        bad(
            f"truncated_{_kind.lower()}_{round(_part * 100)}",
            _suffix,
            lambda k=_kind, p=_part: (d := make.encoded(k))[: round(len(d) * p)],
        )
bad("one_byte", ".png", lambda: b"\x89")
bad("zeros", ".jpg", lambda: bytes(5000))
bad("truncated_png16_50", ".png", lambda: (d := _png16())[: len(d) // 2])
bad("truncated_png16_end", ".png", lambda: (d := _png16())[: len(d) - 30])
bad("truncated_tiff16_50", ".tif", lambda: (d := _tiff16(deflate=True))[: len(d) // 2])


def _png16() -> bytes:
    return make.png(make.samples(40, 50, dtype=np.uint16))


def _tiff16(**options) -> bytes:
    return make.tiff(make.samples(40, 50, dtype=np.uint16), **options)


# --- not what the name says -----------------------------------------------------------------------

for _kind in SUFFIXES:
    for _other, _suffix in SUFFIXES.items():
        if _kind != _other:
            bad(
                f"{_kind.lower()}_named_{_other.lower()}",
                _suffix,
                lambda k=_kind: make.encoded(k),
            )
bad("png_named_gif", ".gif", lambda: make.encoded("PNG"))
bad("gif_named_png", ".png", lambda: make.encoded("GIF"))
bad("gif", ".gif", lambda: make.encoded("GIF"))
bad("heic_named_jpeg", ".jpg", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500))
bad("avif_named_png", ".png", lambda: b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(500))
bad("mp4_named_jpeg", ".jpg", lambda: b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + bytes(500))
bad("svg_named_png", ".png", lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/"/>')
bad("pdf_named_tiff", ".tif", lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n")
bad("html_named_jpeg", ".jpg", lambda: b"<!DOCTYPE html><html><h1>404 Not Found</h1></html>")
bad("text_named_bmp", ".bmp", lambda: b"BM: a memo that starts like a bitmap, but is text.\n" * 9)
bad("lfs_pointer", ".png", lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
bad("zip_named_webp", ".webp", lambda: b"PK\x03\x04" + bytes(200))
bad("avi_named_webp", ".webp", lambda: b"RIFF\x24\0\0\0AVI LIST" + bytes(200))
bad("exr_named_tiff", ".tiff", lambda: b"v/1\x01\x02\0\0\0channels\0" + bytes(200))
bad(
    "hdr_named_png",
    ".png",
    lambda: b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 2\n" + bytes(16),
)
bad("pfm_named_tiff", ".tif", lambda: b"PF\n2 2\n-1.0\n" + bytes(48))
bad("ppm", ".ppm", lambda: make.encoded("PPM"))
bad("jpeg2000_named_jpeg", ".jpg", lambda: make.encoded("JPEG2000"))


# --- bombs and impossible sizes -------------------------------------------------------------------


for _width, _height in ((60_000, 60_000), (0, 10), (10, 0)):
    _name = "bomb" if _width == 60_000 else f"size_{_width}_{_height}"
    bad(f"{_name}_png", ".png", lambda w=_width, h=_height: make.png_of_size(w, h))
    bad(f"{_name}_png16", ".png", lambda w=_width, h=_height: make.png_of_size(w, h, 16))
    bad(f"{_name}_jpeg", ".jpg", lambda w=_width, h=_height: make.jpeg_of_size(w, h))
    bad(f"{_name}_bmp", ".bmp", lambda w=_width, h=_height: make.bmp_of_size(w, h))
    bad(f"{_name}_tiff", ".tif", lambda w=_width, h=_height: make.tiff_of_size(w, h))
    bad(
        f"{_name}_tiff16",
        ".tif",
        lambda w=_width, h=_height: make.tiff_of_size(w, h, dtype=np.uint16),
    )
bad("bomb_webp", ".webp", lambda: make.webp_of_size(60_000, 60_000))
bad("larger_than_its_data_png", ".png", lambda: make.png_of_size(3000, 2000))
bad("larger_than_its_data_png16", ".png", lambda: make.png_of_size(3000, 2000, 16))
bad("larger_than_its_data_bmp", ".bmp", lambda: make.bmp_of_size(3000, 2000))
bad("larger_than_its_data_tiff", ".tif", lambda: make.tiff_of_size(3000, 2000))
bad("larger_than_its_data_tiff16", ".tif", lambda: make.tiff16_of_size(3000, 2000))
bad("side_of_two_billion_png", ".png", lambda: make.png_of_size(2**31 - 1, 1))
bad("negative_width_bmp", ".bmp", lambda: make.bmp_of_size(-8, 8))


# --- damaged inside -------------------------------------------------------------------------------


def _noise(count: int) -> bytes:
    return np.random.default_rng(0).bytes(count)


def _overwritten(data: bytes, start: float, end: float) -> bytes:
    out, a, b = bytearray(data), round(len(data) * start), round(len(data) * end)
    out[a:b] = _noise(b - a)
    return bytes(out)


bad("noise_after_magic_jpeg", ".jpg", lambda: b"\xff\xd8\xff" + _noise(3000))
bad("noise_after_magic_png", ".png", lambda: b"\x89PNG\r\n\x1a\n" + _noise(3000))
bad("noise_after_magic_webp", ".webp", lambda: b"RIFF\xb8\x0b\0\0WEBP" + _noise(3000))
bad("noise_after_magic_tiff", ".tif", lambda: b"II*\0" + _noise(3000))
bad("noise_after_magic_bmp", ".bmp", lambda: b"BM" + bytes(12) + b"\x28\0\0\0" + _noise(3000))
bad("noise_as_png_pixels", ".png", lambda: _overwritten(make.encoded("PNG"), 0.3, 0.9))
bad("noise_as_png16_pixels", ".png", lambda: _overwritten(_png16(), 0.3, 0.9))
bad("noise_as_deflate_tiff", ".tif", lambda: _overwritten(_tiff16(deflate=True), 0.1, 0.9))
bad("noise_as_webp_header", ".webp", lambda: _overwritten(make.encoded("WEBP"), 0.005, 0.1))
bad("wrong_crc_png16", ".png", lambda: (d := _png16())[:29] + b"\0\0\0\0" + d[33:])
bad("wrong_crc_png", ".png", lambda: (d := make.encoded("PNG"))[:29] + b"\0\0\0\0" + d[33:])
bad("no_pixels_png", ".png", lambda: make.png_header(8, 8) + make.png_chunk(b"IEND"))
bad("no_pixels_png16", ".png", lambda: make.png_header(8, 8, 16) + make.png_chunk(b"IEND"))
bad("depth_3_png", ".png", lambda: make.png_header(8, 8, 3) + make.png_chunk(b"IEND"))
bad(
    "colour_type_7_png16",
    ".png",
    lambda: make.png_header(8, 8, 16, 7) + make.png_chunk(b"IEND"),
)
bad("no_scan_jpeg", ".jpg", lambda: (d := make.encoded("JPEG"))[: d.index(b"\xff\xda")])
bad("no_frame_jpeg", ".jpg", lambda: b"\xff\xd8\xff\xd9")
bad("missing_strips_tiff", ".tif", lambda: _strips_missing(np.uint8))
bad("missing_strips_tiff16", ".tif", lambda: _strips_missing(np.uint16))
bad("strips_beyond_end_tiff", ".tif", lambda: _strips_beyond_end(np.uint8))
bad("strips_beyond_end_tiff16", ".tif", lambda: _strips_beyond_end(np.uint16))
bad(
    "directory_beyond_end_tiff", ".tif", lambda: b"II*\0" + struct.pack("<I", 9_999_999) + bytes(99)
)
bad("empty_directory_tiff", ".tif", lambda: b"II*\0\x08\0\0\0" + bytes(100))
bad("big_endian_bigtiff", ".tif", lambda: make.tiff(make.samples(8, 8), big=True, order=">"))


def _strips_missing(dtype: type) -> bytes:
    """Three channels, 12 rows in strips of 4, of which the directory names two."""
    data = make.samples(12, 8, dtype=dtype)
    size = data[:4].nbytes
    return make.tiff(data, rows=4, tags={273: (4, [8, 8 + size]), 279: (4, [size, size])})


def _strips_beyond_end(dtype: type) -> bytes:
    data = make.samples(12, 8, dtype=dtype)
    return make.tiff(data, tags={273: (4, [10_000_000]), 279: (4, [data.nbytes])})


# --- numbers that are not 8 or 16 bits ------------------------------------------------------------


def _numbers(dtype: type, channels: int, value: float = 0.5) -> bytes:
    return make.tiff(np.full((8, 9, channels), value, dtype))


bad("float_tiff", ".tif", lambda: _numbers(np.float32, 3))
bad("float_grey_tiff", ".tif", lambda: _numbers(np.float32, 1))
bad("nan_tiff", ".tif", lambda: _numbers(np.float32, 3, np.nan))
bad("nan_grey_tiff", ".tif", lambda: _numbers(np.float32, 1, np.nan))
bad("half_float_tiff", ".tif", lambda: _numbers(np.float16, 3))
bad("double_tiff", ".tif", lambda: _numbers(np.float64, 3))
bad("int32_tiff", ".tif", lambda: _numbers(np.int32, 1, 7))
bad("uint32_tiff", ".tif", lambda: _numbers(np.uint32, 3, 7))
bad("signed_16_bit_tiff", ".tif", lambda: _numbers(np.int16, 1, 7))
bad("cmyk_16_bit_tiff", ".tif", lambda: make.tiff(make.samples(8, 9, 4, np.uint16), photometric=5))
bad("predictor_3_tiff16", ".tif", lambda: _tiff16(predictor=3))


# --- not regular files ----------------------------------------------------------------------------


@special
def missing(folder: Path) -> Path:
    return folder / "missing.png"


@special
def folder_named_png(folder: Path) -> Path:
    path = folder / "folder_named_png.png"
    path.mkdir()
    return path


@special
def broken_link(folder: Path) -> Path:
    path = folder / "broken_link.png"
    path.symlink_to(folder / "nowhere.png")
    return path


@special
def link_to_itself(folder: Path) -> Path:
    path = folder / "link_to_itself.png"
    path.symlink_to(path)
    return path


@special
def pipe(folder: Path) -> Path:
    path = folder / "pipe.png"
    os.mkfifo(path)
    return path


@special
def device(folder: Path) -> Path:
    path = folder / "device.png"
    path.symlink_to("/dev/zero")
    return path


@special
def name_too_long(folder: Path) -> Path:
    return folder / f"{'n' * 300}.png"


@special
def name_with_null(folder: Path) -> Path:
    return folder / "null\0.png"


@special
def below_a_file(folder: Path) -> Path:
    (folder / "file.png").write_bytes(make.encoded("PNG"))
    return folder / "file.png" / "below_a_file.png"


@special
def no_permission(folder: Path) -> Path:
    """Readable all the same for root; whoever uses this list must skip it then."""
    path = folder / "no_permission.png"
    path.write_bytes(make.encoded("PNG"))
    path.chmod(0)
    return path


# --- odd, but all there ---------------------------------------------------------------------------


def _jpeg_with_segment(marker: int, body: bytes) -> bytes:
    data = make.encoded("JPEG")
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + data[2:]


odd("broken_icc_jpeg", ".jpg", lambda: make.encoded("JPEG", icc_profile=b"no profile at all"))
odd("broken_icc_png", ".png", lambda: make.encoded("PNG", icc_profile=_noise(500)))
odd("broken_icc_tiff16", ".tif", lambda: _tiff16(tags={34675: (4, [1, 2, 3])}))
odd("broken_iccp_chunk_png", ".png", lambda: make.png(make.samples(), _iccp_garbage()))
odd("broken_exif_jpeg", ".jpg", lambda: _jpeg_with_segment(0xE1, b"Exif\0\0" + _noise(400)))
odd("cut_exif_jpeg", ".jpg", lambda: _jpeg_with_segment(0xE1, b"Exif\0\0" + make.exif(6)[:18]))
odd("empty_exif_jpeg", ".jpg", lambda: _jpeg_with_segment(0xE1, b"Exif\0\0"))
odd("orientation_9_jpeg", ".jpg", lambda: _jpeg_with_segment(0xE1, b"Exif\0\0" + make.exif(9)))
odd("looping_exif_jpeg", ".jpg", lambda: _jpeg_with_segment(0xE1, b"Exif\0\0" + _looping_exif()))
odd("broken_exif_png", ".png", lambda: make.png(make.samples(), make.png_chunk(b"eXIf", b"MM\0")))
odd(
    "broken_exif_png16",
    ".png",
    lambda: make.png(make.samples(dtype=np.uint16), make.png_chunk(b"eXIf", _noise(50))),
)
odd(
    "broken_exif_pointer_tiff",
    ".tif",
    lambda: make.tiff(make.samples(), tags={34665: (4, [99_999_999])}),
)
odd(
    "next_directory_beyond_end_tiff",
    ".tif",
    lambda: make.tiff(make.samples(), following=77_777_777),
)
odd("trailing_garbage_jpeg", ".jpg", lambda: make.encoded("JPEG") + _noise(1000))
odd("trailing_garbage_png", ".png", lambda: make.encoded("PNG") + _noise(1000))
odd("trailing_garbage_png16", ".png", lambda: _png16() + _noise(1000))
odd("upper_case_extension", ".PNG", lambda: make.encoded("PNG"))
odd("no_extension", "", lambda: make.encoded("PNG"))
odd("unknown_extension", ".download", lambda: make.encoded("JPEG"))
odd("one_pixel_png", ".png", lambda: make.png(make.samples(1, 1)))
odd("one_pixel_tiff16", ".tif", lambda: make.tiff(make.samples(1, 1, dtype=np.uint16)))
odd("one_row_jpeg", ".jpg", lambda: make.encoded("JPEG", Image.new("RGB", (300, 1))))
odd(
    "two_pixels_per_metre_png",
    ".png",
    lambda: make.png(make.samples(), make.png_chunk(b"pHYs", struct.pack(">IIB", 2, 0, 1))),
)


def _iccp_garbage() -> bytes:
    return make.png_chunk(b"iCCP", b"name\0\0" + zlib.compress(_noise(300)))


def _looping_exif() -> bytes:
    """The EXIF pointer of the first directory points at that directory."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + struct.pack("<I", 8)
