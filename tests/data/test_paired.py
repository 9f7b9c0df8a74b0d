"""Batches of pictures from disk: a function of seed and number, rows aligned, broken ones left out."""

import pickle

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from deweather.data import (
    Curriculum,
    PairBatch,
    PairedBatches,
    Phase,
    Photometric,
    PictureSet,
)
from deweather.data.cache import ArrayCache
from deweather.errors import ConfigError, PairError, PictureError

from ..weather.make import photo
from .trees import pair, paired, save

PLAIN = Curriculum.constant(16, 2)


def whole(pictures):
    """Every sample uncut."""
    return [PairBatch.of(pictures.load(i), s.id) for i, s in enumerate(pictures.samples)]


def batches(pictures, **changes):
    values = {"curriculum": PLAIN, "length": 50, "seed": 3}
    return PairedBatches(pictures, **(values | changes))


def same(a, b):
    return a.ids == b.ids and all(
        torch.equal(getattr(a, n), getattr(b, n)) for n in ("degraded", "clean")
    )


@pytest.fixture(scope="module")
def mono(tmp_path_factory):
    return PictureSet.find(paired(tmp_path_factory.mktemp("data") / "mono", count=5), "paired")


@pytest.fixture(scope="module")
def stereo(tmp_path_factory):
    """Three pairs at 6, 7 and 8 pixels of disparity, known of the left view only in the last."""
    root = tmp_path_factory.mktemp("data") / "stereo"
    for number in range(3):
        shift = 6 + number
        for side, picture in zip(("left", "right"), pair(shift=shift, seed=number), strict=True):
            save(root / "clean" / side / f"{number}.png", picture)
            save(root / "rain" / side / f"{number}.png", picture // 2 + 100)
            if number < 2 or side == "left":
                (root / "disparity" / side).mkdir(parents=True, exist_ok=True)
                stored = np.full(picture.shape[:2], shift * 256, np.uint16)
                cv2.imwrite(str(root / "disparity" / side / f"{number}.png"), stored)
    return PictureSet.find(root, "paired-stereo")


def test_a_batch_is_a_function_of_seed_and_number(mono):
    forwards = [batches(mono)[k] for k in range(8)]
    other = batches(mono, length=99)
    for k in reversed(range(8)):
        assert same(other[k], forwards[k])
    assert not any(same(forwards[k], forwards[k + 1]) for k in range(7))
    assert not same(batches(mono, seed=4)[0], forwards[0])


def test_each_sample_comes_once_before_any_comes_again(mono):
    made = batches(mono, curriculum=Curriculum((Phase(8, 3, until=4), Phase(16, 2))))
    names = [name for k in range(14) for name in made[k].ids]
    rounds = [names[n : n + 5] for n in range(0, 30, 5)]
    assert all(sorted(r) == list("01234") for r in rounds)
    assert len({tuple(r) for r in rounds}) > 3
    assert [made[k].degraded.shape[-1] for k in (0, 3, 4)] == [8, 8, 16]


def test_each_sample_has_draws_of_its_own(mono):
    made = batches(mono, curriculum=Curriculum.constant(16, 5), mirror=False)
    tops = [made[k].clean[:, 0, 1, 0, 0] for k in range(3)]
    assert all(len(set(top.tolist())) > 2 for top in tops)
    # A sample is cut alike however many share its batch.
    alone = batches(mono, curriculum=Curriculum.constant(16, 1), mirror=False)
    assert torch.equal(torch.cat([alone[k].clean for k in range(5)]), made[0].clean)


def test_degraded_and_clean_are_cut_alike(mono):
    for k in range(10):
        batch = batches(mono, scales=(0.5, 1.0))[k]
        assert batch.degraded.shape == batch.clean.shape == (2, 1, 3, 16, 16)
        # Red is noise in the degraded picture; green and blue are those of the clean one.
        assert torch.equal(batch.degraded[:, :, 1:], batch.clean[:, :, 1:])
        assert not torch.equal(batch.degraded[:, :, 0], batch.clean[:, :, 0])


def test_batches_at_full_size_hold_the_very_pixels(mono):
    uncut = whole(mono)
    for k in range(3):
        batch = batches(mono, mirror=False)[k]
        for name, cut in zip(batch.ids, batch.clean, strict=True):
            original = uncut[int(name)].clean[0, 0]
            row, column = (int(n[0]) for n in np.nonzero(
                (original.unfold(1, 16, 1).unfold(2, 16, 1) == cut[0].view(3, 1, 1, 16, 16))
                .all(-1).all(-1).all(0).numpy()
            ))  # fmt: skip
            assert row == round(float(cut[0, 1, 0, 0] * 255) / 2)
            assert 0 <= column <= 50 - 16


def test_rows_of_both_views_stay_aligned(stereo):
    made = batches(stereo, scales=(0.4, 1.0))
    ratios = set()
    for k in range(12):
        batch = made[k]
        for n, name in enumerate(batch.ids):
            known = batch.disparity[n]
            left = torch.isfinite(known[0]).all()
            right = torch.isfinite(known[1]).all()
            d = float((known[0] if left else known[1])[0, 0, 0])
            # Pixels of the crop: the disparity of the file times the scale of the crop.
            ratios.add(round(d / (6 + int(name)), 3))
            assert bool(left and right) == (name != "2")
            x = torch.arange(16.0)
            inside = x >= d
            grid = torch.stack([(x - d) / 15 * 2 - 1, torch.zeros(16)], -1).view(1, 1, 16, 2)
            grid = grid.expand(1, 16, 16, 2).clone()
            grid[..., 1] = (torch.arange(16.0) / 15 * 2 - 1).view(1, 16, 1)
            warped = torch.nn.functional.grid_sample(
                batch.clean[n, 1:], grid, align_corners=True, padding_mode="border"
            )[0]
            error = (warped - batch.clean[n, 0])[..., inside].abs()
            assert error.numel() == 0 or error.median() < 0.02
    assert len(ratios) > 5
    assert max(ratios) <= 1
    assert min(ratios) > 0.35


def test_mirrored_pairs_keep_positive_disparities(stereo):
    made = batches(stereo, curriculum=Curriculum.constant(60, 1))
    straight = batches(stereo, curriculum=Curriculum.constant(60, 1), mirror=False)
    mirrored = 0
    for k in range(12):
        one, other = made[k], straight[k]
        if not torch.equal(one.clean, other.clean):
            mirrored += 1
            assert torch.equal(one.clean, other.clean.flip(1).flip(-1))
            assert torch.equal(one.degraded, other.degraded.flip(1).flip(-1))
            torch.testing.assert_close(
                one.disparity, other.disparity.flip(1).flip(-1), equal_nan=True, rtol=0, atol=0
            )
    assert 2 < mirrored < 10


def test_views_of_pairs_can_be_singles(stereo):
    singles = stereo.singles()
    assert [s.id for s in singles.samples[:3]] == ["0:left", "0:right", "1:left"]
    batch = batches(singles, quarter_turns=True)[0]
    assert batch.degraded.shape == (2, 1, 3, 16, 16)
    assert batch.disparity.shape == (2, 1, 1, 16, 16)
    with pytest.raises(ConfigError, match="rectified"):
        batches(stereo, quarter_turns=True)


def test_quarter_turns_are_of_both(mono):
    turned = batches(mono, quarter_turns=True, mirror=False)
    ends = set()
    for k in range(10):
        batch = turned[k]
        assert torch.equal(batch.degraded[:, :, 1], batch.clean[:, :, 1])
        for green in batch.clean[:, 0, 1]:
            down, across = green[-1, 0] - green[0, 0], green[0, -1] - green[0, 0]
            ends.add((float(down.sign()), float(across.sign())))
    assert ends == {(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)}


def test_colours_follow_the_batch(mono):
    change = Photometric(gamma=(0.5, 2.0))
    made = batches(mono, photometric=change)
    assert same(made[4], batches(mono, photometric=change)[4])
    assert not same(made[4], batches(mono)[4])
    torch.testing.assert_close(made[4].degraded[:, :, 1:], made[4].clean[:, :, 1:])


def test_small_pictures_are_enlarged(mono):
    assert batches(mono, curriculum=Curriculum.constant(64, 1))[0].clean.shape[-2:] == (64, 64)


def test_pictures_without_ground_truth(tmp_path):
    save(tmp_path / "a.png", photo())
    batch = batches(PictureSet.find(tmp_path, "real"), photometric=Photometric())[0]
    assert batch.clean is None
    assert batch.to("cpu").degraded.shape == (2, 1, 3, 16, 16)
    assert whole(PictureSet.find(tmp_path, "real"))[0].degraded.shape[-2:] == (120, 160)


def test_samples_become_batches_of_one(mono):
    uncut = whole(mono)
    assert [batch.ids for batch in uncut] == [(n,) for n in "01234"]
    assert all(batch.degraded.shape == batch.clean.shape for batch in uncut)
    assert uncut[0].degraded.shape[:3] == (1, 1, 3)


def test_clear_sets_have_no_degraded_pictures(tmp_path):
    save(tmp_path / "a.png", photo())
    clear = PictureSet.find(tmp_path, "clear")
    with pytest.raises(ConfigError, match="'clear' holds clear pictures only"):
        batches(clear)


def test_borders_are_cut_off(tmp_path):
    clean = photo(80, 100)
    save(tmp_path / "clear" / "1.png", clean)
    save(tmp_path / "hazy" / "1_1_0.9.png", clean[10:-10, 10:-10])
    save(tmp_path / "hazy" / "1_2_0.9.png", clean)
    batch, other = whole(PictureSet.find(tmp_path, "its"))
    assert torch.equal(batch.degraded, batch.clean)
    assert batch.clean.shape == (1, 1, 3, 60, 80)
    assert torch.equal(other.degraded, other.clean)


def test_halves_of_side_by_side_pictures(tmp_path):
    clean, rainy = photo(20, 30), photo(20, 30, seed=1)
    path = tmp_path / "training" / "1.png"
    save(path, np.concatenate([clean, rainy], axis=1))
    (batch,) = whole(PictureSet.find(tmp_path, "rain800"))
    assert torch.equal(batch.clean[0, 0] * 255, torch.from_numpy(clean).permute(2, 0, 1))
    assert torch.equal(batch.degraded[0, 0] * 255, torch.from_numpy(rainy).permute(2, 0, 1))


def test_depth_does_not_scale(tmp_path):
    save(tmp_path / "hazy" / "1.png", photo(40, 40))
    save(tmp_path / "gt" / "1.png", photo(40, 40))
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth" / "1.npy", np.full((40, 40), 12.5, np.float32))
    pictures = PictureSet.find(tmp_path, "dcmpnet")
    batch = batches(pictures, scales=(0.5, 0.5))[0]
    assert (batch.depth == 12.5).all()
    assert batch.disparity is None


def test_maps_of_some_samples_are_unknown_in_the_others(tmp_path):
    root = paired(tmp_path, count=2)
    (root / "disparity").mkdir()
    np.save(root / "disparity" / "0.npy", np.full((40, 50), 3, np.float32))
    batch = batches(PictureSet.find(root, "paired"))[0]
    for name, values in zip(batch.ids, batch.disparity, strict=True):
        assert (torch.isnan(values) if name == "1" else values == 3).all()


def test_a_corrupt_picture_is_left_out_and_named(tmp_path, caplog):
    root = paired(tmp_path, count=5)
    (root / "input" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    pictures = PictureSet.find(root, "paired")
    made = batches(pictures)
    passes = [made[k] for k in range(10)]
    names = [name for batch in passes for name in batch.ids]
    assert "3" not in names
    assert len(names) == 20
    said = [text for batch in passes for text in batch.skipped]
    assert len(said) == 4  # once in each pass
    assert all("3.png" in text for text in said)
    assert sum("3.png" in record.message for record in caplog.records) == 1
    # What was met before makes no difference.
    fresh = batches(pictures)
    assert all(same(fresh[k], passes[k]) for k in reversed(range(10)))


def test_pictures_that_do_not_fit_are_left_out(tmp_path):
    root = paired(tmp_path, count=3)
    save(root / "target" / "1.png", photo(40, 51))
    pictures = PictureSet.find(root, "paired")
    assert "1" not in [n for k in range(6) for n in batches(pictures)[k].ids]
    with pytest.raises(PairError, match=r"input/1\.png \(50x40\), .*target/1\.png \(51x40\)"):
        whole(pictures)[1]


def test_a_picture_that_has_disappeared_is_an_error(tmp_path):
    root = paired(tmp_path, count=2)
    made = batches(PictureSet.find(root, "paired"))
    (root / "target" / "1.png").unlink()
    with pytest.raises(PictureError, match=r"target/1\.png: there is no such file"):
        made[0]


def test_nothing_readable_is_an_error(tmp_path):
    root = paired(tmp_path, count=2)
    for path in (root / "input").iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        PictureError, match=r"2 samples in a row cannot be used: .*the file is empty"
    ):
        batches(PictureSet.find(root, "paired"))[0]


def test_unmatched_pictures_are_refused(tmp_path):
    root = paired(tmp_path, count=2)
    (root / "target" / "1.png").unlink()
    with pytest.raises(PairError, match=r"input/1\.png: no clean picture\. Add"):
        PictureSet.find(root, "paired")


def test_disparities_of_another_size_are_named(tmp_path):
    root = paired(tmp_path, count=1)
    (root / "disparity").mkdir()
    np.save(root / "disparity" / "0.npy", np.ones((40, 51), np.float32))
    with pytest.raises(PairError, match=r"0\.npy has shape \(40, 51\), the pictures \(40, 50\)"):
        whole(PictureSet.find(root, "paired"))[0]


def test_pictures_of_16_bits(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (20, 30), dtype=np.uint16)
    for folder in ("input", "target"):
        (tmp_path / folder).mkdir()
        Image.fromarray(values).save(tmp_path / folder / "1.png")
    (batch,) = whole(PictureSet.find(tmp_path, "paired"))
    expected = torch.from_numpy(values / np.float32(65535))
    torch.testing.assert_close(batch.clean[0, 0, 0], expected.float())


def test_scales_that_are_none_are_refused(mono):
    with pytest.raises(ConfigError, match="scales"):
        batches(mono, scales=(1.0, 0.5))


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_give_the_same_batches(mono, workers):
    made = batches(mono, length=4)
    loader = DataLoader(made, batch_size=None, num_workers=workers)
    assert all(same(batch, made[k]) for k, batch in enumerate(loader))


def test_the_cache_keeps_to_its_limit():
    cache = ArrayCache(limit=250)
    loads = []

    def get(key, size=100):
        def load():
            loads.append(key)
            return np.zeros(size, np.uint8)

        return cache.get(key, load)

    for key in (1, 2, 1, 3, 1, 2):
        get(key)
    assert loads == [1, 2, 3, 2]  # 2 had been asked for least recently when 3 came
    assert cache.size == 200
    get(4, size=300)
    assert cache.size == 200
    with pytest.raises(ValueError, match="read-only"):
        get(1)[0] = 1
    assert pickle.loads(pickle.dumps(cache)).size == 0


def test_decoded_pictures_are_kept(tmp_path):
    root = paired(tmp_path, count=2)
    kept = PictureSet.find(root, "paired")
    first = batches(kept)[0]
    for path in root.rglob("*.png"):
        path.unlink()
    assert same(batches(kept)[0], first)
    with pytest.raises(PictureError, match="no such file"):
        batches(PictureSet(kept.samples, kept.layout, ArrayCache(0)))[0]


def test_views_of_8_and_16_bits_are_equally_bright(tmp_path):
    eight = photo(40, 50)
    for role in ("input", "target"):
        save(tmp_path / role / "left" / "1.png", eight)
        (tmp_path / role / "right").mkdir()
        cv2.imwrite(str(tmp_path / role / "right" / "1.png"), eight[..., ::-1].astype("u2") * 257)
    pictures = PictureSet.find(tmp_path, "paired-stereo")
    for batch in (batches(pictures)[0], whole(pictures)[0]):
        assert torch.equal(batch.degraded[:, 0], batch.degraded[:, 1])
        assert torch.equal(batch.clean[:, 0], batch.clean[:, 1])
