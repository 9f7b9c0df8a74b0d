"""PNG files: those of 16 bits per channel read, and all of them written in bands of rows.

Specification: W3C PNG, third edition; chunk names and filters are its terms.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from deweather.errors import PictureError
from deweather.image.picture import band_starts

Array = NDArray[Any]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_METRE = 0.0254
_BAND_BYTES = 1 << 20


def depth(head: bytes) -> int:
    """Bits per sample, from the first bytes of a file."""
    return head[24] if len(head) > 24 else 0


@dataclass(frozen=True)
class Png16:
    """What a PNG of 16-bit samples holds: pixels (H, W, 3), alpha (H, W), and its EXIF block."""

    pixels: Array
    alpha: Array | None
    grey: bool
    exif: bytes | None


@dataclass
class _Outline:
    """What the chunks of a PNG say before decoding; `core` are those that make up the pixels."""

    colour_type: int = -1
    transparent: tuple[int, ...] | None = None
    exif: bytes | None = None
    core: list[memoryview] = field(default_factory=list)


def read_16_bit(file: BinaryIO) -> Png16:
    """Read a PNG with 16-bit samples, which Pillow would cut down to 8 in colour."""
    file.seek(0)
    data = file.read()
    outline = _check(data)
    import cv2

    # Of the other chunks OpenCV makes nothing but alpha channels and complaints on stderr.
    core = b"".join((SIGNATURE, *outline.core))
    outline.core.clear()
    del data  # one copy of a large file is enough
    samples = cv2.imdecode(np.frombuffer(core, np.uint8), cv2.IMREAD_UNCHANGED)
    del core
    if samples is None or samples.dtype != np.uint16:
        raise PictureError("the PNG data is damaged. Copy or export the file again.")
    grey = outline.colour_type in (0, 4)
    alpha = samples[..., 3].copy() if outline.colour_type in (4, 6) else None
    if samples.ndim == 2 or grey:
        first = samples if samples.ndim == 2 else samples[..., 0]
        pixels = np.repeat(first[..., None], 3, axis=-1)
    elif samples.shape[-1] == 3:  # OpenCV hands out BGR
        pixels, starts = samples, band_starts(*samples.shape[:2])
        for y in starts:
            band = pixels[y : y + starts.step]
            band[...] = cv2.cvtColor(band, cv2.COLOR_BGR2RGB)
    else:
        pixels = cv2.cvtColor(samples, cv2.COLOR_BGRA2RGB)
    if outline.transparent is not None:
        key = np.array(outline.transparent, dtype=np.uint16)
        alpha = np.where(np.all(pixels == key, axis=-1), 0, 65535).astype(np.uint16)
    return Png16(pixels, alpha, grey, outline.exif)


def _check(data: bytes) -> _Outline:
    """Refuse a file unless every checksum and the amount of pixel data is right.

    OpenCV, depending on its version, reports damage on stderr only and hands out half a picture.
    """
    outline, header, transparent, ended = _Outline(), b"", b"", False
    inflate, inflated = zlib.decompressobj(), 0
    for name, body, whole in _chunks(data):
        if name in (b"IHDR", b"IDAT", b"IEND"):
            outline.core.append(whole)
        if name == b"IHDR":
            header = bytes(body)
        elif name == b"tRNS":
            transparent = bytes(body)
        elif name == b"eXIf":
            outline.exif = bytes(body)
        elif name == b"IDAT":
            # In small pieces: the inflated data is only counted.
            for start in range(0, len(body), 65536):
                inflated += len(inflate.decompress(body[start : start + 65536]))
        ended = name == b"IEND"
    width, height, _, colour_type, *_, interlaced = struct.unpack(">IIBBBBB", header)
    if colour_type not in _CHANNELS:
        raise PictureError(f"the PNG colour type {colour_type} does not exist.")
    expected = height * (1 + 2 * width * _CHANNELS[colour_type])
    if not ended or (not interlaced and inflated < expected):
        raise PictureError("the file is truncated. Copy or export it again.")
    outline.colour_type = colour_type
    if transparent and colour_type in (0, 2):
        outline.transparent = struct.unpack(f">{_CHANNELS[colour_type]}H", transparent)
    return outline


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Name, body and whole of each chunk up to IEND; stops early where the file does."""
    view, position = memoryview(data), len(SIGNATURE)
    while position + 12 <= len(view):
        size, name = struct.unpack_from(">I4s", view, position)
        end = position + 8 + size
        if end + 4 > len(view):
            return
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", view, end)[0]:
            raise PictureError("a checksum in the PNG is wrong. Copy or export the file again.")
        yield name, view[position + 8 : end], view[position : end + 4]
        if name == b"IEND":
            return
        position = end + 4


