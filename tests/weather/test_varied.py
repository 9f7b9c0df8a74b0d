"""Weather of all kinds: what comes in, what should come out, and from which seed."""

import pytest
import torch

from deweather.weather import Example
from deweather.weather.varied import framed, varied_haze, varied_rain

from .make import batch_of, scene

MAKERS = {"haze": varied_haze, "rain": varied_rain}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def scenes(n, v=1):
    return [
        scene(v=v, h=24, w=32, focal=60.0, depth=8.0 + 40 * i, baseline=0.3, seed=i)
        for i in range(n)
    ]


@makers
@pytest.mark.parametrize("views", [1, 2])
def test_a_clear_picture_is_to_come_out_exactly_as_it_came_in(make, views):
    example = make(batch_of(scenes(12, views)), 3, clear_share=1.0)
    assert torch.equal(example.target, example.degraded)


@makers
def test_a_picture_is_its_own_whatever_batch_it_is_in(make):
    alone = [make(s, [40 + i]) for i, s in enumerate(scenes(6))]
    together = make(batch_of(scenes(6)), range(40, 46))
    for i, example in enumerate(alone):
        torch.testing.assert_close(example.degraded[0], together.degraded[i])
        torch.testing.assert_close(example.target[0], together.target[i])


@makers
def test_another_seed_is_other_weather(make):
    s = batch_of(scenes(6))
    assert torch.equal(make(s, 5).degraded, make(s, 5).degraded)
    assert not torch.equal(make(s, 5).degraded, make(s, 50).degraded)


def test_haze_of_several_kinds_is_to_come_off_the_lit_scene():
    s = batch_of(scenes(40))
    example = varied_haze(s, 3, clear_share=0.0)
    linear = example.record["haze.linear"]
    assert 0.2 < float(linear.float().mean()) < 0.9
    dim = example.record["illumination.gamma"] > 1
    even = ~dim & (example.record["illumination.ramp"] == 0)
    assert dim.any()
    assert torch.equal(example.target[even], s.frames[even])
    assert (example.target[dim].mean((1, 2, 3, 4)) < s.frames[dim].mean((1, 2, 3, 4))).all()
    lifted = varied_haze(s, 3, clear_share=0.0, keep_light=False)
    assert torch.equal(lifted.target, s.frames)
    assert torch.equal(lifted.degraded, example.degraded)


def test_what_made_the_haze_is_recorded_as_maps():
    s = batch_of(scenes(40, 2))
    record = varied_haze(s, 3, clear_share=0.3).record
    transmission, air = record["haze.transmission"], record["haze.airlight"]
    assert transmission.shape == air.shape == s.frames.shape
    clear = (transmission == 1).flatten(1).all(1)
    assert 0 < int(clear.sum()) < 40
    uneven = air.std((3, 4)).amax((1, 2)) > 0.01  # a low sun
    assert 0 < int(uneven.sum()) < 20
    torch.testing.assert_close(air[:, 0], air[:, 1])


def test_rain_darkens_nothing_much_and_has_soft_and_thin_streaks():
    s = batch_of(scenes(40))
    example = varied_rain(s, 3, clear_share=0.0, haze_share=0.0)
    layers = {name: v for name, v in example.record.items() if name.endswith(".layer")}
    for number in (30, 35, 38):
        there = layers[f"streaks{number}.layer"].flatten(1).any(1)
        assert 0 < int(there.sum()) < 40
    assert (example.record["rain.rate"] > 0).any()
    assert (example.record["rain.aperture"] > 0).any()


def test_without_its_veil_rain_is_to_come_out_as_the_scene():
    s = batch_of(scenes(12))
    example = varied_rain(s, 3, clear_share=0.0, haze_share=0.0, keep_veil=False)
    assert torch.equal(example.target, s.frames)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_frame_is_the_same_in_what_comes_in_and_what_should_come_out(share):
    g = torch.Generator().manual_seed(0)
    degraded, target = torch.rand(2, 32, 2, 3, 40, 48, generator=g)
    out = framed(Example(degraded, target, {}), 7, share)
    mask = out.record["frame.mask"].expand_as(degraded)
    assert torch.equal(out.degraded[mask], out.target[mask])
    assert torch.equal(out.degraded[~mask], degraded[~mask])
    assert torch.equal(out.target[~mask], target[~mask])
    assert mask.flatten(1).any(1).float().mean() >= 0.5 * share
    assert not mask[..., 20, 24].any()
    assert bool(mask.any()) == (share > 0)
