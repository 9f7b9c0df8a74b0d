"""Every layout finds its samples in a folder named as the data set's authors name it."""

import os
import re
from pathlib import Path

import pytest

from deweather.data import LAYOUTS, find_layout, find_samples
from deweather.data.layouts import Layout, Slot
from deweather.data.listing import fit, split_of
from deweather.errors import ConfigError, PairError, UnknownNameError

from .trees import touch

CITY = "aachen/aachen_000000_000019"
FOGGY = f"leftImg8bit_foggy/train/{CITY}_leftImg8bit_foggy_beta_0.01.png"

# Name: files, and for each sample its id, split, and the stems of degraded, clean, disparity.
TREES = {
    "paired": (
        ["train/input/a.jpg", "train/target/a.png", "val/rainy/b/2.png", "val/clean/b/2.png"],
        [
            ("train/a", "train", ["train/input/a"], ["train/target/a"], []),
            ("val/b/2", "val", ["val/rainy/b/2"], ["val/clean/b/2"], []),
        ],
    ),
    "paired-stereo": (
        ["hazy/left/1.png", "hazy/right/1.png", "clear/left/1.png", "clear/right/1.png",
         "disparity/left/1.png", "disparity/right/1.png"],
        [("1", "all", ["hazy/left/1", "hazy/right/1"], ["clear/left/1", "clear/right/1"],
          ["disparity/left/1", "disparity/right/1"])],
    ),
    "clear": (
        ["b.jpg", "x/a.png", "x/a.txt"],
        [("b", "all", [], ["b"], []), ("x/a", "all", [], ["x/a"], [])],
    ),
    "stereo": (
        ["left/1.png", "right/1.png", "disparity/1.pfm"],
        [("1", "all", [], ["left/1", "right/1"], ["disparity/1", None])],
    ),
    "stereo-scenes": (
        ["train/cones/left.webp", "train/cones/right.webp", "train/cones/disparity.npz"],
        [("train/cones", "train", [], ["train/cones/left", "train/cones/right"],
          ["train/cones/disparity", None])],
    ),
    "clear-scenes": (
        ["mono/a.jpg", "mono/x/b.png", "stereo/a/left.png", "stereo/a/right.png",
         "stereo_gt/a/left.png", "stereo_gt/a/right.png", "stereo_gt/a/disparity.npz",
         "stereo2/a/left.png", "x/mono/c.jpg"],
        [("mono/a", "all", [], ["mono/a"], []), ("mono/x/b", "all", [], ["mono/x/b"], []),
         ("stereo/a", "all", [], ["stereo/a/left", "stereo/a/right"], []),
         ("stereo_gt/a", "all", [], ["stereo_gt/a/left", "stereo_gt/a/right"],
          ["stereo_gt/a/disparity", None])],
    ),
    "real": (["a.jpg"], [("a", "all", ["a"], [], [])]),
    "real-stereo": (
        ["left/7.png", "right/7.png"], [("7", "all", ["left/7", "right/7"], [], [])]
    ),
    "psidnet": (
        [f"{split}/{view}/{kind}/1.png" for split in ("train", "val")
         for view in ("left", "right") for kind in ("haze", "clear")],
        [(f"{split}/1", split, [f"{split}/left/haze/1", f"{split}/right/haze/1"],
          [f"{split}/left/clear/1", f"{split}/right/clear/1"], []) for split in ("train", "val")],
    ),
    "apanet": (
        ["test/rain_left/0_l.png", "test/rain_right/0_r.png",
         "test/gt_left/0.png", "test/gt_right/0.png"],
        [("test/000000", "test", ["test/rain_left/0_l", "test/rain_right/0_r"],
          ["test/gt_left/0", "test/gt_right/0"], [])],
    ),
    "apanet-real": (
        ["train/left/3.png", "train/right/3.png"],
        [("train/3", "train", ["train/left/3", "train/right/3"], [], [])],
    ),
    "dcmpnet": (
        ["RESIDE-IN/train/GT/1_1.png", "RESIDE-IN/train/hazy/1_1.png"],
        [("RESIDE-IN/train/1_1", "train", ["RESIDE-IN/train/hazy/1_1"],
          ["RESIDE-IN/train/GT/1_1"], [])],
    ),
    "kanet": (["foggy.jpg"], [("foggy", "all", ["foggy"], [], [])]),
    "its": (
        ["hazy/1_1_0.90179.png", "hazy/1_10_0.7.png", "clear/1.png", "clear/2.png",
         "trans/1_1.png"],
        [("1_1_0.90179", "train", ["hazy/1_1_0.90179"], ["clear/1"], []),
         ("1_10_0.7", "train", ["hazy/1_10_0.7"], ["clear/1"], [])],
    ),
    "ots": (
        ["OTS/hazy/part1/0025_0.8_0.1.jpg", "OTS/hazy/part2/0025_1_0.2.jpg", "OTS/clear/0025.jpg"],
        [("OTS/0025_0.8_0.1", "train", ["OTS/hazy/part1/0025_0.8_0.1"], ["OTS/clear/0025"], []),
         ("OTS/0025_1_0.2", "train", ["OTS/hazy/part2/0025_1_0.2"], ["OTS/clear/0025"], [])],
    ),
    "sots": (
        ["indoor/hazy/1400_1.png", "indoor/gt/1400.png", "outdoor/hazy/0001_0.8_0.2.jpg",
         "outdoor/gt/0001.png"],
        [("indoor/1400_1", "test", ["indoor/hazy/1400_1"], ["indoor/gt/1400"], []),
         ("outdoor/0001_0.8_0.2", "test", ["outdoor/hazy/0001_0.8_0.2"], ["outdoor/gt/0001"], [])],
    ),
    "haze4k": (
        ["train/haze/1_0.68_0.66.png", "train/gt/1.png", "train/trans/1.png"],
        [("train/1_0.68_0.66", "train", ["train/haze/1_0.68_0.66"], ["train/gt/1"], [])],
    ),
    "o-haze": (
        ["hazy/01_outdoor_hazy.jpg", "GT/01_outdoor_GT.jpg"],
        [("01_outdoor", "all", ["hazy/01_outdoor_hazy"], ["GT/01_outdoor_GT"], [])],
    ),
    "nh-haze": (
        ["NH-HAZE/01_hazy.png", "NH-HAZE/01_GT.png"],
        [("NH-HAZE/01", "all", ["NH-HAZE/01_hazy"], ["NH-HAZE/01_GT"], [])],
    ),
    "dense-haze": (
        ["hazy/01_hazy.png", "GT/01_GT.png"], [("01", "all", ["hazy/01_hazy"], ["GT/01_GT"], [])]
    ),
    "foggy-cityscapes": (
        [FOGGY, f"leftImg8bit/train/{CITY}_leftImg8bit.png",
         f"disparity/train/{CITY}_disparity.png", f"camera/train/{CITY}_camera.json"],
        [(f"train/{CITY}_beta_0.01", "train", [FOGGY[:-4]],
          [f"leftImg8bit/train/{CITY}_leftImg8bit"], [f"disparity/train/{CITY}_disparity"])],
    ),
    "foggy-cityscapes-stereo": (
        [FOGGY, FOGGY.replace("left", "right"), f"leftImg8bit/train/{CITY}_leftImg8bit.png",
         f"rightImg8bit/train/{CITY}_rightImg8bit.png"],
        [(f"train/{CITY}_beta_0.01", "train", [FOGGY[:-4], FOGGY[:-4].replace("left", "right")],
          [f"leftImg8bit/train/{CITY}_leftImg8bit", f"rightImg8bit/train/{CITY}_rightImg8bit"],
          [])],
    ),
    "rain100": (
        ["rain_data_test_Light/rain/X2/norain-001x2.png", "rain_data_test_Light/norain/norain-001.png",
         "Rain100H/rainy/rain-002.png", "Rain100H/norain-002.png",
         "RainTrainH/rain-3.png", "RainTrainH/norain-3.png"],
        [("Rain100H/002", "all", ["Rain100H/rainy/rain-002"], ["Rain100H/norain-002"], []),
         ("rain_data_test_Light/001", "test", ["rain_data_test_Light/rain/X2/norain-001x2"],
          ["rain_data_test_Light/norain/norain-001"], []),
         ("RainTrainH/3", "train", ["RainTrainH/rain-3"], ["RainTrainH/norain-3"], [])],
    ),
    "rain200": (
        ["train/rain/X2/norain-1x2.png", "train/norain/norain-1.png"],
        [("train/1", "train", ["train/rain/X2/norain-1x2"], ["train/norain/norain-1"], [])],
    ),
    "rain800": (
        ["training/1.jpg", "test_syn/1.jpg", "test_nature/1.jpg"],
        [("test_syn/1", "test", ["test_syn/1"], ["test_syn/1"], []),
         ("training/1", "train", ["training/1"], ["training/1"], [])],
    ),
    "rain1400": (
        ["training/rainy_image/901_1.jpg", "training/rainy_image/901_14.jpg",
         "training/ground_truth/901.jpg"],
        [(f"training/901_{n}", "train", [f"training/rainy_image/901_{n}"],
          ["training/ground_truth/901"], []) for n in (1, 14)],
    ),
    "spa-data": (
        ["real_test_1000/rain/000.png", "real_test_1000/gt/000gt.png"],
        [("real_test_1000/000", "test", ["real_test_1000/rain/000"], ["real_test_1000/gt/000gt"],
          [])],
    ),
    "rainkitti2012": (
        # Both folders hold both views: the n-th files are (left, right) and then (right, left).
        [f"K12/test/image_2_3_rain50/000000_00_rain_{camera}_50.jpg" for camera in "23"]
        + [f"K12/test/image_3_2_rain50/000000_00_rain_{camera}_50.jpg" for camera in ("0_3", "1_2")]
        + [f"K12/test/image_2_3_norain/000000_00_norain_{camera}.png" for camera in "23"]
        + [f"K12/test/image_3_2_norain/000000_00_norain_{camera}.png" for camera in ("0_3", "1_2")],
        [("K12/test/000000/00", "test",
          ["K12/test/image_2_3_rain50/000000_00_rain_2_50",
           "K12/test/image_3_2_rain50/000000_00_rain_0_3_50"],
          ["K12/test/image_2_3_norain/000000_00_norain_2",
           "K12/test/image_3_2_norain/000000_00_norain_0_3"], [])],
    ),
    "rainkitti2015": (
        [f"train/{kind}_{view}/000001_10.png" for kind in ("rain", "gt")
         for view in ("left", "right")],
        [("train/000001_10", "train",
          [f"train/rain_{view}/000001_10" for view in ("left", "right")],
          [f"train/gt_{view}/000001_10" for view in ("left", "right")], [])],
    ),
    "stereo-cityscapes": (
        [f"{view}Img8bit_rain/val/{CITY}_{view}Img8bit_rain_alpha_0.01_1.png"
         for view in ("left", "right")]
        + [f"{view}Img8bit/val/{CITY}_{view}Img8bit.png" for view in ("left", "right")],
        [(f"val/{CITY}_alpha_0.01_1", "val",
          [f"{view}Img8bit_rain/val/{CITY}_{view}Img8bit_rain_alpha_0.01_1"
           for view in ("left", "right")],
          [f"{view}Img8bit/val/{CITY}_{view}Img8bit" for view in ("left", "right")], [])],
    ),
    "kitti2012": (
        ["training/colored_0/000000_10.png", "training/colored_1/000000_10.png",
         "training/colored_0/000000_11.png", "training/colored_1/000000_11.png",
         "training/disp_occ/000000_10.png", "training/calib/000000.txt"],
        [("training/000000", "train", [],
          ["training/colored_0/000000_10", "training/colored_1/000000_10"],
          ["training/disp_occ/000000_10", None])],
    ),
    "kitti2015": (
        ["training/image_2/000000_10.png", "training/image_3/000000_10.png",
         "training/disp_occ_0/000000_10.png", "training/disp_occ_1/000000_10.png",
         "training/calib_cam_to_cam/000000.txt"],
        [("training/000000", "train", [],
          ["training/image_2/000000_10", "training/image_3/000000_10"],
          ["training/disp_occ_0/000000_10", "training/disp_occ_1/000000_10"])],
    ),
    "kitti-raw": (
        [f"2011_09_26/2011_09_26_drive_0001_sync/image_0{n}/data/0000000005.png" for n in (2, 3)],
        [("2011_09_26/2011_09_26_drive_0001_sync/0000000005", "all", [],
          [f"2011_09_26/2011_09_26_drive_0001_sync/image_0{n}/data/0000000005" for n in (2, 3)],
          [])],
    ),
    "cityscapes": (
        [f"{view}Img8bit/val/{CITY}_{view}Img8bit.png" for view in ("left", "right")]
        + [f"disparity/val/{CITY}_disparity.png"],
        [(f"val/{CITY}", "val", [],
          [f"{view}Img8bit/val/{CITY}_{view}Img8bit" for view in ("left", "right")],
          [f"disparity/val/{CITY}_disparity", None])],
    ),
    "middlebury": (
        ["Adirondack-perfect/im0.png", "Adirondack-perfect/im1.png",
         "Adirondack-perfect/im1E.png", "Adirondack-perfect/disp0.pfm",
         "Adirondack-perfect/disp1.pfm", "Adirondack-perfect/calib.txt"],
        [("Adirondack-perfect", "all", [], ["Adirondack-perfect/im0", "Adirondack-perfect/im1"],
          ["Adirondack-perfect/disp0", "Adirondack-perfect/disp1"])],
    ),
    "middlebury-2006": (
        [f"ThirdSize/Art/{name}.png" for name in ("view0", "view1", "view5", "disp1", "disp5")],
        [("ThirdSize/Art", "all", [], ["ThirdSize/Art/view1", "ThirdSize/Art/view5"],
          ["ThirdSize/Art/disp1", "ThirdSize/Art/disp5"])],
    ),
    "middlebury-2003": (
        [f"cones/{name}.png" for name in ("im2", "im6", "disp2", "disp6")],
        [("cones", "all", [], ["cones/im2", "cones/im6"], ["cones/disp2", "cones/disp6"])],
    ),
}  # fmt: skip


