import cv2
import numpy as np
import pytest
import torch

from deweather.inference.guided import (
    apply_affine,
    apply_affine_images,
    fit_affine,
    toward_identity,
)


def textured(rng, height, width):
    small = rng.random((height // 4, width // 4, 3), dtype=np.float32)
    big = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(big + rng.normal(0, 0.15, big.shape).astype(np.float32), 0, 1)


MATRIX = np.array([[0.8, 0.1, -0.05], [0.05, 0.7, 0.1], [0.0, -0.1, 0.9]], np.float32)
OFFSET = np.array([0.05, 0.1, 0.02], np.float32)


def tensor(picture):
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))[None]


def fitted(source, target, **options):
    """Maps (1, 3, 4, h, w) as an array, of pictures (h, w, 3)."""
    return fit_affine(tensor(source), tensor(target), **options).numpy()


def test_recovers_an_affine_map_of_colour():
    source = textured(np.random.default_rng(0), 40, 60)
    (maps,) = fitted(source, source @ MATRIX.T + OFFSET, eps=1e-8)
    assert np.abs(maps[:, :3] - MATRIX[..., None, None]).max() < 1e-2
    assert np.abs(maps[:, 3] - OFFSET[:, None, None]).max() < 1e-2


def test_a_batch_is_fitted_like_its_members():
    rng = np.random.default_rng(5)
    source = torch.cat([tensor(textured(rng, 24, 40)) for _ in range(3)])
    target = source.flip(1).sqrt()
    each = [fit_affine(s[None], t[None]) for s, t in zip(source, target, strict=True)]
    assert torch.equal(fit_affine(source, target), torch.cat(each))


@pytest.mark.parametrize(("dtype", "tolerance"), [("u1", 0.51 / 255), ("u2", 2e-3), ("f4", 2e-3)])
def test_carries_the_map_to_full_size(dtype, tolerance):
    picture = textured(np.random.default_rng(1), 160, 240)
    small = cv2.resize(picture, (60, 40), interpolation=cv2.INTER_AREA)
    maps = fitted(small, small @ MATRIX.T + OFFSET, eps=1e-8)
    peak = 1.0 if dtype == "f4" else np.iinfo(dtype).max
    full = picture * peak
    full = full.astype(dtype) if dtype == "f4" else np.rint(full).astype(dtype)
    expected = np.clip(full / peak @ MATRIX.T + OFFSET, 0, 1)
    assert apply_affine(maps, [full])
    assert np.abs(full / peak - expected).max() < tolerance + 2e-3


def test_flat_pictures_get_the_offset():
    source = np.full((20, 20, 3), 0.5, np.float32)
    picture = np.full((50, 70, 3), 128, np.uint8)
    assert not apply_affine(fitted(source, source), [picture])
    assert apply_affine(fitted(source, source - 0.2), [picture])
    assert np.abs(picture.astype(int) - (128 - 51)).max() <= 1


def test_bands_leave_no_trace(monkeypatch):
    rng = np.random.default_rng(2)
    source = textured(rng, 40, 40)
    maps = fitted(source, np.sqrt(source))
    picture = rng.integers(0, 256, (333, 217, 3), dtype=np.uint8)
    images = tensor(picture) / 255
    whole, banded = picture.copy(), picture.copy()
    apply_affine(maps, [whole])
    once = apply_affine_images(torch.from_numpy(maps), images)
    monkeypatch.setattr("deweather.inference.guided._BAND", 1)
    apply_affine(maps, [banded])
    assert np.array_equal(whole, banded)
    assert torch.equal(apply_affine_images(torch.from_numpy(maps), images), once)


def test_each_view_gets_its_own_maps():
    rng = np.random.default_rng(4)
    source = textured(rng, 24, 24)
    maps = np.concatenate([fitted(source, source * f) for f in (0.5, 0.8)])
    views = [np.full((48, 48, 3), 200, np.uint8) for _ in range(2)]
    alone = [view.copy() for view in views]
    assert apply_affine(maps, views)
    for one, view, of_view in zip(alone, views, maps, strict=True):
        apply_affine(of_view[None], [one])
        assert np.array_equal(one, view)
    assert views[0].mean() < views[1].mean()


def test_results_stay_in_range():
    source = textured(np.random.default_rng(3), 24, 24)
    picture = np.full((48, 48, 3), 250, np.uint8)
    maps = fitted(source, np.clip(source * 3, 0, 3))
    images = apply_affine_images(torch.from_numpy(maps), torch.full((1, 3, 48, 48), 250 / 255))
    assert images.max() == 1
    apply_affine(maps, [picture])
    assert picture.min() > 200  # 750 wraps around to 238 where it is not clipped
    assert (picture == 255).mean() > 0.9


@pytest.mark.parametrize("size", [(40, 60), (91, 133), (1, 1), (2, 77)])
def test_tensors_are_mapped_like_arrays(size):
    rng = np.random.default_rng(6)
    source = textured(rng, 40, 60)
    maps = fitted(source, source @ MATRIX.T + OFFSET)
    picture = rng.random((*size, 3), dtype=np.float32)
    out = apply_affine_images(torch.from_numpy(maps), tensor(picture))
    apply_affine(maps, [picture])
    assert (out - tensor(picture)).abs().max() < 5e-7


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 1.5])
def test_a_share_of_a_map_makes_that_share_of_the_change(share):
    rng = np.random.default_rng(7)
    source = textured(rng, 24, 32)
    maps = torch.from_numpy(fitted(source, source * 0.9 + 0.03))
    images = torch.full((1, 3, 24, 32), 0.5)
    changed = apply_affine_images(maps, images)
    out = apply_affine_images(toward_identity(maps, share), images)
    assert torch.allclose(out - images, share * (changed - images), atol=1e-6)
    assert maps.numpy() is not None
    assert torch.equal(toward_identity(maps, 1), maps)


def test_what_a_step_raises_ends_the_work(monkeypatch):
    monkeypatch.setattr("deweather.inference.guided._BAND", 1)
    source = np.full((8, 8, 3), 0.5, np.float32)
    maps = fitted(source, source - 0.2)
    seen = []

    def step(done, total):
        seen.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    picture = np.full((500, 4, 3), 128, np.uint8)
    with pytest.raises(KeyboardInterrupt):
        apply_affine(maps, [picture], step)
    assert seen == [(0, 500), (1, 500), (2, 500)]
    assert (picture[:2] < 128).all()
