"""Clear pictures in memory: photographs, and pairs with the disparity of both views."""

import cv2
import numpy as np
import pytest
from PIL import Image

from deweather.data import PictureSet, SceneLibrary
from deweather.data.layouts import PictureFile
from deweather.errors import ConfigError, PairError, PictureError
from deweather.image import read_picture

from ..image.profiles import rgb_profile
from ..weather.make import photo
from .trees import VAST, clear_scenes, pair, save, scenes

SHIFT = 6


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return SceneLibrary.read(clear_scenes(tmp_path_factory.mktemp("pictures"), SHIFT))


def save_pair(folder, disparity=None):
    for side, view in zip(("left", "right"), pair(60, 100, SHIFT, seed=7), strict=True):
        save(folder / f"{side}.png", view)
    if disparity is not None:
        np.savez_compressed(folder / "disparity.npz", disparity=disparity)


def test_reading_finds_what_is_there(library):
    assert [p.shape for p in library.photos] == [(70, 90, 3), (90, 70, 3), (64, 64, 3)]
    assert [p.id for p in library.pairs] == ["stereo_gt/a", "stereo/b"]
    assert np.array_equal(library.photos[0], photo(70, 90, seed=0))


def test_measured_disparity_is_taken_and_its_holes_are_filled(library):
    measured = library.pairs[0].disparity.astype(np.float32)
    assert (measured == SHIFT).all()


def test_other_pairs_are_matched(library):
    assert (np.abs(library.pairs[1].disparity - SHIFT) <= 1).mean() > 0.9


def test_pictures_are_those_that_restoring_sees(tmp_path):
    """Turned upright, in sRGB, grey and palette as RGB, 16 bits as 8."""
    turned = Image.Exif()
    turned[0x0112] = 6
    for name, mode, options in (
        ("a.jpg", "RGB", {"exif": turned}),
        ("b.png", "RGB", {"icc_profile": rgb_profile("Display P3")}),
        ("c.png", "P", {}),
        ("d.png", "LA", {}),
        ("e.tif", "CMYK", {}),
    ):
        path = tmp_path / "mono" / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(photo(40, 60, seed=1)).convert(mode).save(path, **options)
    found = SceneLibrary.read(tmp_path).photos
    expected = [read_picture(path).pixels for path in sorted((tmp_path / "mono").iterdir())]
    assert len(found) == 5
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))
    assert found[0].shape == (60, 40, 3)
    assert not np.array_equal(found[1], photo(40, 60, seed=1))


def test_large_pictures_shrink_and_their_disparity_with_them(tmp_path):
    wide = cv2.resize(photo(60, 160), (2600, 975))
    save(tmp_path / "mono/a.png", wide)
    save(tmp_path / "stereo_gt/a/left.png", wide[:, :2560])
    save(tmp_path / "stereo_gt/a/right.png", wide[:, 24:2584])
    known = np.full((975, 2560), 24.0)
    np.savez_compressed(tmp_path / "stereo_gt/a/disparity.npz", disparity=known)
    library = SceneLibrary.read(tmp_path)
    assert library.photos[0].shape == (480, 1280, 3)
    (found,) = library.pairs
    assert found.pair.shape[2] == 1280
    assert found.disparity.shape == found.pair.shape[:3]
    assert (found.disparity == 12).all()


def test_several_kinds_of_folder_may_be_missing(tmp_path):
    save(tmp_path / "mono" / "a.jpg", photo())
    library = SceneLibrary.read(tmp_path)
    assert (len(library.photos), len(library.pairs)) == (1, 0)


def test_folders_above_are_not_taken_for_the_folder(tmp_path):
    """Else the pictures that weights are checked on would be trained on with the others."""
    for kind in ("train", "dev"):
        clear_scenes(tmp_path / kind)
    with pytest.raises(ConfigError, match="no samples of layout 'clear-scenes'"):
        SceneLibrary.read(tmp_path)


def test_nothing_found_names_the_folder_and_the_layout(tmp_path):
    said = r"no samples of layout 'clear-scenes'.*mono.*stereo_gt.*disparity\.\(npy\|npz"
    with pytest.raises(ConfigError, match=said):
        SceneLibrary.read(tmp_path)
    with pytest.raises(ConfigError, match="absent"):
        SceneLibrary.read(tmp_path / "absent")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\nno more", b"text", VAST])