def stem(path, root):
    return None if path is None else os.path.splitext(path.relative_to(root).as_posix())[0]


@pytest.mark.parametrize("name", LAYOUTS)
def test_samples_are_found(tmp_path, name):
    files, expected = TREES[name]
    touch(tmp_path, files)
    listing = find_samples(tmp_path, name)
    found = [
        (
            s.id,
            s.split,
            [stem(p.path, tmp_path) for p in s.degraded],
            [stem(p.path, tmp_path) for p in s.clean],
            [stem(p, tmp_path) for p in s.disparity],
        )
        for s in listing.samples
    ]
    assert found == expected
    assert listing.unmatched == ()
    listing.check_complete()
    views = {1, 2} if LAYOUTS[name].mixed else {LAYOUTS[name].views}
    assert {s.views for s in listing.samples} == views


def test_camera_files_are_found(tmp_path):
    for name in ("foggy-cityscapes", "kitti2012", "kitti2015", "middlebury"):
        touch(tmp_path / name, TREES[name][0])
        (sample,) = find_samples(tmp_path / name, name).samples
        assert sample.camera is not None, name
        assert sample.camera.suffix in (".txt", ".json")


def test_rainkitti_with_names_that_agree(tmp_path):
    folders = [f"image_{n}_{kind}" for n in ("2_3", "3_2") for kind in ("rain50", "norain")]
    touch(tmp_path, [f"{folder}/000007_10.png" for folder in folders])
    (sample,) = find_samples(tmp_path, "rainkitti2015").samples
    names = [p.path.parent.name for p in sample.pictures]
    assert names == [f"image_{n}_{kind}" for kind in ("rain50", "norain") for n in ("2_3", "3_2")]


