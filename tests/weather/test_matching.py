"""Disparity from pairs, and its holes."""

import cv2
import numpy as np
import pytest
import skimage.data

from deweather.weather.layers import layered_pair
from deweather.weather.matching import (
    both_views,
    carry_to_right,
    fill_by_colour,
    fill_holes,
    match,
)

from .make import photo


@pytest.fixture(scope="module")
def motorcycle():
    """A real pair with measured disparity (Middlebury 2014), a part of it."""
    left, right, disparity = skimage.data.stereo_motorcycle()
    window = (slice(120, 400), slice(100, 640))
    return left[window], right[window], disparity[window]


def test_a_real_pair_against_its_ground_truth(motorcycle):
    left, right, truth = motorcycle
    found = match(left, right, largest=80)
    assert found.shape == (2, *truth.shape)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert (found == 0).mean() < 0.01  # no sky here
    known = np.isfinite(truth) & (truth > 0)
    known[:, :80] = False  # beyond the right view's border
    off = np.abs(found[0] - truth)[known]
    assert (off < 2).mean() > 0.82
    assert (off < 1).mean() > 0.75


def test_the_right_disparity_agrees_with_the_left(motorcycle):
    left, right, _ = motorcycle
    found = match(left, right, largest=80)
    y, x = np.mgrid[0 : found.shape[1], 0 : found.shape[2]]
    target = np.round(x - found[0]).astype(int)
    seen = target >= 0
    back = found[1][y[seen], target[seen]]
    # Where the right view has something nearer, the left pixel is hidden from it.
    hidden = back > found[0][seen] + 1
    assert (np.abs(back - found[0][seen]) <= 1)[~hidden].mean() > 0.9
    assert hidden.mean() < 0.25


@pytest.mark.parametrize("shift", [3, 12])
def test_a_shifted_picture_has_its_shift_everywhere(shift):
    wide = photo(60, 180)
    left, right = wide[:, :150], wide[:, shift : 150 + shift]
    found = match(left, right, largest=20)
    assert (np.abs(found - shift) <= 0.5).mean() > 0.97


def test_the_sky_is_infinitely_far_and_what_stands_below_is_not():
    wide = photo(80, 180)
    sky = wide.copy()
    sky[:30] = (200, 215, 240)
    for picture, far in ((sky, True), (wide, False)):
        found = match(picture[:, :150], picture[:, 6:156], largest=20)
        assert (found[:, :20] == 0).mean() == pytest.approx(1.0 if far else 0.0, abs=0.02)
        assert (np.abs(found[:, 42:] - 6) <= 1).mean() > 0.97


def test_carrying_to_the_right_moves_by_the_disparity_and_the_nearer_wins():
    left = np.full((5, 12), 2, np.float32)
    left[:, 6:9] = 5
    right = carry_to_right(left)
    # Left 6, 7, 8 go to 1, 2, 3; left 2 to 5 go to 0 to 3 where they lose, 9 to 11 to 7 to 9.
    row = right[2]
    assert row[:4].tolist() == [2, 5, 5, 5]
    assert row[7:10].tolist() == [2, 2, 2]
    assert row[4:7].max() in (0, 2, 5)
    assert row[11] == 0


def test_carrying_leaves_zero_where_nothing_goes():
    assert not carry_to_right(np.zeros((4, 6), np.float32)).any()
    assert not carry_to_right(np.full((4, 6), 9, np.float32)).any()


def test_one_pixel_cracks_close():
    left = np.tile(np.array([3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2], np.float32), (5, 1))
    right = carry_to_right(left)
    assert (right[:, 2:9] > 0).all()  # column 2 gets nothing by itself


def test_holes_are_filled_from_the_farther_side():
    row = np.array([0, 0, 8, 8, 0, 0, 0, 3, 3, 3, 0, 0], np.float32)
    filled = fill_holes(np.tile(row, (7, 1)))
    assert filled[3].tolist() == [8, 8, 8, 8, 3, 3, 3, 3, 3, 3, 3, 3]


