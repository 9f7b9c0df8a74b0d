"""Pixels and metadata into the bytes of a picture file."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from deweather.errors import PictureError
from deweather.image.bit_depth import to_8_bit
from deweather.image.colour import ProfileError, colour_space
from deweather.image.formats import TITLES, Kind
from deweather.image.metadata import EXIF_PREFIX, tags_of_exif
from deweather.image.picture import Array, Picture, band_starts
from deweather.image.png import write_png
from deweather.image.tiff_write import write_tiff

QUALITY = 95
"""Of JPEG and lossy WebP where the source does not say."""

_LONGEST_SIDE: dict[Kind, int] = {"jpeg": 65_500, "webp": 16_383, "bmp": 65_535}
_APP1_ROOM = 65_533
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"


def encode(file: BinaryIO, kind: Kind, picture: Picture, pixels: Array) -> None:
    """Write restored pixels in a format, with what the picture brought along.

    What the format cannot hold is dropped, with a note in `picture.info`.

    Args:
        file: where to write; must stand at its beginning.
        kind: the format.
        picture: the picture as it was read.
        pixels: (H, W, 3) in sRGB, shape and dtype of `picture.pixels`.

    Raises:
        PictureError: where the picture is too large for the format.
    """
    info = picture.info
    height, width = pixels.shape[:2]
    longest = _LONGEST_SIDE.get(kind)
    if longest is not None and max(width, height) > longest:
        raise PictureError(
            f"{width} × {height} pixels are too large for {TITLES[kind]}, whose sides end at "
            f"{longest}. Write PNG or TIFF instead."
        )
    if info.wide is not None and kind != "bmp":
        pixels = _back_to_profile(picture, pixels)
    alpha = picture.alpha
    if alpha is not None and kind == "jpeg":
        info.note("JPEG has no transparency; the alpha channel was dropped.")
        alpha = None
    if pixels.dtype == np.uint16 and kind not in ("png", "tiff"):
        info.note(f"{TITLES[kind]} has 8 bits per channel; 16 bits were rounded to 8.")
        pixels, alpha = to_8_bit(pixels), None if alpha is None else to_8_bit(alpha)
    samples = luma(pixels) if info.grey and kind != "webp" else pixels
    if alpha is not None:
        samples = np.concatenate([samples, alpha[..., None]], axis=-1)
    writer = {"jpeg": _jpeg, "webp": _webp, "bmp": _bmp, "png": _png, "tiff": _tiff}[kind]
    writer(file, samples, picture, _profile_for(picture, samples))


def luma(pixels: Array) -> Array:
    """Grey (H, W, 1) of RGB (H, W, 3), ITU-R BT.601, rounded; exact where the channels agree."""
    grey = np.empty((*pixels.shape[:2], 1), pixels.dtype)
    starts = band_starts(*pixels.shape[:2])
    weights = np.array([299, 587, 114], np.uint32)
    for y in starts:
        band = pixels[y : y + starts.step] @ weights
        grey[y : y + starts.step, :, 0] = (band + 500) // 1000
    return grey


def _back_to_profile(picture: Picture, pixels: Array) -> Array:
    wide = picture.info.wide
    if wide is None:
        return pixels
    out = np.empty_like(pixels)
    starts = band_starts(*pixels.shape[:2])
    for y in starts:
        rows = slice(y, y + starts.step)
        out[rows] = wide.profile.carry_back(wide.original[rows], pixels[rows])
    return out


def _profile_for(picture: Picture, samples: Array) -> bytes | None:
    """The ICC profile, unless it is one for grey and the file gets three channels."""
    icc = picture.info.icc
    if icc is None or samples.shape[-1] < 3:
        return icc
    try:
        if colour_space(icc) == "GRAY":
            picture.info.note("The grey ICC profile does not fit an RGB file; it was dropped.")
            return None
    except ProfileError:
        pass  # unreadable, kept as it came
    return icc


def _image(samples: Array) -> Image.Image:
    return Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples)


def _jpeg(file: BinaryIO, samples: Array, picture: Picture, icc: bytes | None) -> None:
    info = picture.info
    exif, xmp = info.exif, info.xmp
    if exif is not None and len(exif) + len(EXIF_PREFIX) > _APP1_ROOM:
        info.note("The EXIF block is too large for JPEG; it was dropped.")
        exif = None
    if xmp is not None and len(xmp) + len(_XMP_PREFIX) > _APP1_ROOM:
        info.note("The XMP packet is too large for JPEG; it was dropped.")
        xmp = None
    options: dict[str, Any] = {"quality": QUALITY, "subsampling": 0}
    if info.jpeg is not None:
        options = {"qtables": info.jpeg.tables, "subsampling": info.jpeg.subsampling}
        options["progressive"] = info.jpeg.progressive
    if info.dpi is not None:
        options["dpi"] = info.dpi
    if icc is not None:
        options["icc_profile"] = icc
    if exif is not None:
        options["exif"] = EXIF_PREFIX + exif
    if xmp is not None:
        body = _XMP_PREFIX + xmp
        # Segments to be copied as they are; Pillow's own `xmp` option is younger than 10.3.
        options["extra"] = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    _image(samples).save(file, "JPEG", **options)


def _webp(file: BinaryIO, samples: Array, picture: Picture, icc: bytes | None) -> None:
    info = picture.info
    # `exact` keeps the colours under full transparency, as all other formats do.
    options: dict[str, Any] = {"lossless": info.lossless, "quality": QUALITY, "exact": True}
    options |= {"icc_profile": icc or b"", "exif": info.exif or b"", "xmp": info.xmp or b""}
    _image(samples).save(file, "WEBP", **options)


def _png(file: BinaryIO, samples: Array, picture: Picture, icc: bytes | None) -> None:
    info = picture.info
    write_png(file, samples, icc=icc, exif=info.exif, xmp=info.xmp, dpi=info.dpi)


def _tiff(file: BinaryIO, samples: Array, picture: Picture, icc: bytes | None) -> None:
    info = picture.info
    tags = None
    if info.exif is not None:
        try:
            tags = tags_of_exif(info.exif)
            tags.tobytes(8)
        except Exception:  # Pillow fails in many ways on broken tags
            info.note("The EXIF tags are damaged and were dropped.")
            tags = None
    alpha = samples.shape[-1] in (2, 4)
    write_tiff(file, samples, alpha=alpha, tags=tags, icc=icc, xmp=info.xmp, dpi=info.dpi)


def _bmp(file: BinaryIO, samples: Array, picture: Picture, icc: bytes | None) -> None:
    del icc  # BMP has no room for it, nor for EXIF
    if samples.shape[-1] in (1, 3):
        options: dict[str, Any] = {} if picture.info.dpi is None else {"dpi": picture.info.dpi}
        _image(samples).save(file, "BMP", **options)
        return
    # Pillow writes alpha under a header that promises none; version 4 of the header names it.
    height, width, channels = samples.shape
    order = (2, 1, 0, 3) if channels == 4 else (0, 0, 0, 1)
    body = np.ascontiguousarray(samples[::-1, :, order])
    masks = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)
    per_metre = [round(d / 0.0254) for d in picture.info.dpi or (0, 0)]
    words = [body.nbytes, *per_metre, 0, 0, *masks]
    header = (108).to_bytes(4, "little") + width.to_bytes(4, "little")
    header += height.to_bytes(4, "little") + b"\1\0\x20\0" + (3).to_bytes(4, "little")
    header += b"".join(word.to_bytes(4, "little") for word in words)
    header += b"BGRs" + bytes(48)  # sRGB; end points and gammas are ignored
    start = 14 + len(header)
    size = (start + body.nbytes).to_bytes(4, "little")
    file.write(b"BM" + size + bytes(4) + start.to_bytes(4, "little") + header)
    file.write(body.data)