def test_a_drive_of_kitti_by_itself(tmp_path):
    touch(tmp_path, [f"image_0{camera}/data/0000000005.png" for camera in range(4)])
    (sample,) = find_samples(tmp_path, "kitti-raw").samples
    assert sample.id == "0000000005"
    assert [p.path.parts[-3] for p in sample.clean] == ["image_02", "image_03"]


@pytest.mark.parametrize("suffix", ["", "DBF"])
def test_refined_fog_is_taken_where_there_is_no_other(tmp_path, suffix):
    for side in ("left", "right"):
        refined = f"{side}Img8bit_foggyDBF/train/{CITY}_{side}Img8bit_foggy{suffix}_beta_0.01.png"
        touch(tmp_path, [refined, f"{side}Img8bit/train/{CITY}_{side}Img8bit.png"])

    def folder(name):
        listing = find_samples(tmp_path, name)
        assert listing.unmatched == ()
        (sample,) = listing.samples
        assert len({p.path.parts[-4][-3:] for p in sample.degraded}) == 1
        return sample.degraded[0].path.parts[-4]

    names = ("foggy-cityscapes", "foggy-cityscapes-stereo")
    assert {folder(name) for name in names} == {"leftImg8bit_foggyDBF"}
    touch(tmp_path, [FOGGY, FOGGY.replace("left", "right")])
    assert {folder(name) for name in names} == {"leftImg8bit_foggy"}


