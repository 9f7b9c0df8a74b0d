"""Random weather: what comes in, what should come out, and from which seed."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.weather import random_haze, random_rain
from deweather.weather.random import reference_distance

from .make import batch_of, scene

MAKERS = {"haze": random_haze, "rain": random_rain}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def scenes(n, v=1):
    return [
        scene(v=v, h=24, w=32, focal=60.0, depth=8.0 + 40 * i, baseline=0.3, seed=i)
        for i in range(n)
    ]


@makers
@pytest.mark.parametrize("views", [1, 2])
def test_a_clear_picture_is_to_come_out_exactly_as_it_came_in(make, views):
    s = batch_of(scenes(16, views))
    example = make(s, 3, clear_share=1.0)
    assert torch.equal(example.target, example.degraded)
    # The camera's noise and JPEG are all that was done.
    assert (example.degraded - s.frames).abs().mean() < 0.02


@makers
def test_a_picture_in_weather_is_to_come_out_as_the_scene(make):
    s = batch_of(scenes(16))
    example = make(s, 3, clear_share=0.0, **({"haze_share": 0.0} if make is random_rain else {}))
    assert torch.equal(example.target, s.frames)
    changed = (example.degraded - s.frames).abs().amax((1, 2, 3, 4))
    assert (changed > 0.01).all()


def test_haze_is_no_rain():
    s = batch_of(scenes(16))
    example = random_rain(s, 3, clear_share=0.0, haze_share=1.0)
    assert torch.equal(example.target, example.degraded)
    assert not example.record["rain.opacity"].any()
    assert not any(v.any() for k, v in example.record.items() if k.startswith("streaks"))
    assert torch.isfinite(example.record["haze.visibility"]).all()


def test_the_veil_can_be_left_to_others():
    """Without streaks the target is what came in, however misty; it is never the clean scene."""
    s = batch_of(scenes(64))
    example = random_rain(s, 3, clear_share=0.1, haze_share=0.1, keep_veil=True)
    whole = random_rain(s, 3, clear_share=0.1, haze_share=0.1)
    assert torch.equal(example.degraded, whole.degraded)
    streaks = [v for k, v in example.record.items() if k.startswith("streaks")]
    overlaid = torch.stack([v.flatten(1).amax(1) for v in streaks]).amax(0)
    dry = (example.record["rain.rate"] == 0) & (overlaid == 0)
    assert 3 < dry.sum() < 32
    assert (example.target[dry] - example.degraded[dry]).abs().mean() < 0.01  # the camera's noise
    misty = (example.record["rain.transmission"].amin((1, 2, 3, 4)) < 0.9) & ~dry
    assert misty.any()
    apart = (example.target - s.frames).abs().mean((1, 2, 3, 4))
    assert (apart[misty] > 0.01).all()


@makers
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_shares_are_kept(make, share):
    s = batch_of(scenes(1) * 400)
    more = {"haze_share": 0.0} if make is random_rain else {}
    example = make(s, 0, clear_share=share, **more)
    same = (example.target == example.degraded).flatten(1).all(1).float().mean().item()
    assert same == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 400))


def test_haze_is_drawn_by_its_thickness_at_the_reference_distance():
    s = batch_of(scenes(40))
    example = random_haze(s, 1, clear_share=0.0)
    thickness = -math.log(0.05) / example.record["haze.visibility"] * reference_distance(s)
    assert thickness.min() >= 0.06 - 1e-4
    assert thickness.max() <= 2.2 + 1e-3
    assert thickness.std() > 0.3
    airlight = example.record["haze.airlight"]
    assert airlight.shape == (40, 3)
    assert (airlight.amax(1) - airlight.amin(1)).max() > 0.02


def test_rain_has_every_kind():
    s = batch_of(scenes(1, v=2) * 200)
    record = random_rain(s, 0).record
    physical = record["rain.rate"] > 0
    layers = [record[f"streaks{30 + n}.layer"].flatten(1).any(1) for n in range(3)]
    misty = torch.isfinite(record["haze.visibility"])
    for share, expected in (
        (physical, 0.8 * 0.55),
        (layers[0], 0.8 * 0.55),
        (physical & layers[0], 0.8 * 0.1),
        (layers[2], 0.8 * 0.55 * 0.5 * 0.4),
        (misty, 0.05 + 0.8 * 0.55 * 0.7),
    ):
        slack = 4 * math.sqrt(expected / 200)
        assert share.float().mean().item() == pytest.approx(expected, abs=slack)
    assert record["rain.rate"].max() <= 200
    assert record["rain.rate"][physical].min() >= 8


@makers
@settings(derandomize=True, max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**40), views=st.integers(1, 2))
def test_a_batch_is_its_singles(make, seed, views):
    singles = scenes(4, views)
    together = make(batch_of(singles), seed)
    for i, single in enumerate(singles):
        alone = make(single, seed + i)
        assert alone.record.keys() == together.record.keys()
        for name in ("degraded", "target"):
            difference = (getattr(together, name)[i] - getattr(alone, name)[0]).abs()
            # JPEG may round a coefficient the other way; nothing else may differ.
            assert (difference > 1e-4).float().mean() < 0.02


@makers
def test_the_seed_decides(make):
    s = batch_of(scenes(4, 2))
    first, again, other = make(s, 11), make(s, 11), make(s, 12)
    assert torch.equal(first.degraded, again.degraded)
    assert torch.equal(first.target, again.target)
    assert not torch.equal(first.degraded, other.degraded)


@makers
@settings(derandomize=True, max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**50), views=st.integers(1, 2), far=st.booleans())
def test_pictures_are_finite_and_in_range_even_without_depth(make, seed, views, far):
    s = scene(b=2, v=views, h=17, w=19, depth=math.inf if far else None)
    example = make(s, seed)
    for frames in (example.degraded, example.target):
        assert torch.isfinite(frames).all()
        assert ((frames >= 0) & (frames <= 1)).all()


def test_a_long_run_repeats_no_weather():
    s = scene(h=8, w=8)
    haze = [random_haze(s, seed, clear_share=0.0).record for seed in range(200)]
    assert len({record["haze.visibility"].item() for record in haze}) == 200


def test_the_air_is_about_as_bright_as_the_brightest_of_the_scene():
    bright, dark = (
        s.with_frames(s.frames * factor)
        for s, factor in ((batch_of(scenes(1) * 50), 1.0), (batch_of(scenes(1) * 50), 0.1))
    )
    air = [random_haze(s, 0).record["haze.airlight"].mean(1) for s in (bright, dark)]
    assert (air[0] > air[1]).float().mean() > 0.9
    assert air[1].min() > 0.4
