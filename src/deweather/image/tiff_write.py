"""TIFF files written whole: one page, grey or RGB, 8 or 16 bits, with or without alpha."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from deweather.image import tiff
from deweather.image.metadata import EMPTY_HEADER

Array = NDArray[Any]

_STRIP_BYTES = 1 << 20
_LONG = 4


def write_tiff(
    file: BinaryIO,
    samples: Array,
    *,
    alpha: bool,
    tags: ImageFileDirectory_v2 | None = None,
    icc: bytes | None = None,
    xmp: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Write samples (H, W, S) uint8 or uint16 as one page, Deflate with prediction.

    Args:
        file: where to write; must stand at its beginning.
        samples: grey or RGB, last channel alpha if `alpha`.
        alpha: whether there is an alpha channel; it is stored as not premultiplied.
        tags: further tags, such as those of an EXIF block.
        icc: profile.
        xmp: packet.
        dpi: resolution.
    """
    height, width, channels = samples.shape
    rows = max(1, min(height, _STRIP_BYTES // max(1, width * channels * samples.itemsize)))
    strips = [_pack_strip(samples[y : y + rows]) for y in range(0, height, rows)]
    sizes = [len(strip) for strip in strips]
    directory = tags if tags is not None else ImageFileDirectory_v2(EMPTY_HEADER)
    fields: dict[int, Any] = {
        tiff.WIDTH: width,
        tiff.HEIGHT: height,
        tiff.BITS: (samples.itemsize * 8,) * channels,
        tiff.COMPRESSION: 8,
        tiff.PHOTOMETRIC: 2 if channels - alpha == 3 else 1,
        tiff.STRIP_OFFSETS: tuple(np.cumsum([0, *sizes[:-1]]).tolist()),
        tiff.SAMPLES: channels,
        tiff.ROWS_PER_STRIP: rows,
        tiff.STRIP_BYTES: tuple(sizes),
        tiff.PLANAR: 1,
        tiff.PREDICTOR: 2,
    }
    optional: dict[int, Any] = {
        tiff.EXTRA_SAMPLES: 2 if alpha else None,
        tiff.XMP: xmp,
        tiff.ICC: icc,
    }
    if dpi:
        optional |= {tiff.X_RESOLUTION: dpi[0], tiff.Y_RESOLUTION: dpi[1], tiff.RESOLUTION_UNIT: 2}
    fields |= {tag: value for tag, value in optional.items() if value is not None}
    for tag, value in fields.items():
        directory[tag] = value
    for tag in (tiff.STRIP_OFFSETS, tiff.STRIP_BYTES):
        directory.tagtype[tag] = _LONG
    directory.save(file)  # moves the strip offsets behind itself
    for strip in strips:
        file.write(strip)


def _pack_strip(samples: Array) -> bytes:
    """Rows (h, W, S), differenced along each row in each channel and deflated."""
    differences = samples.copy()
    differences[:, 1:] -= samples[:, :-1]
    return zlib.compress(differences.astype(samples.dtype.newbyteorder("<")).data, 6)