def test_halves_of_rain800(tmp_path):
    touch(tmp_path, ["training/1.jpg"])
    (sample,) = find_samples(tmp_path, "rain800").samples
    assert (sample.degraded[0].half, sample.clean[0].half) == ("right", "left")


def test_lists_of_spa_data(tmp_path):
    touch(tmp_path, ["real_world/000/000-1/000-1_2_3.png", "real_world_gt/000/000-1.png"])
    (tmp_path / "real_world.txt").write_text(
        "./real_world/000/000-1/000-1_2_3.png ./real_world_gt/000/000-1.png\n\n"
        "/real_world/000/absent.png /real_world_gt/000/000-1.png\n"
        "real_world_gt/000/000-1.png\n"
    )
    listing = find_samples(tmp_path, "spa-data")
    (sample,) = listing.samples
    assert sample.id == "real_world/000/000-1/000-1_2_3"
    assert sample.clean[0].path == tmp_path / "real_world_gt/000/000-1.png"
    assert [u.missing[:14] for u in listing.unmatched] == ["line 3: no fil", "line 4: two pa"]


def test_lists_lie_where_their_paths_begin(tmp_path):
    lists = {"Training/real_world.txt": "real_world", "Testing/real_test_1000.txt": "real_test"}
    for name, folder in lists.items():
        place = (tmp_path / name).parent
        touch(place, [f"{folder}/1.png", f"{folder}_gt/1.png"])
        (tmp_path / name).write_text(f"/{folder}/1.png /{folder}_gt/1.png\n")
    listing = find_samples(tmp_path, "spa-data")
    assert listing.unmatched == ()
    assert [(s.id, s.split) for s in listing.samples] == [
        ("Testing/real_test/1", "test"),
        ("Training/real_world/1", "train"),
    ]


