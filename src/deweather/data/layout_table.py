"""The layouts known, by name: public data sets, what the authors of the methods use, own folders."""

from __future__ import annotations

from deweather.data.layouts import Layout, Slot
from deweather.errors import UnknownNameError
from deweather.image.disparity import MapCode

_DEGRADED = "(degraded|input|hazy|haze|rainy|rain|lq)"
_CLEAN = "(clean|clear|target|gt|norain|ground_truth|hq)"


def _pair(degraded: str, clean: str) -> tuple[Slot, ...]:
    """Single pictures with ground truth."""
    return Slot("degraded", 0, degraded), Slot("clean", 0, clean)


def _stereo(role: str, left: str, right: str) -> tuple[Slot, ...]:
    """Both views of rectified pairs."""
    if role == "clean":
        return Slot("clean", 0, left), Slot("clean", 1, right)
    return Slot("degraded", 0, left), Slot("degraded", 1, right)


def _maps(left: str, right: str | None = None) -> tuple[Slot, ...]:
    """Disparities of the left or of both views."""
    both = (Slot("disparity", 0, left),)
    return both if right is None else (*both, Slot("disparity", 1, right))


_FOUR_FOLDERS = (
    *_stereo("degraded", "rain_left/{path}", "rain_right/{path}"),
    *_stereo("clean", "gt_left/{path}", "gt_right/{path}"),
)
# Either folder holds every pair, the second time with its views swapped: the camera (2 is the left
# one) is at the end of the names, as in 000000_00_rain_2_50 and its partner 000000_00_rain_0_3_50.
_RAIN_KITTI = (
    *_FOUR_FOLDERS,
    *_stereo(
        "degraded",
        "image_2_3_rain50/{number}_{number}(_rain_*2_50)?",
        "image_3_2_rain50/{number}_{number}(_rain_*3_50)?",
    ),
    *_stereo(
        "clean",
        "image_2_3_norain/{number}_{number}(_norain_*2)?",
        "image_3_2_norain/{number}_{number}(_norain_*3)?",
    ),
)
_CITYSCAPES = (
    *_stereo("clean", "leftImg8bit/{path}_leftImg8bit", "rightImg8bit/{path}_rightImg8bit"),
    Slot("disparity", 0, "disparity/{path}_disparity"),
    Slot("camera", 0, "camera/{path}_camera.json"),
)
_CITYSCAPES_CODE = MapCode(unit=256, zero=1)
_FOGGY = "{0}Img8bit_foggy/{{path}}_{0}Img8bit_foggy_{{variant}}"
_FOGGY_REFINED = "{0}Img8bit_foggyDBF/{{path}}_{0}Img8bit_foggy(DBF)?_{{variant}}"
_RAIN100 = _pair(
    "(rain/(X2/)?norain-{number}x2|(rainy/|rain/)?rain-{number})", "(norain/)?norain-{number}"
)
_NTIRE = _pair("((hazy|haze)/)?{key}_hazy", "(gt/)?{key}_gt")

_SCENE = "/{stereo|stereo_gt}/{key}"

_OWN = (
    Layout("paired", "degraded and clean pictures of the same names", "any",
        (*_pair(f"{_DEGRADED}/{{path}}", f"{_CLEAN}/{{path}}"),
         Slot("disparity", 0, "disparity/{path}"), Slot("depth", 0, "depth/{path}"))),
    Layout("paired-stereo", "degraded and clean rectified pairs of the same names", "any",
        (*_stereo("degraded", f"{_DEGRADED}/left/{{path}}", f"{_DEGRADED}/right/{{path}}"),
         *_stereo("clean", f"{_CLEAN}/left/{{path}}", f"{_CLEAN}/right/{{path}}"),
         *_maps("disparity/left/{path}", "disparity/right/{path}"))),
    Layout("clear", "clear pictures, for weather made on the fly", "clear",
        (Slot("clean", 0, "{path}"),)),
    Layout("stereo", "clear rectified pairs in two folders", "clear",
        (*_stereo("clean", "left/{path}", "right/{path}"), *_maps("disparity/{path}"))),
    Layout("stereo-scenes", "clear rectified pairs, a folder each", "clear",
        (*_stereo("clean", "{key}/left", "{key}/right"), *_maps("{key}/disparity"))),
    Layout("clear-scenes", "clear photographs and rectified pairs, as `deweather train` takes them",
        "clear",
        (Slot("clean", 0, "/{mono}/{path}", single=True),
         *_stereo("clean", f"{_SCENE}/left", f"{_SCENE}/right"), *_maps(f"{_SCENE}/disparity"))),
    Layout("real", "real pictures without ground truth", "any",
        (Slot("degraded", 0, "{path}"),)),
    Layout("real-stereo", "real rectified pairs without ground truth", "any",
        _stereo("degraded", "left/{path}", "right/{path}")),
)  # fmt: skip

