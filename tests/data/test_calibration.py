"""Calibrations as the data sets store them."""

import json

import pytest

from deweather.data.calibration import read_calibration
from deweather.errors import PictureError

# The rig of KITTI's first drives: 721.5 pixels, baseline of the colour cameras 0.5327 metres.
KITTI = """\
calib_time: 09-Jan-2012 13:57:47
{0}2: 7.215377e+02 0 6.095593e+02 4.485728e+01 0 7.215377e+02 1.728540e+02 2.163791e-01 0 0 1 2.7e-03
{0}3: 7.215377e+02 0 6.095593e+02 -3.395242e+02 0 7.215377e+02 1.728540e+02 2.199936e+00 0 0 1 2.7e-03
"""


@pytest.mark.parametrize("prefix", ["P", "P_rect_0"])
def test_kitti_calibration(tmp_path, prefix):
    (tmp_path / "c.txt").write_text(KITTI.format(prefix))
    found = read_calibration(tmp_path / "c.txt", "kitti")
    assert found.camera.focal_length == pytest.approx(721.5377)
    assert found.camera.baseline == pytest.approx(0.53272545)
    assert found.offset == 0


def test_cityscapes_calibration(tmp_path):
    values = {"extrinsic": {"baseline": 0.209313}, "intrinsic": {"fx": 2262.52}}
    (tmp_path / "c.json").write_text(json.dumps(values))
    found = read_calibration(tmp_path / "c.json", "cityscapes")
    assert (found.camera.focal_length, found.camera.baseline) == (2262.52, 0.209313)


def test_middlebury_calibration(tmp_path):
    (tmp_path / "calib.txt").write_text(
        "cam0=[3979.911 0 1244.772; 0 3979.911 1019.507; 0 0 1]\n"
        "cam1=[3979.911 0 1369.115; 0 3979.911 1019.507; 0 0 1]\n"
        "doffs=124.343\nbaseline=193.001\nwidth=2964\n"
    )
    found = read_calibration(tmp_path / "calib.txt", "middlebury")
    assert (found.camera.focal_length, found.camera.baseline) == (3979.911, 0.193001)
    assert found.offset == 124.343


@pytest.mark.parametrize("form", ["kitti", "cityscapes", "middlebury"])
def test_calibrations_that_are_none_are_named(tmp_path, form):
    backwards = json.dumps({"extrinsic": {"baseline": -0.2}, "intrinsic": {"fx": 2262.5}})
    broken = ("", "{}", "P2: 1 2\nP3: 3", "cam0=\nbaseline=1\ndoffs=0", "\ufeff", backwards)
    for text in broken:
        (tmp_path / "c.txt").write_text(text, encoding="utf-8")
        with pytest.raises(PictureError, match=rf"c\.txt: is no calibration of the kind {form}"):
            read_calibration(tmp_path / "c.txt", form)
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PictureError, match="is no calibration"):
        read_calibration(tmp_path / "c.txt", form)
    with pytest.raises(PictureError, match="Check the path"):
        read_calibration(tmp_path / "absent.txt", form)
