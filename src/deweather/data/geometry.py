"""Disparity files and calibrations as the stereo data sets store them."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deweather.data.layouts import CameraFormat, MapCode
from deweather.errors import PictureError
from deweather.image import Camera
from deweather.image.disparity import read_map


@dataclass(frozen=True)
class Calibration:
    """A rig, and how far its disparities are off.

    Attributes:
        camera: focal length in pixels, baseline in metres.
        offset: pixels to be added to a disparity before depth is made of it (Middlebury's
            `doffs`): the principal points of the two views differ by as much.
    """

    camera: Camera
    offset: float = 0.0


def read_disparity(path: Path, code: MapCode | None = None) -> NDArray[np.float32]:
    """Read a disparity.

    Args:
        path: the file.
        code: how a picture stores it; None for what `read_map` reads.

    Returns:
        (H, W), float32, pixels; NaN where unknown.

    Raises:
        PictureError: the file cannot be read or is of another kind.
    """
    if code is None or path.suffix.lower() != ".png":
        return read_map(path, "disparity")
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    stored = None
    with contextlib.suppress(cv2.error):  # an empty file, or one that announces too many pixels
        stored = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if stored is None or stored.ndim != 2:
        raise PictureError(f"{path}: is no picture of one channel. Copy or export it again.")
    values = (stored.astype(np.float32) - np.float32(code.zero)) / np.float32(code.unit)
    values[stored == 0] = np.nan
    return values.astype(np.float32, copy=False)


def read_calibration(path: Path, form: CameraFormat) -> Calibration:
    """Read a calibration file.

    Args:
        path: the file.
        form: `kitti` (P2 and P3, or P_rect_02 and P_rect_03), `cityscapes` (JSON) or
            `middlebury` (calib.txt).

    Raises:
        PictureError: the file cannot be read, lacks what is needed, or describes no camera.
    """
    readers = {"kitti": _kitti, "cityscapes": _cityscapes, "middlebury": _middlebury}
    try:
        return readers[form](path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise PictureError(
            f"{path}: is no calibration of the kind {form} ({error!r}). Copy it again."
        ) from error


def _kitti(text: str) -> Calibration:
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    names = ("P_rect_02", "P_rect_03") if "P_rect_02" in rows else ("P2", "P3")
    left, right = (np.array(rows[name].split(), float).reshape(3, 4) for name in names)
    # The fourth column holds -f·x of each camera against the reference camera.
    return Calibration(Camera(left[0, 0], (left[0, 3] - right[0, 3]) / left[0, 0]))


def _cityscapes(text: str) -> Calibration:
    values = json.loads(text)
    return Calibration(Camera(values["intrinsic"]["fx"], values["extrinsic"]["baseline"]))


def _middlebury(text: str) -> Calibration:
    rows = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    focal = float(re.findall(r"[-+.0-9eE]+", rows["cam0"])[0])
    # The baseline is in millimetres.
    return Calibration(Camera(focal, float(rows["baseline"]) / 1000), float(rows["doffs"]))
