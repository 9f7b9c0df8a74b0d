"""Small picture files of every kind, built byte by byte where no library writes them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def samples(height=13, width=17, channels=3, dtype=np.uint8, seed=0):
    """A smooth picture with some noise, (H, W, C)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([(x * (c + 1) + y * (3 - c)) % 97 / 97 for c in range(channels)], axis=-1)
    values = np.clip(base * 0.9 + rng.random((height, width, channels)) * 0.1, 0, 1)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


def save(path: Path, image: Image.Image, kind: str, **options) -> Path:
    image.save(path, kind, **options)
    return path


def encoded(kind: str, image: Image.Image | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    (image or Image.fromarray(samples(40, 50))).save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(data: np.ndarray, extra: bytes = b"", late: bytes = b"") -> bytes:
    """A PNG of (H, W, C) uint8 or uint16, without filters; chunks before and after the pixels."""
    height, width, channels = data.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    depth = data.itemsize * 8
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    rows = data.astype(data.dtype.newbyteorder(">"))
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + extra
        + png_chunk(b"IDAT", zlib.compress(raw))
        + late
        + png_chunk(b"IEND", b"")
    )


def interlaced_png(data: np.ndarray) -> bytes:
    """A PNG of (H, W, 3) uint16 in the seven passes of Adam7, each a picture of its own."""
    height, width, _ = data.shape
    raw = b""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    for y, x, step_y, step_x in [*passes, (1, 0, 2, 1)]:
        for row in data[y::step_y, x::step_x].astype(">u2"):
            raw += b"\0" + row.tobytes()
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 1)
    encoded = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    return encoded + png_chunk(b"IDAT", zlib.compress(raw)) + png_chunk(b"IEND")


def tiff(
    data: np.ndarray,
    *,
    photometric: int | None = None,
    order: str = "<",
    deflate: bool = False,
    planar: bool = False,
    predictor: int = 1,
    tile: int = 0,
    rows: int = 0,
    big: bool = False,
    following: int = 0,
    tags: dict[int, tuple[int, list[int]]] | None = None,
) -> bytes:
    """A TIFF of (H, W, C) in any integer or float dtype; `tags` adds or replaces entries."""
    height, width, channels = data.shape
    planes = [data[..., c : c + 1] for c in range(channels)] if planar else [data]
    blocks = []
    for plane in planes:
        if tile:
            pad = [(0, -height % tile), (0, -width % tile), (0, 0)]
            full = np.pad(plane, pad)
            for y in range(0, full.shape[0], tile):
                for x in range(0, full.shape[1], tile):
                    blocks.append(full[y : y + tile, x : x + tile])
        else:
            step = rows or height
            blocks += [plane[y : y + step] for y in range(0, height, step)]
    packed = []
    for block in blocks:
        out = block.copy()
        if predictor == 2:
            out[:, 1:] -= block[:, :-1]
        raw = out.astype(out.dtype.newbyteorder(order)).tobytes()
        packed.append(zlib.compress(raw) if deflate else raw)
    mark = b"II" if order == "<" else b"MM"
    body = bytearray(mark + struct.pack(order + "H", 43 if big else 42))
    body += struct.pack(order + "HHQ", 8, 0, 0) if big else bytes(4)

    def put(piece: bytes) -> int:
        body.extend(bytes(-len(body) % 8))
        body.extend(piece)
        return len(body) - len(piece)

    offsets = [put(piece) for piece in packed]
    sizes = [len(piece) for piece in packed]
    number_format = 3 if data.dtype.kind == "f" else 2 if data.dtype.kind == "i" else 1
    entries = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [data.itemsize * 8] * channels),
        259: (3, [8 if deflate else 1]),
        262: (3, [(2 if channels >= 3 else 1) if photometric is None else photometric]),
        277: (3, [channels]),
        284: (3, [2 if planar else 1]),
        317: (3, [predictor]),
        339: (3, [number_format] * channels),
    }
    if tile:
        entries |= {322: (4, [tile]), 323: (4, [tile]), 324: (4, offsets), 325: (4, sizes)}
    else:
        entries |= {273: (4, offsets), 278: (4, [rows or height]), 279: (4, sizes)}
    entries |= tags or {}
    room = 8 if big else 4
    lines = []
    for tag, (kind, values) in sorted(entries.items()):
        piece = struct.pack(order + str(len(values)) + {3: "H", 4: "I"}[kind], *values)
        if len(piece) > room:
            piece = struct.pack(order + ("Q" if big else "I"), put(piece))
        head = struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, len(values))
        lines.append(head + piece.ljust(room, b"\0"))
    count = struct.pack(order + ("Q" if big else "H"), len(lines))
    next_one = struct.pack(order + ("Q" if big else "I"), following)
    place = put(count + b"".join(lines) + next_one)
    start = 8 if big else 4
    body[start : start + room] = struct.pack(order + ("Q" if big else "I"), place)
    return bytes(body)


def exif(orientation: int = 1, order: str = "<") -> bytes:
    """An EXIF block (from its TIFF header on) with a maker and an orientation."""
    maker = b"Deweather\0"
    entries = struct.pack(order + "HHII", 0x010F, 2, len(maker), 8 + 2 + 24 + 4)
    entries += struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", 2) + entries + bytes(4) + maker


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)


def png_of_size(width: int, height: int, depth: int = 8) -> bytes:
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(10_000)))
    return png_header(width, height, depth) + pixels + png_chunk(b"IEND", b"")


def jpeg_of_size(width: int, height: int) -> bytes:
    data = bytearray(encoded("JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp_of_size(width: int, height: int) -> bytes:
    data = bytearray(encoded("BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def webp_of_size(width: int, height: int) -> bytes:
    """An extended header may claim 2^24 pixels a side."""
    frame = encoded("WEBP")[12:]
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + sides + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff_of_size(width: int, height: int, **options) -> bytes:
    tags = {256: (4, [width]), 257: (4, [height])}
    return tiff(samples(8, 8, **options), tags=tags)


def tiff16_of_size(width: int, height: int) -> bytes:
    return tiff_of_size(width, height, dtype=np.uint16)
