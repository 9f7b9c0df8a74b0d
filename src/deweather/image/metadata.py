"""EXIF and XMP: find the orientation, reset it, and carry the rest from format to format."""

from __future__ import annotations

import io
import math
import re
import struct
from typing import Any, BinaryIO

from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2

EXIF_PREFIX = b"Exif\0\0"
EMPTY_HEADER = b"II*\0\x08\0\0\0"
"""Start of a little-endian TIFF file whose directory follows at once."""
ORIENTATION = 0x0112
_LONG = 4
_EXIF_IFD, _GPS_IFD, _INTEROP_IFD = 0x8769, 0x8825, 0xA005

_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation\s*(?:=\s*["\']|>)\s*)[1-8]')

# TIFF tags that say how the pixels are stored, or that have a place of their own: resolution, XMP,
# ICC, Photoshop's layers and caches. They must not follow the picture into another file.
STRUCTURE_TAGS = frozenset(
    {*range(254, 260), *range(262, 267), 273, 274, *range(277, 285), *range(288, 294), 296, 297}
    | {301, *range(317, 350), *range(512, 533), 700, 34377, 34675, 37724}
)


def bare_exif(block: object) -> bytes | None:
    """An EXIF block from its TIFF header on, without the prefix that JPEG gives it."""
    if not isinstance(block, bytes):
        return None
    block = block.removeprefix(EXIF_PREFIX)
    return block if block[:4] in (b"II*\0", b"MM\0*") and len(block) > 8 else None


def read_orientation(exif: bytes | None) -> int:
    """The orientation 1 to 8 of an EXIF block; 1 where there is none or it makes no sense."""
    place = _orientation_place(exif)
    if exif is None or place is None:
        return 1
    order, offset = place
    value = int(struct.unpack_from(order + "H", exif, offset)[0])
    return value if 1 <= value <= 8 else 1


def upright_exif(exif: bytes) -> bytes:
    """The same block with the orientation set to 1; every other byte stays where it is.

    Rewriting the block instead would move the maker notes, whose offsets cameras count from the
    start of the block.
    """
    place = _orientation_place(exif)
    if place is None:
        return exif
    order, offset = place
    return exif[:offset] + struct.pack(order + "H", 1) + exif[offset + 2 :]


def upright_xmp(xmp: bytes) -> bytes:
    """An XMP packet whose tiff:Orientation, if any, is 1."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def turn(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels (H, W, …) of a stored picture, upright. Views where that suffices."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def read_directory(file: BinaryIO) -> ImageFileDirectory_v2:
    """The first directory of tags of a TIFF file, or of an EXIF block, which is built like one."""
    file.seek(0)
    header = file.read(8)
    if header[2:4] == b"+\0":  # BigTIFF
        header += file.read(8)
    directory = ImageFileDirectory_v2(header)
    file.seek(directory.next)
    directory.load(file)
    return directory


def carried_tags(file: BinaryIO, tags: ImageFileDirectory_v2) -> ImageFileDirectory_v2:
    """The tags worth keeping of a directory that was read from `file`, in one ready to be written.

    The directories of EXIF and GPS are copied along; that of interoperability, a pointer into the
    old file, is left behind.
    """
    file.seek(0)
    header = file.read(16 if tags._bigtiff else 8)
    kept = ImageFileDirectory_v2(EMPTY_HEADER)
    for tag in sorted(set(tags) - STRUCTURE_TAGS):
        value: Any = tags[tag]
        kept.tagtype[tag] = tags.tagtype[tag]
        if tag in (_EXIF_IFD, _GPS_IFD):
            directory = ImageFileDirectory_v2(header, group=tag)
            file.seek(value)
            directory.load(file)
            value = {k: directory[k] for k in directory if k != _INTEROP_IFD}
            kept.tagtype[tag] = _LONG
            if not value:
                continue
        kept[tag] = value
    return kept


def exif_of_tags(tags: ImageFileDirectory_v2) -> bytes | None:
    """An EXIF block of such tags; None where there are none."""
    return EMPTY_HEADER + tags.tobytes(8) if len(tags) else None


def tags_of_exif(exif: bytes) -> ImageFileDirectory_v2:
    """The tags of an EXIF block, in a directory that a TIFF file can begin with."""
    file = io.BytesIO(exif)
    return carried_tags(file, read_directory(file))


def sane_dpi(value: object) -> tuple[float, float] | None:
    """A resolution as two floats, or None where it is missing or absurd."""
    try:
        x, y = (float(v) for v in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if all(math.isfinite(v) and 1 <= v < 65535 for v in (x, y)) else None


def _orientation_place(exif: bytes | None) -> tuple[str, int] | None:
    """Byte order and offset of the orientation's value in an EXIF block, where it has one."""
    if exif is None or len(exif) < 10:
        return None
    order = "<" if exif[:2] == b"II" else ">"
    start = struct.unpack_from(order + "I", exif, 4)[0]
    if start + 2 > len(exif):
        return None
    count = struct.unpack_from(order + "H", exif, start)[0]
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        if entry + 12 > len(exif):
            return None
        tag, kind, number = struct.unpack_from(order + "HHI", exif, entry)
        if (tag, kind, number) == (ORIENTATION, 3, 1):
            return order, entry + 8
    return None
