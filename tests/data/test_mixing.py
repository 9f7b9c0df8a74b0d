"""Several sets as one, and clear sets as scenes."""

import cv2
import numpy as np
import pytest
from torch.utils.data import Dataset

from deweather.data import (
    Curriculum,
    MixedBatches,
    PairedBatches,
    PictureSet,
    SceneBatches,
    SceneLibrary,
    scene_library,
)
from deweather.data.layouts import Source
from deweather.errors import ConfigError, PairError, PictureError

from ..weather.make import photo
from .trees import pair, paired, save, scenes


class Numbers(Dataset):
    def __init__(self, name, length):
        self.name, self.length = name, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.name, index


def test_sets_are_drawn_by_weight_from_seed_and_number():
    mixed = MixedBatches([(Numbers("a", 3000), 3), (Numbers("b", 3000), 1)], length=3000, seed=5)
    found = [mixed[k] for k in range(3000)]
    assert [number for _, number in found] == list(range(3000))
    # Four standard deviations of a binomial draw.
    assert abs(sum(name == "a" for name, _ in found) - 2250) < 4 * np.sqrt(3000 * 0.75 * 0.25)
    again = MixedBatches(
        [(Numbers("a", 3000), 0.75), (Numbers("b", 3000), 0.25)], length=3000, seed=5
    )
    assert [again[k] for k in reversed(range(3000))] == found[::-1]
    assert len(mixed) == 3000


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([], "no sets"),
        ([(Numbers("a", 9), 0)], "weights"),
        ([(Numbers("a", 9), float("nan"))], "weights"),
        ([(Numbers("a", 9), 1), (Numbers("b", 8), 1)], "set 1 has 8 batches; give it 9"),
    ],
)
def test_mixtures_that_cannot_be_are_refused(sets, message):
    with pytest.raises(ConfigError, match=message):
        MixedBatches(sets, length=9, seed=0)


def test_batches_of_different_kinds_can_be_mixed(tmp_path):
    pairs = PictureSet.find(paired(tmp_path / "paired"), "paired")
    batches = PairedBatches(pairs, curriculum=Curriculum.constant(16, 2), length=20, seed=0)
    library = scene_library(PictureSet.find(tmp_path / "paired", "paired"))
    clear = SceneBatches(
        library, patch=16, views=2, stereo_share=0, layered_share=0, scales=(1, 1), length=20, seed=0
    )  # fmt: skip
    kinds = {type(MixedBatches([(batches, 1), (clear, 1)], length=20, seed=1)[k]).__name__
             for k in range(20)}  # fmt: skip
    assert kinds == {"PairBatch", "Scene"}


def test_scenes_are_those_of_the_plain_reader(tmp_path):
    scenes(tmp_path / "stereo_gt", shift=6)
    scenes(tmp_path / "stereo", disparity=False, shift=9)
    read = SceneLibrary.read(tmp_path)
    made = [
        *scene_library(PictureSet.find(tmp_path / "stereo_gt", "stereo-scenes")).pairs,
        *scene_library(PictureSet.find(tmp_path / "stereo", "stereo-scenes")).pairs,
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
    library = scene_library(PictureSet.find(tmp_path, "its"))
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
    (found,) = scene_library(PictureSet.find(tmp_path, "middlebury")).pairs
    assert found.pair.shape == (2, 60, 86, 3)
    assert (found.disparity == 10).all()
    assert np.array_equal(found.pair[0][:, 10:], found.pair[1][:, :-10])
    # Reduced to half the length, the disparity halves.
    (small,) = scene_library(PictureSet.find(tmp_path, "middlebury"), longest=43).pairs
    assert small.pair.shape == (2, 30, 43, 3)
    assert (small.disparity == 5).all()


def test_16_bits_become_8(tmp_path):
    values = np.repeat(np.arange(256, dtype=np.uint16) * 257, 3).reshape(16, 16, 3)
    cv2.imwrite(str(tmp_path / "a.png"), values)
    (photograph,) = scene_library(PictureSet.find(tmp_path, "clear")).photos
    assert np.array_equal(photograph, values // 257)


def test_what_cannot_be_used_is_left_out_and_named(tmp_path, caplog):
    for n in range(3):
        save(tmp_path / "photos" / f"{n}.png", photo(seed=n))
    (tmp_path / "photos" / "1.png").write_bytes(b"")
    assert len(scene_library(PictureSet.find(tmp_path / "photos", "clear")).photos) == 2
    assert [r.getMessage() for r in caplog.records] == [
        f"left out: {tmp_path / 'photos' / '1.png'}: the file is empty. Copy or export it again."
    ]
    scenes(tmp_path / "pairs")
    save(tmp_path / "pairs" / "scene0" / "left.png", photo(60, 91))
    assert len(scene_library(PictureSet.find(tmp_path / "pairs", "stereo-scenes")).pairs) == 1
    assert "scene0/right.png (90x60)" in caplog.text
    (tmp_path / "pairs" / "scene1" / "left.png").write_bytes(b"")
    with pytest.raises(PairError, match="scene0"):
        scene_library(PictureSet.find(tmp_path / "pairs", "stereo-scenes"))


def test_a_broken_version_does_not_cost_the_clean_picture(tmp_path, caplog):
    for name in ("1_1", "1_2", "1_3"):
        save(tmp_path / "hazy" / f"{name}.png", photo(30, 30))
    save(tmp_path / "clear" / "1.png", photo(30, 30, seed=1))
    (tmp_path / "hazy" / "1_1.png").write_bytes(b"")
    assert len(scene_library(PictureSet.find(tmp_path, "its")).photos) == 1
    caplog.clear()
    (tmp_path / "clear" / "1.png").write_bytes(b"")
    with pytest.raises(PictureError, match="1_1"):
        scene_library(PictureSet.find(tmp_path, "its"))
    assert [r.getMessage().split(":")[1][-5:] for r in caplog.records] == ["1.png"] * 2


def test_sets_without_clean_pictures_are_refused(tmp_path):
    save(tmp_path / "a.png", photo())
    with pytest.raises(ConfigError, match="'real' has no clean pictures"):
        scene_library(PictureSet.find(tmp_path, "real"))


def test_sources_are_hashable_keys(tmp_path):
    assert Source(tmp_path) == Source(tmp_path)
    assert Source(tmp_path, "left") != Source(tmp_path, "right")
