"""Open picture files and turn what is in them into RGB arrays, alpha and metadata."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import (
    BmpImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from deweather.errors import PictureError
from deweather.image import metadata, png, tiff
from deweather.image.colour import ProfileError, colour_space, parse_matrix_profile
from deweather.image.formats import TITLES, Kind
from deweather.image.heic import read_heic
from deweather.image.picture import Array, JpegHint, Picture, PictureInfo, WideColour, band_starts

# Opened through these classes and not through `Image.open`, which warns of, or refuses, pictures
# beyond Pillow's process-wide `MAX_IMAGE_PIXELS`; the limit here is the caller's.
_OPENERS: dict[Kind, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "jpeg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
}

# What each of Pillow's modes is read as, and what that costs.
_MODES: dict[str, tuple[str, str | None]] = {
    "1": ("L", "1-bit picture read as 8-bit grey."),
    "L": ("L", None),
    "LA": ("LA", None),
    "La": ("LA", None),
    "P": ("RGB", "Palette expanded to RGB."),
    "PA": ("RGBA", "Palette expanded to RGB."),
    "RGB": ("RGB", None),
    "RGBX": ("RGB", None),
    "RGBA": ("RGBA", None),
    "RGBa": ("RGBA", None),
    "YCbCr": ("RGB", None),
    "CMYK": ("RGB", "CMYK converted to RGB."),
    "LAB": ("RGB", "Lab converted to RGB."),
}

_WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}


@dataclass
class _Stored:
    """Pixels as they stand in a file, and what the file says about them."""

    pixels: Array
    alpha: Array | None
    orientation: int = 1


def decode(file: BinaryIO, kind: Kind, head: bytes, max_pixels: int) -> Picture:
    """Read an open file of a known format.

    Args:
        file: the file.
        kind: its format.
        head: its first bytes.
        max_pixels: largest width × height to decode; larger ones are refused from the header.

    Raises:
        PictureError: with a reason and a remedy, but without the file's name.
    """
    info = PictureInfo(kind, lossless=kind == "webp" and _is_lossless_webp(file))
    if kind == "tiff":
        stored = _decode_tiff(file, info, max_pixels)
    elif kind == "heic":
        heic = read_heic(file, info, lambda w, h: _check_size(w, h, max_pixels))
        stored = _Stored(heic.pixels, heic.alpha)
    else:
        stored = _decode_plain(file, head, info, max_pixels)
    pixels, alpha = stored.pixels, stored.alpha
    if stored.orientation != 1:
        pixels = np.ascontiguousarray(metadata.turn(pixels, stored.orientation))
        if alpha is not None:
            alpha = np.ascontiguousarray(metadata.turn(alpha, stored.orientation))
    return Picture(_to_srgb(pixels, info), alpha, info)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise PictureError(f"the picture has {width} × {height} pixels. Export it again.")
    if width * height > max_pixels:
        raise PictureError(
            f"the picture has {width} × {height} = {width * height:,} pixels, more than the "
            f"limit of {max_pixels:,}. If you trust the file, raise max_pixels."
        )


def _is_lossless_webp(file: BinaryIO) -> bool:
    """Whether the first chunk of pixels is of the lossless kind."""
    position = 12
    while True:
        file.seek(position)
        header = file.read(8)
        if len(header) < 8 or header[:4] in (b"VP8 ", b"VP8L"):
            return header[:4] == b"VP8L"
        size = int.from_bytes(header[4:], "little")
        # A frame of an animation is a chunk around others, behind 16 bytes of its own.
        position += 24 if header[:4] == b"ANMF" else 8 + size + size % 2


def _open_plain(file: BinaryIO, kind: Kind) -> ImageFile.ImageFile:
    if kind == "avif":
        return _open_avif(file)
    try:
        return _OPENERS[kind](file)
    except Image.DecompressionBombError as error:  # WebP alone checks inside of its class
        raise PictureError(
            f"the picture has more pixels than are read of {TITLES[kind]}. "
            "Save it as PNG or TIFF if you trust it."
        ) from error


def _open_avif(file: BinaryIO) -> ImageFile.ImageFile:
    from PIL import features

    if not features.check("avif"):
        raise PictureError("this Pillow reads no AVIF. Run: pip install 'pillow>=11.3'.")
    from PIL import AvifImagePlugin

    return AvifImagePlugin.AvifImageFile(file)


def _avif_bits(head: bytes) -> int:
    """Bits per sample that the first bytes of an AVIF file state; 8 where they say nothing."""
    place = head.find(b"pixi")  # a box: version and flags, number of channels, bits of each
    return head[place + 9] if 0 <= place < len(head) - 9 else 8


def _decode_plain(file: BinaryIO, head: bytes, info: PictureInfo, max_pixels: int) -> _Stored:
    """JPEG, PNG, WebP, BMP and AVIF."""
    if info.kind == "avif":
        file.seek(0)
        if (bits := _avif_bits(file.read(1 << 16))) > 8:
            info.note(f"The AVIF has {bits} bits per channel; they were read as 8.")
    file.seek(0)
    with _open_plain(file, info.kind) as image:
        _check_size(*image.size, max_pixels)
        if "mpoffset" in image.info:
            info.note_several("The file holds several pictures; only the first was read.")
        if getattr(image, "is_animated", False):
            info.note_several("The file is animated; only the first frame was read.")
        if info.kind == "png" and png.depth(head) == 16:
            png16 = png.read_16_bit(file)
            info.bits, info.grey = 16, png16.grey
            stored = _Stored(png16.pixels, png16.alpha)
            exif: object = png16.exif
        else:
            stored = _read_8_bit(image, info)
            exif = image.info.get("exif")
        _keep_facts(image.info, info)
    info.exif = metadata.bare_exif(exif)
    if exif and info.exif is None:
        info.note("The EXIF block is damaged and was dropped.")
    stored.orientation = metadata.read_orientation(info.exif)
    if info.exif and stored.orientation != 1:
        info.exif = metadata.upright_exif(info.exif)
        info.xmp = info.xmp and metadata.upright_xmp(info.xmp)
    return stored


def _decode_tiff(file: BinaryIO, info: PictureInfo, max_pixels: int) -> _Stored:
    file_size = file.seek(0, io.SEEK_END)
    tags = metadata.read_directory(file)
    if tiff.WIDTH not in tags or tiff.HEIGHT not in tags:
        raise PictureError("the directory of the TIFF is cut off. Copy or export the file again.")
    size = tiff.number(tags, tiff.WIDTH, 0), tiff.number(tags, tiff.HEIGHT, 0)
    _check_size(*size, max_pixels)
    tiff.check_strips(tags, file_size)
    if tags.next:
        info.note_several("The file holds several pages; only the first was read.")
    orientation = tiff.number(tags, metadata.ORIENTATION, 1)
    orientation = orientation if 1 <= orientation <= 8 else 1
    _keep_facts(tiff.facts(tags), info)
    try:
        info.exif = metadata.exif_of_tags(metadata.carried_tags(file, tags))
    except Exception:  # Pillow fails in many ways on broken tags; the pixels can still be fine
        info.note("The EXIF tags are damaged and were dropped.")
    if tiff.is_16_bit(tags):
        colours, alpha, notes = tiff.read_16_bit(file, tags)
        info.bits, info.grey = 16, colours.shape[-1] == 1
        info.notes += notes
        pixels = np.repeat(colours, 3, axis=-1) if info.grey else np.ascontiguousarray(colours)
        stored = _Stored(pixels, alpha, orientation)
    else:
        file.seek(0)
        with TiffImagePlugin.TiffImageFile(file) as image:
            tiff.load_without_limit(image, size)
            stored = _read_8_bit(image, info)
            # Newer Pillow turns TIFF pictures while loading and takes the tag away.
            if metadata.ORIENTATION in image.tag_v2:
                stored.orientation = orientation
    if orientation != 1:
        info.xmp = info.xmp and metadata.upright_xmp(info.xmp)
    return stored


def _read_8_bit(image: ImageFile.ImageFile, info: PictureInfo) -> _Stored:
    """Decode with Pillow, 8 bits or fewer, band by band to keep one copy only."""
    stored = image.mode
    if stored not in _MODES:
        raise PictureError(
            f"pixels of Pillow's mode {stored!r} are not supported. "
            "Save the picture as RGB or grey with 8 or 16 bits per channel."
        )
    mode, note = _MODES[stored]
    if note:
        info.note(note)
    info.grey = mode in ("L", "LA")
    if isinstance(image, JpegImagePlugin.JpegImageFile) and stored in ("L", "RGB"):
        tables = {int(k): list(v) for k, v in image.quantization.items()}
        sampling = max(0, JpegImagePlugin.get_sampling(image))
        info.jpeg = JpegHint(tables, sampling, bool(image.info.get("progressive")))
    image.load()
    if mode in _WITH_ALPHA and "transparency" in image.info:
        mode = _WITH_ALPHA[mode]
    convert = _converter(stored, mode, image.info.get("icc_profile"))
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if mode.endswith("A") else None
    starts = band_starts(height, width)
    for y in starts:
        band = np.asarray(convert(image.crop((0, y, width, min(height, y + starts.step)))))
        rows = slice(y, y + len(band))
        pixels[rows] = band[..., None] if mode == "L" else band[..., : 1 if info.grey else 3]
        if alpha is not None:
            alpha[rows] = band[..., -1]
    return _Stored(pixels, alpha)


def _converter(stored: str, mode: str, icc: bytes | None) -> Callable[[Image.Image], Image.Image]:
    """A function that brings a band of a picture from one of Pillow's modes to another."""
    if stored == mode:
        return lambda band: band
    if stored in ("CMYK", "LAB"):
        transform = _cms_transform(stored, icc)
        if transform is not None:
            return transform
    if stored == "1" and mode == "LA":
        return lambda band: band.convert("RGBA").convert("LA")
    return lambda band: band.convert(mode)


