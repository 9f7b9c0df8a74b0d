"""Drops on the lens: optics of one drop, statistics of many, independence of the cameras."""

import math

import pytest
import torch

from deweather.errors import ConfigError
from deweather.image.transfer import srgb_to_linear
from deweather.weather import LensDrops
from deweather.weather.lens import _composed, _draw, _fresnel, _through_drops

from .make import batch_of, scene


def drop(x, y, radius, contact=30.0):
    """A round drop: (9, 1)."""
    return torch.tensor([x, y, radius, math.radians(contact), 1.0, 0, 0, 0, 0])[:, None]


def test_snells_law_turns_the_sight_beyond_the_axis():
    focal, radius, contact = 100.0, 10.0, 35.0
    sight = _through_drops(drop(30.0, 20.0, radius, contact), (41, 61), focal)
    assert sight[:2, 20, 30].abs().max() < 1e-4  # through the axis it goes straight
    for offset in (3, 6, 9):
        sine = offset / radius * math.sin(math.radians(contact))
        turn = math.asin(1.33 * sine) - math.asin(sine)
        expected = focal * math.tan(turn)
        assert sight[0, 20, 30 + offset].item() == pytest.approx(-expected, rel=1e-4)
        assert sight[0, 20, 30 - offset].item() == pytest.approx(expected, rel=1e-4)
        assert sight[1, 20 + offset, 30].item() == pytest.approx(-expected, rel=1e-4)


def test_the_view_in_a_drop_is_upside_down():
    frame = torch.zeros(1, 3, 200, 200)
    frame[:, :, :100] = 1.0  # bright above, dark below
    sight = _through_drops(drop(100.0, 100.0, 15.0, 40.0), (200, 200), 150.0)
    out, _ = _composed(frame, sight, 0.0)
    assert out[0, 0, 90, 100] < 0.1
    assert out[0, 0, 110, 100] > 0.8


def test_fresnel_at_normal_and_at_the_critical_angle():
    sine = torch.tensor([0.0, 1 / 1.33], dtype=torch.float64)
    passed = _fresnel(sine, 1.33 * sine).tolist()
    assert passed == pytest.approx([1 - (0.33 / 2.33) ** 2, 0.0], abs=1e-6)


def test_steep_rims_are_dark():
    sight = _through_drops(drop(20.0, 20.0, 12.0, 70.0), (41, 41), 100.0)
    edge = 12 / 1.33 / math.sin(math.radians(70))  # where the light is first kept inside
    assert sight[2, 20, 20 + math.ceil(edge)] == 0
    assert sight[2, 20, 20 + math.floor(edge) - 1] > 0.5
    flat = _through_drops(drop(20.0, 20.0, 12.0, 20.0), (41, 41), 100.0)
    assert flat[2][flat[3] > 0.99].min() > 0.9


@pytest.mark.parametrize("blur", [0.0, 2.0, 7.0])
def test_defocus_keeps_the_area(blur):
    sight = _through_drops(drop(60.0, 60.0, 9.0), (121, 121), 50.0)
    frame = torch.full((1, 3, 121, 121), 0.5)
    _, cover = _composed(frame, sight, blur)
    assert cover.sum().item() == pytest.approx(math.pi * 9**2, rel=0.01)


def test_an_even_scene_only_loses_light_at_the_rims():
    s = scene(v=2, h=80, w=100, focal=80.0)
    grey = s.with_frames(torch.full_like(s.frames, 0.5))
    out = LensDrops(2000.0, 0.06, contact=20.0)(grey, 1)
    light = srgb_to_linear(out.frames) / srgb_to_linear(torch.tensor(0.5))
    assert out.record["lens.cover"].mean() > 0.1
    assert light.max() <= 1 + 1e-5
    assert light.min() > 0.85


def test_as_many_drops_as_asked_for():
    drops = [
        _draw(torch.Generator().manual_seed(i), (500, 1000), 60.0, 5.0, 40.0) for i in range(50)
    ]
    x, y = torch.cat([d[:2] for d in drops], 1)
    inside = ((x >= 0) & (x < 1000) & (y >= 0) & (y < 500)).sum().item()
    expected = 50 * 60.0 * 0.5
    assert inside == pytest.approx(expected, abs=4 * math.sqrt(expected))
    radius = torch.cat([d[2] for d in drops])
    assert radius.median().item() == pytest.approx(5.0, rel=0.05)


def test_each_camera_has_its_own_drops():
    s = scene(v=2, h=60, w=80, depth=50.0)
    out = LensDrops(1500.0, 0.05)(s, 3)
    left, right = out.record["lens.cover"][0, :, 0]
    for view in (left, right):
        assert 0.02 < view.mean() < 0.9
    correlation = torch.corrcoef(torch.stack([left.flatten(), right.flatten()]))[0, 1]
    assert abs(correlation) < 0.4
    # What no drop covers stays exactly as it was.
    dry = (out.record["lens.cover"] == 0).expand_as(s.frames)
    assert dry.any()
    assert torch.equal(out.frames[dry], s.frames[dry])


def test_a_dry_lens_is_the_identity():
    s = scene(v=2)
    assert torch.equal(LensDrops(0.0)(s, 1).frames, s.frames)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (17, 5)])
def test_any_size_of_picture(size):
    s = scene(v=2, h=size[0], w=size[1])
    out = LensDrops(50_000.0, 0.3)(s, 2).frames
    assert torch.isfinite(out).all()
    assert ((out >= 0) & (out <= 1)).all()


def test_batches_are_singles_and_the_seed_decides():
    singles = [scene(v=2, h=40, w=50, seed=i) for i in range(2)]
    lens = LensDrops(torch.tensor([400.0, 1500.0]), 0.06)
    together = lens(batch_of(singles), 7).frames
    for i, s in enumerate(singles):
        alone = LensDrops((400.0, 1500.0)[i], 0.06)(s, 7 + i).frames
        torch.testing.assert_close(together[i], alone[0], rtol=0, atol=1e-6)
    assert torch.equal(lens(batch_of(singles), 7).frames, together)
    assert not torch.equal(lens(batch_of(singles), 8).frames, together)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"density": -1.0}, "density = -1.0"),
        ({"size": 0.0}, "size = 0.0"),
        ({"contact": 90.0}, "contact = 90.0"),
        ({"defocus": math.nan}, "defocus = nan"),
    ],
)
def test_values_out_of_range_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        LensDrops(**values)