def test_matching_by_order_follows_the_name_up_to_the_first_dot(tmp_path):
    # As whole names `1-b.a` would come before `1.x`.
    for folder in ("rain_left", "rain_right"):
        touch(tmp_path / folder, ["1.x.png", "1-b.a.png", "2.png"])
    for folder in ("gt_left", "gt_right"):
        touch(tmp_path / folder, ["c.png", "d.png", "e.png"])
    listing = find_samples(tmp_path, "apanet")
    names = [[p.path.stem for p in s.pictures] for s in listing.samples]
    assert names == [["1.x", "1.x", "c", "c"], ["1-b.a", "1-b.a", "d", "d"], ["2", "2", "e", "e"]]


def test_matching_by_order_needs_folders_of_one_length(tmp_path):
    for folder, count in (("rain_left", 3), ("rain_right", 3), ("gt_left", 2), ("gt_right", 3)):
        touch(tmp_path / folder, [f"{folder}{n}.png" for n in range(count)])
    with pytest.raises(ConfigError, match="there is no right degraded picture"):
        find_samples(tmp_path, "apanet")


def test_names_come_before_order(tmp_path):
    for folder in ("rain_left", "rain_right", "gt_left", "gt_right"):
        touch(tmp_path / folder, ["1.png", "2.png"])
    touch(tmp_path / "gt_left", ["0.png"])
    listing = find_samples(tmp_path, "apanet")
    assert [s.id for s in listing.samples] == ["1", "2"]
    assert listing.unused == (tmp_path / "gt_left/0.png",)