def _cms_transform(stored: str, icc: bytes | None) -> Callable[[Image.Image], Image.Image] | None:
    """Conversion to sRGB through the file's own profile, or None where that is not usable."""
    from PIL import ImageCms

    try:
        if stored == "LAB":
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif icc is not None and colour_space(icc) == "CMYK":
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        else:
            return None
        transform: Any = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            stored,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ProfileError, ImageCms.PyCMSError, OSError):
        return None
    return lambda band: ImageCms.applyTransform(band, transform) or band


def _keep_facts(facts: dict[Any, Any], info: PictureInfo) -> None:
    """Take profile, XMP packet and resolution from a dictionary under Pillow's names."""
    xmp = facts.get("xmp") or facts.get("XML:com.adobe.xmp")
    info.xmp = xmp.encode() if isinstance(xmp, str) else xmp if isinstance(xmp, bytes) else None
    icc = facts.get("icc_profile")
    info.icc = icc if isinstance(icc, bytes) and icc else None
    info.dpi = metadata.sane_dpi(facts.get("dpi"))


def _to_srgb(pixels: Array, info: PictureInfo) -> Array:
    """Convert where the profile asks for it, and settle which profile the written file gets."""
    if info.icc is None:
        return pixels
    try:
        space = colour_space(info.icc)
        if space not in ("RGB", "GRAY"):  # CMYK and Lab were converted while reading
            info.icc = None
            return pixels
        if info.grey or space == "GRAY":
            if info.grey != (space == "GRAY"):
                info.note(f"The ICC profile is for {space}, the picture is not; it was dropped.")
                info.icc = None
            return pixels
        profile = parse_matrix_profile(info.icc)
    except ProfileError as error:
        info.note(f"The ICC profile was kept but not applied: {error}.")
        return pixels
    if profile.is_srgb():
        return pixels
    seen = np.empty_like(pixels)
    starts = band_starts(*pixels.shape[:2])
    for y in starts:
        seen[y : y + starts.step] = profile.to_srgb(pixels[y : y + starts.step])
    info.wide = WideColour(profile, pixels)
    return seen
