"""Random weather: what comes in, what should come out, and from which seed."""

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather import weather
from deweather.errors import ConfigError, UnknownNameError
from deweather.weather import Shares, random_haze, random_photograph, random_rain
from deweather.weather.random_weather import reference_distance

from .make import batch_of, scene

MAKERS = {"haze": random_haze, "rain": random_rain, "photograph": random_photograph}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def scenes(n, v=1):
    return [
        scene(v=v, h=24, w=32, focal=60.0, depth=8.0 + 40 * i, baseline=0.3, seed=i)
        for i in range(n)
    ]


def clear(make, share):
    """The argument that makes so many pictures clear."""
    return {"shares": Shares(clear=share)} if make is random_photograph else {"clear_share": share}


@makers
@pytest.mark.parametrize("views", [1, 2])
def test_a_clear_picture_is_to_come_out_exactly_as_it_came_in(make, views):
    s = batch_of(scenes(16, views))
    example = make(s, 3, **clear(make, 1.0))
    assert torch.equal(example.target, example.degraded)
    if make is not random_photograph:  # the camera's noise and JPEG are all that was done
        assert (example.degraded - s.frames).abs().mean() < 0.02


@makers
def test_a_picture_in_weather_is_to_come_out_as_the_scene(make):
    s = batch_of(scenes(16))
    more = {"haze_share": 0.0} if make is random_rain else {}
    if make is random_photograph:
        more = {"keep_light": False}
    example = make(s, 3, **clear(make, 0.0), **more)
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
    n = 100 if make is random_photograph else 400
    s = batch_of(scenes(1) * n)
    more = {"haze_share": 0.0} if make is random_rain else {}
    example = make(s, 0, **clear(make, share), **more)
    same = (example.target == example.degraded).flatten(1).all(1).float().mean().item()
    assert same == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / n))


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


def test_large_batches_are_ranked_by_a_part_of_their_pixels(monkeypatch):
    s = scene(b=2, v=2, h=60, w=80)
    whole = reference_distance(s)
    monkeypatch.setattr("deweather.weather.random_weather._RANKED", 4000)
    assert reference_distance(s).tolist() == pytest.approx(whole.tolist(), rel=0.1)


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


NONE = dict.fromkeys(vars(Shares()), 0.0)


def test_without_any_degradation_a_photograph_is_its_scene():
    s = batch_of(scenes(6, 2))
    example = random_photograph(s, 1, Shares(**(NONE | {"clear": 1.0})))
    torch.testing.assert_close(example.degraded, s.frames, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in NONE if n not in ("clear", "cast", "twice")])
def test_each_degradation_can_be_had_alone(name):
    """On clear pictures those of light, camera and transport, on hazy ones those of the air."""
    s = batch_of(scenes(12, 2))
    of_air = name in ("patches", "ground", "scattering")
    base = NONE | {"clear": 0.0 if of_air else 1.0}
    without = random_photograph(s, 1, Shares(**base))
    with_it = random_photograph(s, 1, Shares(**(base | {name: 1.0})))
    apart = (with_it.degraded - without.degraded).abs().flatten(1).mean(1)
    assert (apart > 1e-5).float().mean() > 0.7  # a blur may be drawn too small to blur


def test_the_target_keeps_the_light_unless_it_is_asked_for():
    s = batch_of(scenes(8))
    shares = Shares(**(NONE | {"dim": 1.0, "uneven": 1.0}))
    kept, asked = (random_photograph(s, 1, shares, keep_light=k) for k in (True, False))
    assert torch.equal(kept.degraded, asked.degraded)
    assert torch.equal(asked.target, s.frames)
    darker = (kept.target - s.frames).flatten(1).mean(1)
    assert (darker < -0.01).all()


def test_parameters_of_a_photograph_stay_in_their_ranges():
    record = random_photograph(batch_of(scenes(1) * 60), 3).record
    for name, low, high in (
        ("illumination.gamma", 1, 3),
        ("haze.inhomogeneity", 0, 0.9),
        ("haze.scattering", 0, 0.7),
        ("optics.defocus", 0, 1.5),
        ("raw.bits", 0, 12),
        ("transport1.scale", 0.4, 1),
        ("transport1.jpeg", 30, 101),
        ("transport2.jpeg", 30, 101),
    ):
        values = record[name]
        assert values.shape == (60,)
        assert low <= values.min() <= values.max() <= high
        assert len(values.unique()) > 4
    airlight = record["haze.airlight"]
    assert (airlight.amax(1) / airlight.amin(1)).max() > 1.1


def test_a_share_out_of_range_is_named():
    with pytest.raises(ConfigError, match=r"shares\.dim = 1\.5"):
        Shares(dim=1.5)


def test_random_is_a_function_and_hides_no_module():
    assert inspect.isfunction(weather.random)
    assert weather.random_weather.random is weather.random


def test_a_whole_weather_from_one_number():
    s = batch_of(scenes(3, 2))
    drawn = [weather.random(seed) for seed in range(30)]
    assert {w.kind for w in drawn} == {"haze", "rain", "photograph"}
    out, again = drawn[0](s), weather.random(0)(s)
    assert torch.equal(out.frames, again.frames)
    assert not torch.equal(out.frames, drawn[0](s, 1).frames)
    assert out.record
    first = drawn[0](scenes(3, 2)[1], 1)
    assert (first.frames[0] - out.frames[1]).abs().mean() < 1e-4  # a batch is its singles
    rain = weather.random(5, "rain")
    assert rain.kind == "rain"
    assert "rain.opacity" in rain(s).record
    with pytest.raises(UnknownNameError, match="unknown weather 'snow'"):
        weather.random(1, "snow")


# Means of four pictures from seed 5. Recipes and published scores hang on these draws.
GOLDEN = {
    "haze": [0.67387, 0.79338, 0.62708, 0.67951],
    "rain": [0.76905, 0.55633, 0.72691, 0.72058],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_draws_stay_what_they_are(name):
    example = MAKERS[name](batch_of(scenes(4, 2)), 5)
    means = example.degraded.mean((1, 2, 3, 4))
    assert means.tolist() == pytest.approx(GOLDEN[name], abs=2e-4)
