"""What the tags of a TIFF file say, and pixels of 16 bits per channel, which Pillow cannot read."""

from __future__ import annotations

import io
import itertools
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from deweather.errors import PictureError
from deweather.image.picture import band_starts

Array = NDArray[Any]

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES = 273, 277, 278, 279
PLANAR, PREDICTOR, EXTRA_SAMPLES, SAMPLE_FORMAT = 284, 317, 338, 339
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, XMP, ICC = 282, 283, 296, 700, 34675

MAX_CHANNELS = 8
"""Colour, alpha and what extra channels a file may carry (the extra ones are dropped)."""


def tag_numbers(tags: ImageFileDirectory_v2, tag: int) -> tuple[int, ...]:
    """The whole numbers of a tag, as a tuple; empty where the tag is missing."""
    value: Any = tags.get(tag, ())
    values = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(v, int) for v in values):
        raise PictureError(f"the TIFF tag {tag} is damaged. Save the picture again.")
    return values


def number(tags: ImageFileDirectory_v2, tag: int, default: int) -> int:
    """The first whole number of a tag."""
    return (*tag_numbers(tags, tag), default)[0]


def check_strips(tags: ImageFileDirectory_v2, file_size: int) -> None:
    """Refuse a file that lacks strips or tiles: Pillow would leave those parts black.

    Raises:
        PictureError: where some are missing or lie beyond the end of the file.
    """
    width, height = number(tags, WIDTH, 0), number(tags, HEIGHT, 0)
    planes = number(tags, SAMPLES, 1) if number(tags, PLANAR, 1) == 2 else 1
    if TILE_OFFSETS in tags:
        offsets, sizes = tag_numbers(tags, TILE_OFFSETS), tag_numbers(tags, TILE_BYTES)
        across = -(-width // max(1, number(tags, TILE_WIDTH, width)))
        expected = across * -(-height // max(1, number(tags, TILE_HEIGHT, height)))
    else:
        offsets, sizes = tag_numbers(tags, STRIP_OFFSETS), tag_numbers(tags, STRIP_BYTES)
        expected = -(-height // max(1, min(height, number(tags, ROWS_PER_STRIP, height))))
    if len(offsets) < expected * planes:
        raise PictureError(
            f"the file holds {len(offsets)} of the {expected * planes} strips of its pixels. "
            "It is damaged; copy or export it again."
        )
    ends = [start + size for start, size in zip(offsets, sizes, strict=False)]
    if max((*ends, *offsets)) > file_size:
        raise PictureError("the file is truncated. Copy or export it again.")


def load_without_limit(image: TiffImageFile, stored_size: tuple[int, int]) -> None:
    """Decode a picture whatever Pillow's process-wide limit on pixels; the caller has checked.

    Pillow compares with its limit where it makes room for the pixels, so the room is made before.
    `stored_size` is width and height before any turning.
    """
    image.im = Image.new(image.mode, stored_size).im
    image.load()


def is_16_bit(tags: ImageFileDirectory_v2) -> bool:
    """Whether samples have 16 bits and not 8 or fewer.

    Raises:
        PictureError: where they have a depth or a number format that is not supported.
    """
    bits = set(tag_numbers(tags, BITS)) or {1}
    formats = set(tag_numbers(tags, SAMPLE_FORMAT)) or {1}
    photometric = number(tags, PHOTOMETRIC, 0)
    if bits == {16} and formats == {1} and photometric in (0, 1, 2):
        return True
    if max(bits) > 8 or max(formats) == 3:
        names = {1: "unsigned", 2: "signed", 3: "floating-point"}
        raise PictureError(
            f"{max(bits)}-bit {names.get(max(formats), 'unknown')} samples (photometric "
            f"{photometric}) are not supported. "
            "Save the picture as RGB or grey with 8 or 16 bits per channel."
        )
    return False


def facts(tags: ImageFileDirectory_v2) -> dict[str, Any]:
    """Profile, XMP packet and resolution, under the names that Pillow has for them."""
    x, y = tags.get(X_RESOLUTION), tags.get(Y_RESOLUTION)
    per_inch = 2.54 if number(tags, RESOLUTION_UNIT, 2) == 3 else 1.0
    dpi = (float(x) * per_inch, float(y) * per_inch) if x and y else None
    return {"icc_profile": tags.get(ICC), "xmp": tags.get(XMP), "dpi": dpi}


def read_16_bit(
    file: BinaryIO, tags: ImageFileDirectory_v2
) -> tuple[Array, Array | None, list[str]]:
    """Colours (H, W, 1 or 3) uint16 as stored (not turned), alpha (H, W), and notes."""
    samples = _read_samples(file, tags)
    photometric = number(tags, PHOTOMETRIC, 1)
    colours = 3 if photometric == 2 else 1
    extra_count = samples.shape[-1] - colours
    if extra_count < 0:
        raise PictureError("the TIFF has fewer channels than its colours. Save it again.")
    pixels = samples[..., :colours]
    if photometric == 0:  # white is zero
        pixels = 65535 - pixels
    # Extra samples: 1 is premultiplied alpha, 2 plain alpha, others mean nothing to a viewer.
    extra = (*tag_numbers(tags, EXTRA_SAMPLES), 2)[0]
    alpha = samples[..., colours].copy() if extra_count and extra in (1, 2) else None
    if alpha is not None and extra == 1:
        pixels = _unpremultiply(pixels, alpha)
    dropped = extra_count - (alpha is not None)
    notes = ["Extra channels without a meaning were dropped."] if dropped else []
    return pixels, alpha, notes


def _unpremultiply(pixels: Array, alpha: Array) -> Array:
    """Colours (H, W, C) uint16 divided by their alpha; black where that is 0."""
    out = np.zeros_like(pixels)
    for y in range(len(pixels)):
        weight = np.maximum(alpha[y, :, None].astype(np.uint64), 1)
        out[y] = np.minimum((pixels[y] * np.uint64(65535) + weight // 2) // weight, 65535)
        out[y][alpha[y] == 0] = 0
    return out


def _read_samples(file: BinaryIO, tags: ImageFileDirectory_v2) -> Array:
    """Samples (H, W, S) uint16 of a TIFF file with S channels of 16 bits, as stored.

    Pillow reads 16 bits in grey only. A row of a colour picture is laid out like a row of a grey
    picture S times as wide, so the file is read under a directory that says just that. Prediction
    is undone here, since its distance is S samples and not one.
    """
    channels = number(tags, SAMPLES, 1)
    predictor = number(tags, PREDICTOR, 1)
    if predictor not in (1, 2) or not 1 <= channels <= MAX_CHANNELS:
        raise PictureError(
            f"{channels} channels of 16 bits with predictor {predictor} are not supported. "
            "Save the picture as a plain RGB TIFF or PNG."
        )
    if number(tags, PLANAR, 1) == 2:
        planes = [_grey_read(file, tags, 1, (p, channels)) for p in range(channels)]
        samples = np.stack(planes, axis=-1)
    else:
        wide = _grey_read(file, tags, channels, (0, 1))
        samples = wide.reshape(len(wide), -1, channels)
    if predictor == 2:
        width = samples.shape[1]
        step = number(tags, TILE_WIDTH, width) if TILE_OFFSETS in tags else width
        starts = band_starts(len(samples), width)
        for y, x in itertools.product(starts, range(0, width, step)):
            part = samples[y : y + starts.step, x : x + step]
            np.cumsum(part, axis=1, dtype=np.uint16, out=part)
    return samples


def _grey_read(
    file: BinaryIO, tags: ImageFileDirectory_v2, factor: int, plane: tuple[int, int]
) -> Array:
    """The file read as a grey picture (H, W·factor); `plane` is (which, of how many) to read."""
    which, planes = plane
    fields: dict[int, tuple[int, ...]] = {
        WIDTH: (number(tags, WIDTH, 0) * factor,),
        HEIGHT: (number(tags, HEIGHT, 0),),
        BITS: (16,),
        COMPRESSION: (number(tags, COMPRESSION, 1),),
        PHOTOMETRIC: (1,),
        FILL_ORDER: (number(tags, FILL_ORDER, 1),),
        SAMPLES: (1,),
    }
    if TILE_OFFSETS in tags:
        fields[TILE_WIDTH] = (number(tags, TILE_WIDTH, 0) * factor,)
        fields[TILE_HEIGHT] = (number(tags, TILE_HEIGHT, 0),)
        places = (TILE_OFFSETS, TILE_BYTES)
    else:
        fields[ROWS_PER_STRIP] = (min(number(tags, ROWS_PER_STRIP, 1 << 30), fields[HEIGHT][0]),)
        places = (STRIP_OFFSETS, STRIP_BYTES)
    for tag in places:
        values = tag_numbers(tags, tag)
        share = len(values) // planes
        fields[tag] = values[which * share : (which + 1) * share]
    width, height = fields[WIDTH][0], fields[HEIGHT][0]
    forged = io.BytesIO(_with_directory(file, fields))
    with TiffImageFile(forged) as image:
        load_without_limit(image, (width, height))
        forged.close()  # the file in memory is not needed any more
        samples = np.empty((height, width), np.uint16)
        starts = band_starts(height, width)
        for y in starts:
            band = image.crop((0, y, width, min(height, y + starts.step)))
            samples[y : y + starts.step] = np.asarray(band)
        return samples


def _with_directory(file: BinaryIO, fields: dict[int, tuple[int, ...]]) -> bytes:
    """The file under a new directory of unsigned 32-bit numbers, appended at its end.

    A BigTIFF becomes a classic TIFF: offsets below 4 GB mean the same in both.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    mark = file.read(2)
    order = "<" if mark == b"II" else ">"
    start = size + size % 2
    fields = {tag: values for tag, values in sorted(fields.items()) if values}
    spill_at = start + 2 + 12 * len(fields) + 4
    entries, spill = bytearray(), bytearray()
    for tag, values in fields.items():
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            offset = struct.pack(order + "I", spill_at + len(spill))
            spill += packed
            packed = offset
        entries += struct.pack(order + "HHI", tag, 4, len(values)) + packed
    head = mark + struct.pack(order + "HI", 42, start)
    count = struct.pack(order + "H", len(fields))
    file.seek(len(head))
    return b"".join((head, file.read(), bytes(size % 2), count, entries, bytes(4), spill))
