"""The audit finds each kind of fault, and none where there is none."""

import cv2
import numpy as np
import pytest

from deweather.data import find_samples
from deweather.data.audit import audit, match_points, perceptual_hash

from ..weather.make import photo
from .trees import pair, paired, save, scenes


def bits(one, other):
    return bin(perceptual_hash(one) ^ perceptual_hash(other)).count("1")


@pytest.fixture(scope="module")
def views():
    return pair(height=200, width=300, shift=8)


def looked(root, layout, **options):
    return audit(find_samples(root, layout), **options)


def test_a_good_set_is_good(tmp_path):
    steps = []
    found = looked(
        paired(tmp_path), "paired", progress=lambda done, total: steps.append((done, total))
    )
    assert found.ok
    assert (found.samples, found.views, found.splits) == (3, 1, {"all": 3})
    assert found.sizes == {"50x40": 6}
    assert found.pairs == []
    assert steps == [(n, 6) for n in range(1, 7)]


def test_threads_change_nothing(tmp_path):
    root = paired(tmp_path, count=9)
    (root / "input" / "4.png").write_bytes(b"")
    assert looked(root, "paired", workers=3) == looked(root, "paired")


def test_unreadable_pictures_and_maps(tmp_path):
    root = paired(tmp_path)
    (root / "input" / "1.png").write_bytes(b"")
    (root / "disparity").mkdir()
    (root / "disparity" / "2.npy").write_bytes(b"no array")
    found = looked(root, "paired")
    assert not found.ok
    assert [text.split(":")[0][-5:] for text in found.unreadable] == ["1.png", "2.npy"]