def test_unmatched_files_are_named(tmp_path):
    touch(tmp_path, ["hazy/1_1.png", "hazy/2_1.png", "clear/1.png", "clear/3.png"])
    listing = find_samples(tmp_path, "its")
    assert [s.id for s in listing.samples] == ["1_1"]
    (unmatched,) = listing.unmatched
    assert (unmatched.files, unmatched.missing) == (
        (tmp_path / "hazy/2_1.png",),
        "no clean picture",
    )
    assert listing.unused == (tmp_path / "clear/3.png",)
    with pytest.raises(PairError, match=r"hazy/2_1\.png: no clean picture"):
        listing.check_complete()


def test_names_that_are_taken_are_named(tmp_path):
    touch(tmp_path, ["hazy/1.png", "rainy/1.png", "clean/1.png", "clean/1.jpg"])
    listing = find_samples(tmp_path, "paired")
    assert len(listing.samples) == 1
    named = [(u.files[0].name, u.files[0].parent.name, u.missing) for u in listing.unmatched]
    assert named == [
        ("1.png", "rainy", f"name taken by {tmp_path / 'hazy/1.png'}"),
        ("1.png", "clean", f"name taken by {tmp_path / 'clean/1.jpg'}"),
    ]


def test_half_pairs_are_named(tmp_path):
    touch(tmp_path, ["left/1.png", "right/1.png", "left/2.png"])
    (unmatched,) = find_samples(tmp_path, "stereo").unmatched
    assert (unmatched.files, unmatched.missing) == (
        (tmp_path / "left/2.png",),
        "no right clean picture",
    )


def test_a_folder_that_does_not_fit_says_what_was_sought_and_found(tmp_path):
    touch(tmp_path, ["rainy/1.png", "clean/1.png"])
    message = (
        r"no samples of layout 'its'.*Looked for degraded: \(hazy\|haze\)/.*"
        r"Found clean \(1 files\), rainy \(1 files\), such as clean/1\.png.*do fit: paired\."
    )
    with pytest.raises(ConfigError, match=message):
        find_samples(tmp_path, "its")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="Found no files"):
        find_samples(tmp_path / "empty", "its")


def test_folders_that_are_none_are_named(tmp_path):
    with pytest.raises(ConfigError, match="absent does not exist"):
        find_samples(tmp_path / "absent", "its")
    touch(tmp_path, ["file"])
    with pytest.raises(ConfigError, match="file is a file"):
        find_samples(tmp_path / "file", "its")


def test_unknown_layouts_are_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'rain1400'"):
        find_layout("rain14000")


def test_hidden_files_are_none_and_links_do_not_loop(tmp_path):
    touch(tmp_path, ["a/1.png", ".thumbs/2.png", "a/.3.png"])
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert [s.id for s in find_samples(tmp_path, "clear").samples] == ["a/1"]


