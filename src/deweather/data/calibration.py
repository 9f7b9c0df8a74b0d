"""Calibration files of stereo data sets -> a camera, and how far its disparities are off."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deweather.data.layouts import CameraFormat
from deweather.errors import PictureError
from deweather.image import Camera


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