def test_known_values_are_never_touched():
    rng = np.random.default_rng(0)
    disparity = np.where(rng.random((20, 30)) < 0.4, rng.random((20, 30)) * 9 + 0.1, 0)
    disparity = disparity.astype(np.float32)
    filled = fill_holes(disparity)
    assert (filled > 0).all()
    assert (filled[disparity > 0] == disparity[disparity > 0]).all()
    assert filled.max() <= disparity.max()


def test_rows_without_any_value_get_the_median():
    disparity = np.zeros((9, 6), np.float32)
    disparity[0] = 4
    assert (fill_holes(disparity) == 4).all()
    assert not fill_holes(np.zeros((9, 6), np.float32)).any()


def test_both_views_of_one_map():
    left = np.full((6, 20), 4, np.float32)
    left[2, 7] = 0
    assert (both_views(left) == 4).all()
    right = np.full((6, 20), 9, np.float32)
    assert (both_views(left, right)[1] == 9).all()


def test_pictures_tell_where_holes_end(motorcycle):
    """What the right view shows is found in the left one by the disparity that was carried over."""
    left, right, truth = motorcycle
    known = np.where(np.isfinite(truth), truth, 0).astype(np.float32)
    errors = []
    for pictures in (None, (left, right)):
        maps = both_views(known, pictures=pictures)
        assert np.array_equal(maps[0][known > 0], known[known > 0])
        y, x = np.mgrid[0 : known.shape[0], 0 : known.shape[1]].astype(np.float32)
        seen = cv2.remap(left.astype(np.float32), x + maps[1], y, cv2.INTER_LINEAR)
        inside = x + maps[1] < known.shape[1] - 1
        errors.append(np.abs(seen - right).mean(2)[inside].mean())
    assert errors[1] < 0.97 * errors[0]


@pytest.mark.parametrize("seed", range(4))
def test_what_the_left_view_does_not_see_is_background(seed):
    """Against the exact right disparity of planes one in front of another."""
    photos = [photo(90, 130, i) for i in range(3)]
    pair, exact = layered_pair(np.random.default_rng(seed), photos, 90, 130, 16.0)
    wrong = [
        (np.abs(both_views(exact[0], pictures=pictures)[1] - exact[1]) > 1)[:, :112].mean()
        for pictures in (None, (pair[0], pair[1]))
    ]
    assert wrong[1] < 0.02
    assert wrong[1] <= wrong[0]


def test_between_two_near_things_the_hole_is_as_far_as_what_is_above():
    """Both neighbours in the row are near; the wall above and below the gap is not."""
    left = np.full((30, 80), 4, np.float32)
    left[10:18, 20:36] = left[10:18, 44:60] = 12
    picture = np.full((30, 80, 3), 60, np.uint8)  # too dark for a sky
    right = both_views(left, pictures=(picture, picture))[1]
    assert (right[11:17, 8:24] == 12).all()
    assert (right[11:17, 25:31] == 4).all()
    assert (right[11:17, 32:48] == 12).all()
    assert (both_views(left)[1][11:17, 25:31] == 12).any()  # rows alone cannot know


def test_a_hole_ends_at_the_edge_of_the_picture():
    """Not where the nearest value changes, which along the rows would be the farther side's."""
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 24:] = (250, 240, 30)
    disparity = np.where(np.arange(40) < 24, 3, 9).astype(np.float32) * np.ones((20, 1), np.float32)
    holed = disparity.copy()
    holed[5:15, 18:32] = 0
    filled = fill_by_colour(holed, picture)
    assert (np.abs(filled - disparity) < 1e-6)[:, np.r_[:22, 26:40]].all()
    assert (fill_holes(holed) != disparity)[:, 26:32].any()
    assert not fill_by_colour(np.zeros((6, 7), np.float32), picture[:6, :7]).any()


def test_the_sky_of_a_measured_pair_is_put_at_infinity():
    picture = photo(80, 150)
    picture[:30] = (200, 215, 240)
    measured = np.full((80, 150), 6, np.float32)
    measured[:30] = 0
    assert (both_views(measured, pictures=(picture, picture))[:, :20] == 0).all()
    assert (both_views(measured)[:, :20] == 6).all()
