"""Picture formats: told from the first bytes of a file, and what their extensions are."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

from deweather.errors import PictureError

Kind = Literal["jpeg", "png", "webp", "tiff", "bmp", "avif", "heic"]
"""A format that is read."""

READ_ONLY: frozenset[Kind] = frozenset({"avif", "heic"})
"""Formats that are not written; pictures from them become PNG, which keeps all that they hold."""

TITLES: dict[Kind, str] = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
    "tiff": "TIFF",
    "bmp": "BMP",
    "avif": "AVIF",
    "heic": "HEIC",
}

EXTENSIONS: dict[str, Kind] = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".jfif": "jpeg",
    ".png": "png",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".bmp": "bmp",
    ".dib": "bmp",
    ".avif": "avif",
    ".heic": "heic",
    ".heif": "heic",
    ".hif": "heic",
}
"""Extensions of pictures, in lower case, and the format that each promises."""

HEAD_SIZE = 512
"""Bytes from the start of a file that suffice to tell what it is."""

_FOREIGN_EXTENSIONS = {
    **{".gif": "GIF", ".jp2": "JPEG 2000", ".jxl": "JPEG XL", ".svg": "SVG", ".pdf": "PDF"},
    **{".psd": "Photoshop", ".exr": "OpenEXR", ".hdr": "Radiance HDR", ".pfm": "PFM"},
    **{".ppm": "PPM", ".pgm": "PGM", ".ico": "ICO"},
    **{".mp4": "MP4", ".mov": "QuickTime", ".avi": "AVI", ".mkv": "Matroska"},
}

_BRANDS: dict[bytes, Kind] = {
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "heic"),
}
"""Of ISO media files: what their pictures are compressed by (AV1, HEVC)."""

_FOREIGN_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"MM\0+", "a big-endian BigTIFF picture"),
    (0, b"GIF8", "a GIF picture"),
    (4, b"ftypmif1", "a HEIF picture of an unknown kind"),
    (4, b"ftypmsf1", "a HEIF picture of an unknown kind"),
    (4, b"ftyp", "a video (MP4 or QuickTime)"),
    (0, b"RIFF", "a RIFF file (AVI or WAV)"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"v/1\x01", "an OpenEXR picture"),
    (0, b"#?RADIANCE", "a Radiance HDR picture"),
    (0, b"#?RGBE", "a Radiance HDR picture"),
    (0, b"PF\n", "a PFM picture (floating point)"),
    (0, b"Pf\n", "a PFM picture (floating point)"),
    (0, b"\x00\x00\x01\x00", "a Windows icon"),
    (0, b"qoif", "a QOI picture"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\x7fELF", "a program"),
)


def sniff(head: bytes) -> Kind | None:
    """The format that the first bytes of a file announce; None where it is none that is read."""
    starts: dict[bytes, Kind] = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png"}
    starts |= dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0"), "tiff")
    for magic, kind in starts.items():
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    # "BM" alone also starts many a text; the second word of the header must be a header size.
    if head[:2] == b"BM" and head[14:18] in {
        size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124)
    }:
        return "bmp"
    return _of_brands(head) if head[4:8] == b"ftyp" else None


def _of_brands(head: bytes) -> Kind | None:
    """The format of an ISO media file. Its main brand may be that of a container of anything."""
    end = min(int.from_bytes(head[:4]), len(head))
    brands = [head[8:12], *(head[i : i + 4] for i in range(16, end - 3, 4))]
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)


def describe(head: bytes) -> str:
    """What a file that is no readable picture seems to be, such as "a GIF picture"."""
    for offset, magic, title in _FOREIGN_MAGIC:
        if head[offset:].startswith(magic):
            return title
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return "an SVG drawing"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the picture itself"
    if head and all(9 <= byte <= 13 or 32 <= byte < 127 for byte in head):
        return "a text file"
    return "not a picture"


def identify(head: bytes, name: str) -> Kind:
    """The format of a file, from its first bytes, in agreement with its extension.

    Raises:
        PictureError: where the content is no picture that is read, or the extension says otherwise.
    """
    kind = sniff(head)
    readable = ", ".join(TITLES.values())
    if kind is None:
        raise PictureError(
            f"the content is {describe(head)}. Give a file in one of these formats: {readable}."
        )
    suffix = PurePath(name).suffix.lower()
    promised = promised_by(suffix)
    if promised is not None and promised != TITLES[kind]:
        raise PictureError(
            f"the extension {suffix} says {promised} but the content is {TITLES[kind]}. "
            f"Rename the file to end in {default_suffix(kind)}."
        )
    return kind


def promised_by(suffix: str) -> str | None:
    """The title of the format that an extension (lower case, with dot) stands for, if known."""
    kind = EXTENSIONS.get(suffix)
    return TITLES[kind] if kind else _FOREIGN_EXTENSIONS.get(suffix)


def default_suffix(kind: Kind) -> str:
    """The extension that new files of a format get, such as ".jpg"."""
    return next(suffix for suffix, value in EXTENSIONS.items() if value == kind)
