import cv2
import numpy as np
import pytest

from deweather.inference.guided import apply_affine, fit_affine


def textured(rng, height, width):
    small = rng.random((height // 4, width // 4, 3), dtype=np.float32)
    big = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(big + rng.normal(0, 0.15, big.shape).astype(np.float32), 0, 1)


MATRIX = np.array([[0.8, 0.1, -0.05], [0.05, 0.7, 0.1], [0.0, -0.1, 0.9]], np.float32)
OFFSET = np.array([0.05, 0.1, 0.02], np.float32)


def test_recovers_an_affine_map_of_colour():
    source = textured(np.random.default_rng(0), 40, 60)
    maps = fit_affine(source, source @ MATRIX.T + OFFSET, eps=1e-8)
    assert np.abs(maps[:, :3] - MATRIX[..., None, None]).max() < 1e-2
    assert np.abs(maps[:, 3] - OFFSET[:, None, None]).max() < 1e-2


@pytest.mark.parametrize(("dtype", "tolerance"), [("u1", 0.51 / 255), ("u2", 2e-3), ("f4", 2e-3)])
def test_carries_the_map_to_full_size(dtype, tolerance):
    picture = textured(np.random.default_rng(1), 160, 240)
    small = cv2.resize(picture, (60, 40), interpolation=cv2.INTER_AREA)
    maps = fit_affine(small, small @ MATRIX.T + OFFSET, eps=1e-8)
    peak = 1.0 if dtype == "f4" else np.iinfo(dtype).max
    full = picture * peak
    full = full.astype(dtype) if dtype == "f4" else np.rint(full).astype(dtype)
    expected = np.clip(full / peak @ MATRIX.T + OFFSET, 0, 1)
    assert apply_affine(maps, full)
    assert np.abs(full / peak - expected).max() < tolerance + 2e-3


def test_flat_pictures_get_the_offset():
    source = np.full((20, 20, 3), 0.5, np.float32)
    picture = np.full((50, 70, 3), 128, np.uint8)
    assert not apply_affine(fit_affine(source, source), picture)
    assert apply_affine(fit_affine(source, source - 0.2), picture)
    assert np.abs(picture.astype(int) - (128 - 51)).max() <= 1


def test_bands_leave_no_trace(monkeypatch):
    rng = np.random.default_rng(2)
    source = textured(rng, 40, 40)
    maps = fit_affine(source, np.sqrt(source))
    picture = rng.integers(0, 256, (333, 217, 3), dtype=np.uint8)
    whole, banded = picture.copy(), picture.copy()
    apply_affine(maps, whole)
    monkeypatch.setattr("deweather.inference.guided._BAND", 1)
    apply_affine(maps, banded)
    assert np.array_equal(whole, banded)


def test_results_stay_in_range():
    source = textured(np.random.default_rng(3), 24, 24)
    picture = np.full((48, 48, 3), 250, np.uint8)
    apply_affine(fit_affine(source, np.clip(source * 3, 0, 3)), picture)
    assert picture.min() > 200  # 750 wraps around to 238 where it is not clipped
    assert (picture == 255).mean() > 0.9