def test_links_share_clean_pictures(tmp_path):
    touch(tmp_path, ["train/hazy/1.png", "train/gt/1.png", "test/hazy/1.png"])
    (tmp_path / "test" / "gt").symlink_to(tmp_path / "train" / "gt", target_is_directory=True)
    # A second name of the same folder is no second picture.
    (tmp_path / "train" / "clear").symlink_to(tmp_path / "train" / "gt", target_is_directory=True)
    listing = find_samples(tmp_path, "paired")
    assert [s.id for s in listing.samples] == ["test/1", "train/1"]
    assert listing.unmatched == ()


def test_links_to_each_other_end(tmp_path):
    touch(tmp_path, ["a/1.png", "b/2.png"])
    (tmp_path / "a" / "other").symlink_to(tmp_path / "b", target_is_directory=True)
    (tmp_path / "b" / "other").symlink_to(tmp_path / "a", target_is_directory=True)
    found = [s.id for s in find_samples(tmp_path, "clear").samples]
    assert found == ["a/1", "a/other/2", "b/2", "b/other/1"]


def test_folders_that_cannot_be_read_are_named(tmp_path, monkeypatch):
    touch(tmp_path, ["open/1.png", "closed/2.png"])
    scan = os.scandir

    def refuse(folder):
        if os.path.basename(folder) == "closed":
            raise PermissionError(13, "Permission denied", os.fspath(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ConfigError, match=r"closed: the folder cannot be read \(Permission"):
        find_samples(tmp_path, "clear")


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("train/a.png", "train"), ("Training/a", "train"), ("rain_data_test_Light/x/a", "test"),
        ("val/test/a", "val"), ("validation/a", "val"), ("trainer/a", None), ("latest/a", None),
        ("test.png", None), ("x/testing/a", "test"), ("leftImg8bit/train_extra/a", "train"),
        ("IndoorTestHazy/a", "test"), ("TEST/a", "test"), ("Strain/a", None),
    ],
)  # fmt: skip
def test_splits_are_read_from_folders(tmp_path, path, split):
    assert split_of((tmp_path / path).relative_to(tmp_path)) == split


def test_splits_are_counted_and_chosen(tmp_path):
    touch(tmp_path, [f"{s}/{n}.png" for s in ("train", "test") for n in range(2)] + ["val/0.png"])
    listing = find_samples(tmp_path, "clear")
    assert listing.splits == {"test": 2, "train": 2, "val": 1}
    assert [s.id for s in listing.of_split("val")] == ["val/0"]
    assert len(listing.of_split(None)) == 5
    with pytest.raises(ConfigError, match=r"'dev'; there are test \(2\), train \(2\), val \(1\)"):
        listing.of_split("dev")


def test_first_slots_win(tmp_path):
    slots = (Slot("clean", 0, "fine/{key}"), Slot("clean", 0, "coarse/{key}"))
    layout = Layout("two", "two qualities", "clear", slots)
    listing = fit(tmp_path, ["coarse/1.png", "coarse/2.png", "fine/1.png"], layout)
    chosen = [s.clean[0].path.relative_to(tmp_path).as_posix() for s in listing.samples]
    assert chosen == ["fine/1.png", "coarse/2.png"]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_names_looked_for_are_listed(layout):
    names = layout.names()
    assert len(names) == len(layout.slots) + len(layout.lists)
    assert all(slot.template in line for slot, line in zip(layout.slots, names, strict=False))


def test_every_layout_has_a_page():
    pages = Path(__file__).parents[2] / "docs" / "data"
    if not pages.is_dir():
        pytest.skip("the documentation is not part of a source distribution")
    rows = re.findall(r"\| \[.*\]\((.+)\) \| (.*) \|", (pages / "README.md").read_text("utf-8"))
    listed = {name: page for page, names in rows for name in re.findall("`(.+?)`", names)}
    assert set(listed) == set(LAYOUTS)
    for name, page in listed.items():
        assert f"`{name}`" in (pages / page).read_text("utf-8")
    assert {page for page, _ in rows} == {p.name for p in pages.iterdir()} - {"README.md"}
