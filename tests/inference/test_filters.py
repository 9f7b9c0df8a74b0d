import numpy as np
import pytest
import torch

from deweather.inference.filters import (
    box_mean,
    box_mean_by_sums,
    reduce_area,
    reduce_area_by_products,
)


def drawn(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def mean_of_window(plane, radius):
    """By the definition: a padded copy and a window at every place."""
    wide = np.pad(plane, radius, mode="symmetric")
    side = 2 * radius + 1
    return np.lib.stride_tricks.sliding_window_view(wide, (side, side)).mean((2, 3))


@pytest.mark.parametrize("mean", [box_mean, box_mean_by_sums])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (9, 1), (31, 20)])
@pytest.mark.parametrize("radius", [1, 2])
def test_box_means_are_means_of_windows(mean, size, radius):
    planes = drawn(2, 3, *size)
    out = mean(planes, radius)
    assert out.shape == planes.shape
    assert out.dtype == torch.float32
    expected = [[mean_of_window(p.double().numpy(), radius) for p in row] for row in planes]
    assert np.abs(out.numpy() - expected).max() < 2e-7


def test_box_means_take_planes_that_are_not_contiguous():
    planes = drawn(2, 30, 20, 3).permute(0, 3, 1, 2)
    before = planes.clone()
    assert torch.equal(box_mean(planes, 2), box_mean(before.contiguous(), 2))
    assert torch.equal(planes, before)


@pytest.mark.parametrize("reduce", [reduce_area, reduce_area_by_products])
@pytest.mark.parametrize(("size", "reduced"), [((12, 18), (4, 6)), ((10, 30), (10, 1))])
def test_a_reduced_pixel_is_the_mean_of_what_it_covers(reduce, size, reduced):
    planes = drawn(2, 3, *size)
    h, w = reduced
    blocks = planes.view(2, 3, h, size[0] // h, w, size[1] // w).mean((3, 5))
    assert torch.allclose(reduce(planes, h, w), blocks, atol=1e-6)


@pytest.mark.parametrize("reduced", [(7, 11), (1, 1), (40, 59), (39, 60)])
def test_both_ways_of_reducing_agree(reduced):
    planes = drawn(1, 3, 40, 60)
    a, b = reduce_area(planes, *reduced), reduce_area_by_products(planes, *reduced)
    assert a.shape == (1, 3, *reduced)
    assert torch.allclose(a, b, atol=1e-6)
    assert float(a.mean()) == pytest.approx(float(planes.mean()), abs=1e-6)


def test_nothing_is_copied_where_the_size_stays():
    planes = drawn(1, 3, 8, 8)
    assert reduce_area(planes, 8, 8) is planes