def test_what_samples_share_is_named_once(tmp_path):
    place = "train/aachen/aachen_000000_000019"
    for beta in ("0.005", "0.01", "0.02"):
        save(
            tmp_path / f"leftImg8bit_foggy/{place}_leftImg8bit_foggy_beta_{beta}.png", photo(40, 50)
        )
    save(tmp_path / f"leftImg8bit/{place}_leftImg8bit.png", photo(40, 50))
    for name in (f"disparity/{place}_disparity.png", f"camera/{place}_camera.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("{}")
    found = looked(tmp_path, "foggy-cityscapes")
    assert found.samples == 3
    assert not found.ok
    assert [text.split(":")[0][-14:] for text in found.unreadable] == [
        "_disparity.png",
        "19_camera.json",
    ]


def test_unmatched_pictures(tmp_path):
    root = paired(tmp_path)
    (root / "target" / "1.png").unlink()
    found = looked(root, "paired")
    assert not found.ok
    assert found.unmatched == [f"{root / 'input' / '1.png'}: no clean picture"]


def test_clean_pictures_of_no_sample_are_no_fault(tmp_path):
    root = paired(tmp_path)
    (root / "input" / "1.png").unlink()
    found = looked(root, "paired")
    assert found.ok
    assert found.unused == [str(root / "target" / "1.png")]


def test_sizes_that_differ(tmp_path):
    root = paired(tmp_path)
    save(root / "target" / "1.png", photo(40, 60))
    (root / "disparity").mkdir()
    np.save(root / "disparity" / "2.npy", np.ones((4, 5), np.float32))
    found = looked(root, "paired")
    assert not found.ok
    assert [text[:16] for text in found.mismatched] == ["1: sizes differ:", "2: sizes differ:"]
    assert "1.png (60x40)" in found.mismatched[0]
    assert "2.npy is 5x4, the pictures 50x40" in found.mismatched[1]


def test_the_border_of_reside_is_no_mismatch(tmp_path):
    for name, margin in (("1", 10), ("2", 0), ("3", 7)):
        save(tmp_path / "hazy" / f"{name}_1.png", photo(40, 50))
        save(tmp_path / "gt" / f"{name}.png", photo(40 + 2 * margin, 50 + 2 * margin))
    assert [text[:3] for text in looked(tmp_path, "sots").mismatched] == ["3_1"]


def test_hashes_survive_what_does_not_change_the_picture():
    picture = photo(300, 400)
    half = cv2.resize(picture, (200, 150), interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    deep = picture.astype(np.uint16) * 257
    for other in (picture, half, cv2.imdecode(coded, cv2.IMREAD_COLOR), deep):
        assert bits(picture, other) <= 2
    assert bits(picture, (picture * 0.7 + 30).astype(np.uint8)) <= 2


def test_hashes_tell_pictures_apart():
    pictures = [photo(90, 120, seed=n) for n in range(30)]
    apart = [bits(a, b) for n, a in enumerate(pictures) for b in pictures[:n]]
    assert min(apart) > 8
    assert bits(pictures[0], pictures[0][:, ::-1]) > 8
    assert perceptual_hash(np.full((9, 9, 3), 7, np.uint8)) is None


def test_the_same_picture_in_two_splits(tmp_path):
    for n in range(6):
        save(tmp_path / "train" / f"{n}.png", photo(seed=n))
    for name, seed in (("a", 7), ("b", 3), ("c", 8)):
        picture = cv2.resize(photo(seed=seed), None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
        save(tmp_path / "test" / f"{name}.jpg", picture)
    # Twice in one split is no leak, and flat pictures are not the same scene.
    save(tmp_path / "train" / "again.png", photo(seed=0))
    for split in ("train", "test"):
        save(tmp_path / split / "black.png", np.zeros((20, 20, 3), np.uint8))
    found = looked(tmp_path, "clear")
    (leak,) = found.duplicates
    assert (leak.one, leak.other) == (
        str(tmp_path / "test" / "b.jpg"),
        str(tmp_path / "train" / "3.png"),
    )
    assert leak.splits == ("test", "train")
    assert not found.ok


def test_good_pairs(tmp_path, views):
    for n in range(5):
        for side, picture in zip(("left", "right"), views, strict=True):
            save(tmp_path / side / f"{n}.png", picture)
    found = looked(tmp_path, "stereo", pairs=3)
    assert found.ok
    assert [p.id for p in found.pairs] == ["0", "2", "4"]
    for check in found.pairs:
        assert check.finding == "good"
        assert check.disparity == pytest.approx(8, abs=0.3)
        assert check.off_row < 0.3


def test_swapped_views(tmp_path, views):
    save(tmp_path / "left" / "1.png", views[1])
    save(tmp_path / "right" / "1.png", views[0])
    found = looked(tmp_path, "stereo")
    (check,) = found.pairs
    assert "swapped" in check.finding
    assert check.disparity == pytest.approx(-8, abs=0.3)
    assert not found.ok


@pytest.mark.parametrize("turn", [0.0, 2.0])
def test_views_that_are_not_rectified(tmp_path, views, turn):
    matrix = cv2.getRotationMatrix2D((150, 100), turn, 1.0)
    matrix[1, 2] += 0 if turn else 3
    save(tmp_path / "left" / "1.png", views[0])
    save(tmp_path / "right" / "1.png", cv2.warpAffine(views[1], matrix, (300, 200)))
    found = looked(tmp_path, "stereo")
    (check,) = found.pairs
    assert "not rectified" in check.finding
    assert check.off_row > 1.5
    assert not found.ok


def test_too_few_points_say_nothing(tmp_path):
    scenes(tmp_path, count=1, disparity=False)
    for side in ("left", "right"):
        save(tmp_path / "scene0" / f"{side}.png", np.full((60, 90, 3), 90, np.uint8))
    found = looked(tmp_path, "stereo-scenes")
    assert found.ok
    assert found.pairs[0].finding == "too few points to tell"


def test_pairs_of_unequal_size_are_named_and_not_matched(tmp_path, views):
    save(tmp_path / "left" / "1.png", views[0])
    save(tmp_path / "right" / "1.png", views[1][:, 1:])
    found = looked(tmp_path, "stereo")
    assert len(found.mismatched) == 1
    assert found.pairs == []


def test_points_are_in_pixels_of_the_picture(views):
    large = [cv2.resize(v, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC) for v in views]
    points = match_points(*large)
    assert len(points) > 12
    assert np.median(points[:, 0, 0] - points[:, 1, 0]) == pytest.approx(40, abs=1)