_AUTHORS = (
    Layout("psidnet", "stereo haze as PSIDNet's authors keep it", "haze",
        (*_stereo("degraded", "left/haze/{path}", "right/haze/{path}"),
         *_stereo("clean", "left/clear/{path}", "right/clear/{path}"))),
    Layout("apanet", "stereo rain as APANet's authors keep it", "rain", _FOUR_FOLDERS,
        by_order=True),
    Layout("apanet-real", "APANet's real rainy pairs without ground truth", "rain",
        _stereo("degraded", "left/{path}", "right/{path}")),
    Layout("dcmpnet", "haze as DCMPNet's authors keep it, RESIDE-IN and the like", "haze",
        (*_pair("hazy/{path}", "gt/{path}"), Slot("depth", 0, "depth/{path}"))),
    Layout("kanet", "a folder of hazy pictures, as KA-Net's test takes it", "haze",
        (Slot("degraded", 0, "{path}"),)),
)  # fmt: skip

_HAZE = (
    Layout("its", "RESIDE indoor training set (Li et al., TIP 2019)", "haze",
        _pair("(hazy|haze)/**/{key}_{variant}", "(clear|gt)/**/{key}"), border=10, split="train"),
    Layout("ots", "RESIDE outdoor training set (Li et al., TIP 2019)", "haze",
        _pair("(hazy|haze)/**/{key}_{variant}", "(clear|gt)/**/{key}"), split="train"),
    Layout("sots", "RESIDE synthetic test set, indoor and outdoor (Li et al., TIP 2019)", "haze",
        _pair("(hazy|haze)/**/{key}_{variant}", "(clear|gt)/**/{key}"), border=10, split="test"),
    Layout("haze4k", "Haze4K (Liu et al., ACM MM 2021)", "haze",
        _pair("(hazy|haze)/{key}_{variant}", "(gt|clear)/{key}")),
    Layout("o-haze", "O-HAZE (Ancuti et al., NTIRE 2018)", "haze", _NTIRE),
    Layout("nh-haze", "NH-HAZE (Ancuti et al., NTIRE 2020)", "haze", _NTIRE),
    Layout("dense-haze", "Dense-Haze (Ancuti et al., ICIP 2019)", "haze", _NTIRE),
    Layout("foggy-cityscapes", "Foggy Cityscapes, left views (Sakaridis et al., IJCV 2018)", "haze",
        (*(Slot("degraded", 0, name.format("left")) for name in (_FOGGY, _FOGGY_REFINED)),
         *(slot for slot in _CITYSCAPES if slot.view == 0)),
        map_code=_CITYSCAPES_CODE, camera_format="cityscapes"),
    Layout("foggy-cityscapes-stereo", "Foggy Cityscapes, both views", "haze",
        (*_stereo("degraded", _FOGGY.format("left"), _FOGGY.format("right")),
         *_stereo("degraded", _FOGGY_REFINED.format("left"), _FOGGY_REFINED.format("right")),
         *_CITYSCAPES),
        map_code=_CITYSCAPES_CODE, camera_format="cityscapes"),
)  # fmt: skip

