"""Disparity and depth from files: NumPy arrays, PFM, and the 8- or 16-bit PNG of data sets.

PFM is the format of Middlebury: rows from the bottom up, unknown is infinite. A PNG is read like those
of KITTI, whose disparities (pixels) and depths (metres) are both stored times 256, with 0 for unknown,
unless a `MapCode` says otherwise.
"""

from __future__ import annotations

import contextlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deweather.errors import PictureError

Array = NDArray[np.float32]
Quantity = Literal["disparity", "depth"]

SUFFIXES = (".npy", ".npz", ".pfm", ".png")
"""Extensions of the files that `read_map` takes."""

_PNG_UNIT = 256.0


@dataclass(frozen=True)
class MapCode:
    """How 8- or 16-bit pictures store a map: value = (stored - zero) / unit; 0 stored is unknown."""

    unit: float
    zero: float = 0.0


def read_map(path: Path, quantity: Quantity, code: MapCode | None = None) -> Array:
    """Read a disparity (pixels) or a depth (metres) of a picture.

    Args:
        path: .npy; .npz with an array named after the quantity, or with one array only; .pfm with
            one channel; .png with one channel, of 16 bits and the value times 256 if there is no
            `code`.
        quantity: what the file holds.
        code: how a .png stores it.

    Returns:
        (H, W), float32; NaN where unknown. A depth may be infinite (sky), a disparity not: what is
        0, negative or infinite in the file is unknown, as is a depth of 0 or below. Behind a `code`
        a value may be 0, infinitely far.

    Raises:
        PictureError: the file cannot be read, is of another kind, or holds no known value.
    """
    readers = {".npy": _npy, ".npz": _npz, ".pfm": _pfm, ".png": _png}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise PictureError(
            f"{path}: unknown kind of {quantity} file. Give one of {', '.join(SUFFIXES)}."
        )
    coded = code if suffix == ".png" else None
    try:
        values = _decoded(path, coded) if coded else np.asarray(readers[suffix](path, quantity))
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise PictureError(f"{path}: cannot be read ({reason}). Check the path.") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise PictureError(f"{path}: the file is damaged ({error}). Write it anew.") from error
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "fiu":
        raise PictureError(
            f"{path}: holds {values.dtype} of shape {values.shape}; give numbers of shape (H, W)."
        )
    values = values.astype(np.float32)
    unknown = ~(values > 0 if coded is None else values >= 0)
    if quantity == "disparity":
        unknown |= np.isinf(values)
    if unknown.all():
        raise PictureError(f"{path}: no {quantity} in it is known, all are 0, negative or NaN.")
    values[unknown] = np.nan
    return values


def _npy(path: Path, quantity: Quantity) -> NDArray[Any]:
    del quantity
    return np.load(path, allow_pickle=False)


def _npz(path: Path, quantity: Quantity) -> NDArray[Any]:
    with np.load(path, allow_pickle=False) as archive:
        if quantity not in archive and len(archive.files) != 1:
            held = ", ".join(archive.files) or "nothing"
            raise PictureError(f"holds {held}; name the array {quantity!r}.")
        return archive[quantity if quantity in archive else archive.files[0]]


def _pfm(path: Path, quantity: Quantity) -> NDArray[Any]:
    del quantity
    with path.open("rb") as file:
        kind = file.readline(16).split()
        if kind != [b"Pf"]:
            raise PictureError("is no PFM file of one channel; it does not begin with 'Pf'.")
        width, height = (int(word) for word in file.readline(64).split())
        scale = float(file.readline(64))
        if width <= 0 or height <= 0:
            raise PictureError(f"announces {width}x{height} pixels. Write it anew.")
        # No more is read than the file has, whatever its header announces.
        body = file.read(min(4 * width * height, path.stat().st_size))
    if len(body) != 4 * width * height:
        raise PictureError("the file is truncated. Copy or export it again.")
    order = "<f4" if scale < 0 else ">f4"
    return np.frombuffer(body, order).reshape(height, width)[::-1]


def _png(path: Path, quantity: Quantity) -> NDArray[Any]:
    stored = _stored(path)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise PictureError(
            f"holds {stored.dtype} of shape {stored.shape}. A {quantity} as PNG has one channel of "
            "16 bits and is stored times 256, as in KITTI; pictures of a colour scale do not do."
        )
    return stored / _PNG_UNIT


def _decoded(path: Path, code: MapCode) -> NDArray[Any]:
    stored = _stored(path)
    if stored.ndim != 2:
        raise PictureError("is no picture of one channel. Copy or export it again.")
    values = (stored.astype(np.float32) - np.float32(code.zero)) / np.float32(code.unit)
    values[stored == 0] = np.nan
    return values


def _stored(path: Path) -> NDArray[Any]:
    """The samples of a PNG as they stand in it."""
    import cv2

    stored = None
    with contextlib.suppress(cv2.error):  # an empty file, or one that announces too many pixels
        stored = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise PictureError("the file is no PNG or damaged. Copy or export it again.")
    return stored