def write_png(
    file: BinaryIO,
    samples: Array,
    *,
    icc: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write samples (H, W, S) uint8 or uint16 with S = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
    height, width, channels = samples.shape
    header = (width, height, samples.itemsize * 8, _COLOUR_TYPES[channels], 0, 0, 0)
    file.write(SIGNATURE)
    _write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", *header))
    if icc:
        _write_chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if dpi:
        _write_chunk(file, b"pHYs", struct.pack(">IIB", *(round(d / _METRE) for d in dpi), 1))
    if exif:
        _write_chunk(file, b"eXIf", exif)
    if xmp:
        _write_chunk(file, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    deflate = zlib.compressobj(6)
    rows = max(1, _BAND_BYTES // max(1, samples[0].nbytes))
    above = np.zeros((1, samples[0].nbytes), np.uint8)
    for y in range(0, height, rows):
        big_endian = samples[y : y + rows].astype(samples.dtype.newbyteorder(">"), order="C")
        lines = big_endian.view(np.uint8).reshape(len(big_endian), -1)
        filtered = _filter(lines, above, samples.itemsize * channels)
        above = lines[-1:]
        if packed := deflate.compress(filtered):
            _write_chunk(file, b"IDAT", packed)
    _write_chunk(file, b"IDAT", deflate.flush())
    _write_chunk(file, b"IEND", b"")


def _write_chunk(file: BinaryIO, name: bytes, body: bytes) -> None:
    file.write(struct.pack(">I", len(body)) + name)
    file.write(body)
    file.write(struct.pack(">I", zlib.crc32(body, zlib.crc32(name))))


def _filter(lines: Array, above: Array, step: int) -> bytes:
    """Rows (h, n) of bytes, each under the filter with the least sum of absolute values.

    Args:
        lines: the rows.
        above: the row before the first, (1, n).
        step: bytes per pixel.
    """
    up = np.concatenate([above, lines[:-1]])
    left, corner = np.zeros_like(lines), np.zeros_like(lines)
    left[:, step:], corner[:, step:] = lines[:, :-step], up[:, :-step]
    candidates = {0: lines, 1: lines - left, 2: lines - up, 4: lines - _paeth(left, up, corner)}
    costs = [np.abs(c.view(np.int8).astype(np.int16)).sum(axis=1) for c in candidates.values()]
    best = np.argmin(costs, axis=0)
    filtered = np.empty((len(lines), lines.shape[1] + 1), np.uint8)
    for place, (kind, candidate) in enumerate(candidates.items()):
        chosen = best == place
        filtered[chosen, 0] = kind
        filtered[chosen, 1:] = candidate[chosen]
    return filtered.tobytes()


def _paeth(left: Array, up: Array, corner: Array) -> Array:
    """Whichever of the three neighbours is nearest to left + up − corner; ties in that order."""
    a, b, c = (v.astype(np.int16) for v in (left, up, corner))
    from_left, from_up, from_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    use_left = (from_left <= from_up) & (from_left <= from_corner)
    return np.where(use_left, left, np.where(from_up <= from_corner, up, corner))
