"""Windows, phases and changes of colour."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.data import Curriculum, Phase, Photometric
from deweather.data.crops import Window, draw_window, mirrored
from deweather.errors import ConfigError

SIZES = st.integers(1, 200)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(h=SIZES, w=SIZES, patch=st.integers(1, 150), low=st.floats(0.2, 1), seed=st.integers(0, 99))
def test_windows_lie_in_the_picture(h, w, patch, low, seed):
    window = draw_window(np.random.default_rng(seed), h, w, patch, (low, 1.0))
    assert 0 <= window.top <= h - window.side
    assert 0 <= window.left <= w - window.side
    assert window.side <= max(patch, round(patch / low))
    assert window.of(np.zeros((h, w, 3), np.uint8)).shape == (patch, patch, 3)
    assert window.of_map(np.zeros((h, w), np.float32)).shape == (patch, patch)


def test_all_places_are_drawn():
    rng = np.random.default_rng(0)
    drawn = [draw_window(rng, 5, 9, 4) for _ in range(300)]
    assert {window.top for window in drawn} == {0, 1}
    assert {window.left for window in drawn} == set(range(6))
    assert {window.side for window in drawn} == {4}


def test_a_window_without_change_of_scale_copies():
    picture = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    assert np.array_equal(Window(3, 4, 10, 10).of(picture), picture[3:13, 4:14])


def test_reduced_maps_have_no_values_of_their_own():
    values = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    reduced = Window(0, 0, 40, 13).of_map(values)
    assert np.isin(reduced, values).all()
    assert Window(0, 0, 40, 13).ratio == 13 / 40


def test_mirrored_pairs_swap_and_single_pictures_stay_alone():
    views = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    assert np.array_equal(mirrored(views)[0], views[1, :, ::-1])
    assert np.array_equal(mirrored(mirrored(views)), views)
    assert np.array_equal(mirrored(views[:1])[0], views[0, :, ::-1])


def test_a_mirrored_pair_is_a_pair():
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 255, (5, 40, 3), dtype=np.uint8)
    pair = np.stack([wide[:, :30], wide[:, 4:34]])
    left, right = mirrored(pair)
    assert np.array_equal(left[:, 4:], right[:, :-4])
    assert not np.array_equal(left[:, :-4], right[:, 4:])
    assert np.array_equal(mirrored(mirrored(pair)), pair)
    columns = np.broadcast_to(np.arange(30.0), (2, 5, 30)).copy()
    columns[1] += 100
    turned = mirrored(columns)
    assert turned[0, 0, 0] == 129
    assert turned[1, 0, 0] == 29


def test_a_share_of_the_samples_is_underexposed():
    image = torch.full((4000, 1, 3, 2, 2), 0.5)
    dark = Photometric(dark=(0.4, 0.8), dark_share=0.25)
    (out,) = dark([image], np.random.default_rng(0))
    factors = out[:, 0, :, 0, 0] / 0.5
    assert (factors == factors[:, :1]).all()  # of all colours
    lower = factors[:, 0] < 0.9
    # Four standard deviations of a binomial draw.
    assert abs(int(lower.sum()) - 1000) < 4 * (4000 * 0.25 * 0.75) ** 0.5
    assert (factors[~lower] == 1).all()
    assert 0.4 <= factors[lower].min() < 0.45
    assert 0.75 < factors[lower].max() <= 0.8


def test_phases_follow_one_another():
    plan = Curriculum((Phase(16, 8, until=3), Phase(32, 4, until=5), Phase(64, 1)))
    found = [plan.at(k) for k in range(8)]
    assert [phase.patch for phase, _ in found] == [16, 16, 16, 32, 32, 64, 64, 64]
    # Each batch begins where the one before it ended.
    for (phase, before), (_, after) in pairwise(found):
        assert after == before + phase.batch
    assert Curriculum.constant(16, 8).at(7) == (Phase(16, 8), 56)


@pytest.mark.parametrize(
    "phases",
    [
        (),
        (Phase(16, 8, until=3),),
        (Phase(16, 8), Phase(32, 8)),
        (Phase(16, 8, until=3), Phase(16, 8, until=3), Phase(32, 8)),
        (Phase(16, 8, until=0), Phase(32, 8)),
        (Phase(0, 8),),
        (Phase(16, 0),),
    ],
)
def test_phases_that_cannot_be_are_refused(phases):
    with pytest.raises(ConfigError):
        Curriculum(phases)


WIDE = {"saturation": (0.5, 1.5), "gamma": (0.7, 1.4), "gain": (0.8, 1.1)}


def test_colours_change_alike_in_degraded_and_clean():
    image = torch.rand(4, 2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    one, other = Photometric(**WIDE)([image, image], np.random.default_rng(1))
    torch.testing.assert_close(one, other)
    assert not torch.allclose(one, image, atol=0.02)
    assert 0 <= one.min() <= one.max() <= 1


def test_views_change_alike_or_each_for_itself():
    image = torch.rand(4, 1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    pair = image.expand(-1, 2, -1, -1, -1)
    (shared,) = Photometric(**WIDE)([pair], np.random.default_rng(1))
    (separate,) = Photometric(**WIDE, separate=True)([pair], np.random.default_rng(1))
    torch.testing.assert_close(shared[:, 0], shared[:, 1])
    assert ((separate[:, 0] - separate[:, 1]).abs().flatten(1).amax(1) > 0.01).all()


def test_ranges_of_one_change_nothing():
    image = torch.rand(2, 1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    (out,) = Photometric()([image], np.random.default_rng(1))
    torch.testing.assert_close(out, image, atol=1e-4, rtol=0)


def test_a_gain_is_a_gain_and_saturation_0_is_grey():
    image = torch.full((1, 1, 3, 2, 2), 0.5)
    (out,) = Photometric(gain=(0.5, 0.5), gamma=(2.0, 2.0))([image], np.random.default_rng(1))
    torch.testing.assert_close(out, torch.full_like(image, 0.125))
    colour = torch.tensor([0.1, 0.2, 0.6]).view(1, 1, 3, 1, 1)
    (grey,) = Photometric(saturation=(0.0, 0.0))([colour], np.random.default_rng(1))
    torch.testing.assert_close(grey, torch.full_like(colour, 0.3))


@pytest.mark.parametrize("change", [{"gain": (1.0, 0.5)}, {"gamma": (0.0, 1.0)}])
def test_ranges_that_are_none_are_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        Photometric(**change)