def test_broken_pictures_are_named(tmp_path, content):
    (tmp_path / "mono").mkdir()
    (tmp_path / "mono" / "broken.png").write_bytes(content)
    with pytest.raises(PictureError, match=r"broken\.png"):
        SceneLibrary.read(tmp_path)


def test_links_that_lead_nowhere_are_named(tmp_path):
    (tmp_path / "mono").mkdir()
    (tmp_path / "mono" / "gone.png").symlink_to(tmp_path / "absent.png")
    with pytest.raises(PictureError, match=r"gone\.png: the link leads nowhere"):
        SceneLibrary.read(tmp_path)


def test_what_is_broken_among_good_ones_is_left_out_and_named(tmp_path, caplog):
    save(tmp_path / "mono/a.png", photo(40, 50))
    (tmp_path / "mono/b.png").write_bytes(b"no picture")
    save_pair(tmp_path / "stereo_gt/scene")
    save(tmp_path / "stereo_gt/half/left.png", photo(40, 50))
    library = SceneLibrary.read(tmp_path)
    assert (len(library.photos), len(library.pairs)) == (1, 1)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "half/left.png: no right clean picture" in said[0]
    assert "b.png" in said[1]


def test_pairs_that_are_none_are_named(tmp_path):
    save(tmp_path / "stereo/a/left.png", photo(40, 50))
    with pytest.raises(ConfigError, match="there is no right clean picture"):
        SceneLibrary.read(tmp_path)
    save(tmp_path / "stereo/a/right.png", photo(40, 52))
    with pytest.raises(PairError, match=r"left\.png \(50x40\), .*right\.png \(52x40\)"):
        SceneLibrary.read(tmp_path)


@pytest.mark.parametrize("damage", ["shape", "text", "key"])
def test_disparity_that_does_not_fit_is_named(tmp_path, damage):
    folder = tmp_path / "stereo_gt/a"
    save_pair(folder, np.ones((60, 101)) if damage == "shape" else None)
    file = folder / "disparity.npz"
    if damage == "text":
        file.write_bytes(b"no archive")
    elif damage == "key":
        np.savez(file, depth=np.ones((60, 100)), other=np.ones((60, 100)))
    with pytest.raises((PictureError, PairError), match=r"disparity\.npz"):
        SceneLibrary.read(tmp_path)


def test_the_library_of_a_set_is_that_of_the_folders(tmp_path):
    scenes(tmp_path / "stereo_gt", shift=6)
    scenes(tmp_path / "stereo", disparity=False, shift=9)
    read = SceneLibrary.read(tmp_path)
    made = [
        *SceneLibrary.of(PictureSet.find(tmp_path / "stereo_gt", "stereo-scenes")).pairs,
        *SceneLibrary.of(PictureSet.find(tmp_path / "stereo", "stereo-scenes")).pairs,
    ]
    assert len(made) == len(read.pairs) == 4
    for one, other in zip(made, read.pairs, strict=True):
        assert np.array_equal(one.pair, other.pair)
        assert np.array_equal(one.disparity, other.disparity)


def test_clean_pictures_of_several_degraded_ones_are_taken_once(tmp_path):
    for name in ("1_1_0.9", "1_2_0.8", "2_1_0.7"):
        save(tmp_path / "hazy" / f"{name}.png", photo(30, 30))
    for name in ("1", "2"):
        save(tmp_path / "clear" / f"{name}.png", photo(50, 50, seed=int(name)))
    library = SceneLibrary.of(PictureSet.find(tmp_path, "its"))
    assert [p.shape for p in library.photos] == [(30, 30, 3)] * 2
    assert np.array_equal(library.photos[0], photo(50, 50, seed=1)[10:-10, 10:-10])


