"""ICC colour spaces: to sRGB for the networks, and back without losing what sRGB cannot show.

Only profiles made of a matrix and three curves are converted (Display P3, Adobe RGB, ProPhoto,
camera and monitor spaces). They are evaluated here, in floating point, because littlecms as
Pillow binds it stops at 8 bits. Specification: ICC.1:2022, sections 7, 10.6 and 10.18.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# sRGB primaries adapted to D50, as columns: the colorants of the ICC's own sRGB profile.
SRGB_TO_XYZ = np.array(
    [
        [0.43606567, 0.38514709, 0.14307785],
        [0.22248840, 0.71687317, 0.06060791],
        [0.01391602, 0.09707642, 0.71409607],
    ]
)
_CURVE_SAMPLES = 65536


class ProfileError(ValueError):
    """A profile is damaged, or not of the kind that is converted here."""


@dataclass(frozen=True, eq=False)
class MatrixProfile:
    """An RGB space given by its primaries and tone curves.

    Attributes:
        to_xyz: (3, 3), linear RGB to XYZ under D50.
        curves: (3, 65536), light in [0, 1] at evenly spaced encoded values, rising.
    """

    to_xyz: Array
    curves: Array

    def to_srgb(self, pixels: Array) -> Array:
        """Pixels (h, w, 3) of this space in sRGB, same dtype; colours outside of sRGB clip."""
        top = np.iinfo(pixels.dtype).max
        matrix = np.linalg.solve(SRGB_TO_XYZ, self.to_xyz)
        light = self._decode(pixels) @ matrix.T.astype(np.float32)
        encoded = _encode_srgb(np.clip(light, 0, 1)) * np.float32(top)
        return np.rint(encoded).astype(pixels.dtype)

    def from_srgb(self, pixels: Array) -> Array:
        """SRGB pixels (h, w, 3) of an integer dtype as float values of this space, 0 to the top."""
        top = np.iinfo(pixels.dtype).max
        matrix = np.linalg.solve(self.to_xyz, SRGB_TO_XYZ)
        table = _decode_srgb(np.arange(top + 1) / top).astype(np.float32)
        light = np.clip(table[pixels] @ matrix.T.astype(np.float32), 0, 1)
        grid = np.linspace(0, top, _CURVE_SAMPLES)
        channels = [np.interp(light[..., c], self.curves[c], grid) for c in range(3)]
        return np.stack(channels, axis=-1)

    def carry_back(self, original: Array, restored: Array) -> Array:
        """Apply to the original (in this space) the change from `to_srgb` of it to `restored`.

        Both are (h, w, 3) of one dtype. Where nothing changed the original comes back exactly,
        also where it had to be clipped on its way to sRGB.
        """
        change = self.from_srgb(restored) - self.from_srgb(self.to_srgb(original))
        top = np.iinfo(original.dtype).max
        return np.clip(np.rint(original + change), 0, top).astype(original.dtype)

    def is_srgb(self) -> bool:
        """Whether conversion to sRGB would move no colour by more than rounding at 8 bits."""
        steps = np.arange(0, 256, 15, dtype=np.uint8)
        colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
        return bool(np.abs(self.to_srgb(colours).astype(int) - colours.astype(int)).max() <= 1)

    def _decode(self, pixels: Array) -> Array:
        """Light (h, w, 3) float32 of encoded integer pixels."""
        codes = np.iinfo(pixels.dtype).max + 1
        index = np.rint(np.linspace(0, _CURVE_SAMPLES - 1, codes)).astype(int)
        tables = self.curves[:, index].astype(np.float32)
        return np.stack([tables[c][pixels[..., c]] for c in range(3)], axis=-1)


def colour_space(icc: bytes) -> str:
    """The data colour space of a profile, such as "RGB", "GRAY", "CMYK" or "Lab".

    Raises:
        ProfileError: where the bytes are no ICC profile.
    """
    if len(icc) < 132 or icc[36:40] != b"acsp":
        raise ProfileError("not an ICC profile")
    return icc[16:20].decode("latin-1").strip()


def parse_matrix_profile(icc: bytes) -> MatrixProfile:
    """Read an RGB profile made of a matrix and curves.

    Raises:
        ProfileError: where it is damaged, or built of tables instead.
    """
    if colour_space(icc) != "RGB" or icc[20:24] != b"XYZ ":
        raise ProfileError("not an RGB profile made of a matrix and curves")
    tags = _tags(icc)
    try:
        columns = [_parse_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        curves = [_parse_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    except KeyError as error:
        raise ProfileError(f"the tag {error.args[0].decode()} is missing") from error
    except (struct.error, ValueError, FloatingPointError) as error:
        raise ProfileError(str(error)) from error
    matrix = np.stack(columns, axis=1)
    if abs(np.linalg.det(matrix)) < 1e-4:
        raise ProfileError("the primaries lie on a line")
    return MatrixProfile(matrix, np.stack(curves))


def _tags(icc: bytes) -> dict[bytes, bytes]:
    """The tag table, from name to data."""
    count = struct.unpack_from(">I", icc, 128)[0]
    if count > 200 or 132 + 12 * count > len(icc):
        raise ProfileError("the tag table is damaged")
    entries = (struct.unpack_from(">4sII", icc, 132 + 12 * i) for i in range(count))
    return {name: icc[offset : offset + size] for name, offset, size in entries}


def _parse_xyz(data: bytes) -> Array:
    """An XYZType: three s15Fixed16 numbers."""
    if data[:4] != b"XYZ ":
        raise ProfileError("a primary is not of type XYZ")
    return np.array(struct.unpack_from(">3i", data, 8)) / 65536


def _parse_curve(data: bytes) -> Array:
    """A curveType or parametricCurveType, sampled at even steps and made to rise."""
    x = np.linspace(0, 1, _CURVE_SAMPLES)
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        if data[:4] == b"curv":
            y = _sampled_curve(x, data)
        elif data[:4] == b"para":
            y = _parametric_curve(x, data)
        else:
            raise ProfileError(f"a tone curve has the unknown type {data[:4]!r}")
    y = np.maximum.accumulate(np.clip(y, 0, 1))
    if not y[-1] - y[0] > 0.5:
        raise ProfileError("a tone curve does not rise")
    return y


def _sampled_curve(x: Array, data: bytes) -> Array:
    count = struct.unpack_from(">I", data, 8)[0]
    if count == 0:
        return x
    if count == 1:
        return x ** (struct.unpack_from(">H", data, 12)[0] / 256)
    if 12 + 2 * count > len(data):
        raise ProfileError("a tone curve is cut off")
    table = np.frombuffer(data, ">u2", count, 12) / 65535
    return np.interp(x, np.linspace(0, 1, count), table)


def _parametric_curve(x: Array, data: bytes) -> Array:
    """The five types of ICC.1:2022, table 68, as y = (a·x + b)^g + e, or c·x + f below d."""
    kind = struct.unpack_from(">H", data, 8)[0]
    if kind > 4:
        raise ProfileError(f"a tone curve has the unknown function type {kind}")
    values = struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", data, 12)
    g, a, b, c, d, e, f = [v / 65536 for v in values] + [0.0] * (7 - len(values))
    if kind == 0:
        return x**g
    if kind < 3:  # the line is flat, at 0 (type 1) or at the fourth parameter (type 2)
        if a == 0:
            raise ProfileError("a tone curve divides by zero")
        c, d, e, f = 0.0, -b / a, c, c
    power = np.clip(a * x + b, 0, None) ** g + e
    return np.where(x >= d, power, c * x + f)


def _decode_srgb(encoded: Array) -> Array:
    power = ((np.maximum(encoded, 0.04045) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, power)


def _encode_srgb(light: Array) -> Array:
    power = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, light * 12.92, power)