_RAIN = (
    Layout("rain100", "Rain100L, Rain100H (Yang et al., CVPR 2017)", "rain", _RAIN100),
    Layout("rain200", "Rain200L, Rain200H (Yang et al., TPAMI 2019)", "rain", _RAIN100),
    Layout("rain800", "Rain800 (Zhang et al., TCSVT 2019): clean left of rainy, in one", "rain",
        (Slot("degraded", 0, "{training|test_syn}/{path}", "right"),
         Slot("clean", 0, "{training|test_syn}/{path}", "left"))),
    Layout("rain1400", "Rain1400 (Fu et al., CVPR 2017)", "rain",
        _pair("rainy_image/{key}_{variant}", "ground_truth/{key}")),
    Layout("spa-data", "SPA-Data (Wang et al., CVPR 2019)", "rain",
        _pair("rain/{path}", "gt/{path}(gt)?"), lists=("real_world.txt", "real_test_1000.txt")),
    Layout("rainkitti2012", "RainKITTI2012 (Zhang et al., ECCV 2020)", "rain", _RAIN_KITTI,
        by_order=True),
    Layout("rainkitti2015", "RainKITTI2015 (Zhang et al., ECCV 2020)", "rain", _RAIN_KITTI,
        by_order=True),
    Layout("stereo-cityscapes", "StereoCityscapes, rain on both views of Cityscapes", "rain",
        (*_stereo("degraded", "leftImg8bit_rain/{path}_leftImg8bit_rain_{variant}",
                  "rightImg8bit_rain/{path}_rightImg8bit_rain_{variant}"),
         *_FOUR_FOLDERS, *_CITYSCAPES),
        by_order=True, map_code=_CITYSCAPES_CODE, camera_format="cityscapes"),
)  # fmt: skip

_STEREO = (
    Layout("kitti2012", "KITTI stereo 2012 (Geiger et al., CVPR 2012)", "clear",
        (*_stereo("clean", "colored_0/{key}_10", "colored_1/{key}_10"),
         *_maps("disp_occ/{key}_10"), Slot("camera", 0, "calib/{key}.txt")),
        camera_format="kitti"),
    Layout("kitti2015", "KITTI stereo 2015 (Menze and Geiger, CVPR 2015)", "clear",
        (*_stereo("clean", "image_2/{key}_10", "image_3/{key}_10"),
         *_maps("disp_occ_0/{key}_10", "disp_occ_1/{key}_10"),
         Slot("camera", 0, "calib_cam_to_cam/{key}.txt")),
        camera_format="kitti"),
    Layout("kitti-raw", "KITTI raw drives, rectified (Geiger et al., IJRR 2013)", "clear",
        _stereo("clean", "image_02/data/{key}", "image_03/data/{key}")),
    Layout("cityscapes", "Cityscapes, both views (Cordts et al., CVPR 2016)", "clear", _CITYSCAPES,
        map_code=_CITYSCAPES_CODE, camera_format="cityscapes"),
    Layout("middlebury", "Middlebury 2014 and 2021 (Scharstein et al., GCPR 2014)", "clear",
        (*_stereo("clean", "{key}/im0", "{key}/im1"), *_maps("{key}/disp0(GT)?", "{key}/disp1"),
         Slot("camera", 0, "{key}/calib.txt")),
        camera_format="middlebury"),
    Layout("middlebury-2006", "Middlebury 2005 and 2006 at a third of the size", "clear",
        (*_stereo("clean", "{key}/view1", "{key}/view5"), *_maps("{key}/disp1", "{key}/disp5")),
        map_code=MapCode(unit=3)),
    Layout("middlebury-2003", "Middlebury 2003 at a quarter of the size", "clear",
        (*_stereo("clean", "{key}/im2", "{key}/im6"), *_maps("{key}/disp2", "{key}/disp6")),
        map_code=MapCode(unit=4)),
)  # fmt: skip

LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (*_OWN, *_AUTHORS, *_HAZE, *_RAIN, *_STEREO)
}
"""All layouts by name."""


def find_layout(name: str) -> Layout:
    """The layout of this name.

    Raises:
        UnknownNameError: there is none; lists those that there are.
    """
    if name not in LAYOUTS:
        raise UnknownNameError("layout", name, LAYOUTS)
    return LAYOUTS[name]