def test_disparity_is_made_0_at_infinity(tmp_path):
    """The file says 6 pixels, the principal points differ by 4: infinity is at -4."""
    left, right = pair(shift=6)
    save(tmp_path / "a" / "im0.png", left)
    save(tmp_path / "a" / "im1.png", right)
    np.full(left.shape[:2], 6, "<f4").tofile(tmp_path / "body")
    header = f"Pf\n{left.shape[1]} {left.shape[0]}\n-1\n".encode()
    (tmp_path / "a" / "disp0.pfm").write_bytes(header + (tmp_path / "body").read_bytes())
    (tmp_path / "a" / "calib.txt").write_text(
        "cam0=[50 0 1; 0 50 1; 0 0 1]\ndoffs=4.2\nbaseline=90"
    )
    (found,) = SceneLibrary.of(PictureSet.find(tmp_path, "middlebury")).pairs
    assert found.pair.shape == (2, 60, 86, 3)
    assert (found.disparity == 10).all()
    assert np.array_equal(found.pair[0][:, 10:], found.pair[1][:, :-10])
    # Reduced to half the length, the disparity halves.
    (small,) = SceneLibrary.of(PictureSet.find(tmp_path, "middlebury"), longest=43).pairs
    assert small.pair.shape == (2, 30, 43, 3)
    assert (small.disparity == 5).all()


def test_16_bits_become_8(tmp_path):
    values = np.repeat(np.arange(256, dtype=np.uint16) * 257, 3).reshape(16, 16, 3)
    cv2.imwrite(str(tmp_path / "a.png"), values)
    (photograph,) = SceneLibrary.of(PictureSet.find(tmp_path, "clear")).photos
    assert np.array_equal(photograph, values // 257)


def test_what_cannot_be_used_is_left_out_and_named(tmp_path, caplog):
    for n in range(3):
        save(tmp_path / "photos" / f"{n}.png", photo(seed=n))
    (tmp_path / "photos" / "1.png").write_bytes(b"")
    assert len(SceneLibrary.of(PictureSet.find(tmp_path / "photos", "clear")).photos) == 2
    assert [r.getMessage() for r in caplog.records] == [
        f"left out: {tmp_path / 'photos' / '1.png'}: the file is empty. Copy or export it again."
    ]
    scenes(tmp_path / "pairs")
    save(tmp_path / "pairs" / "scene0" / "left.png", photo(60, 91))
    assert len(SceneLibrary.of(PictureSet.find(tmp_path / "pairs", "stereo-scenes")).pairs) == 1
    assert "scene0/right.png (90x60)" in caplog.text
    (tmp_path / "pairs" / "scene1" / "left.png").write_bytes(b"")
    with pytest.raises(PairError, match="scene0"):
        SceneLibrary.of(PictureSet.find(tmp_path / "pairs", "stereo-scenes"))


def test_a_broken_version_does_not_cost_the_clean_picture(tmp_path, caplog):
    for name in ("1_1", "1_2", "1_3"):
        save(tmp_path / "hazy" / f"{name}.png", photo(30, 30))
    save(tmp_path / "clear" / "1.png", photo(30, 30, seed=1))
    (tmp_path / "hazy" / "1_1.png").write_bytes(b"")
    assert len(SceneLibrary.of(PictureSet.find(tmp_path, "its")).photos) == 1
    caplog.clear()
    (tmp_path / "clear" / "1.png").write_bytes(b"")
    with pytest.raises(PictureError, match="1_1"):
        SceneLibrary.of(PictureSet.find(tmp_path, "its"))
    assert [r.getMessage().split(":")[1][-5:] for r in caplog.records] == ["1.png"] * 2


def test_sets_without_clean_pictures_are_refused(tmp_path):
    save(tmp_path / "a.png", photo())
    with pytest.raises(ConfigError, match="'real' has no clean pictures"):
        SceneLibrary.of(PictureSet.find(tmp_path, "real"))


def test_sources_are_hashable_keys(tmp_path):
    assert PictureFile(tmp_path) == PictureFile(tmp_path)
    assert PictureFile(tmp_path, "left") != PictureFile(tmp_path, "right")


@pytest.mark.parametrize("guided", [False, True])
def test_holes_can_be_filled_up_to_the_edges_of_the_pictures(tmp_path, guided):
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 24:] = (250, 240, 30)
    folder = tmp_path / "stereo_gt/a"
    for side in ("left", "right"):
        save(folder / f"{side}.png", picture)
    truth = np.where(np.arange(40) < 24, 3, 9) * np.ones((20, 1))
    holed = truth.astype(np.float32)
    holed[5:15, 18:32] = 0
    np.savez(folder / "disparity.npz", disparity=holed)
    (found,) = SceneLibrary.read(tmp_path, guided=guided).pairs
    right = (found.disparity[0] == truth)[:, np.r_[:22, 26:40]].all()
    assert right == guided
