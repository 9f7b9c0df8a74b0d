"""Rain against drop size statistics, optics and stereo geometry."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.errors import ConfigError
from deweather.image.transfer import linear_to_srgb, srgb_to_linear
from deweather.weather import Rain, rain_extinction
from deweather.weather import rain as room
from deweather.weather.rain import _draw_picture, _Drops, _optical_thickness, fall_speed, slope

from .make import batch_of, scene
from .test_splat import moments

DIAMETER = np.linspace(1e-4, 40, 400_000)  # mm


def integral(values, over):
    return float(((values[1:] + values[:-1]) / 2 * np.diff(over)).sum())


def marshall_palmer(rate):
    """Drops per m³ and mm of diameter, over `DIAMETER`."""
    return 8000 * np.exp(-4.1 * rate**-0.21 * DIAMETER)


@pytest.mark.parametrize("rate", [1.0, 10.0, 50.0, 200.0])
def test_extinction_against_integration(rate):
    """Twice the cross-section of all drops: large drops scatter as much again by diffraction."""
    area = np.pi / 4 * (DIAMETER * 1e-3) ** 2
    expected = integral(2 * area * marshall_palmer(rate), DIAMETER)
    assert rain_extinction(torch.tensor(rate)).item() == pytest.approx(expected, rel=1e-4)


def test_fall_speeds_of_gunn_and_kinzer():
    """Measured in still air, J. Meteorol. 6 (1949): mm and m/s."""
    measured = {1.0: 4.03, 2.0: 6.49, 3.0: 8.06, 4.0: 8.83, 5.0: 9.09}
    speeds = fall_speed(torch.tensor(list(measured)))
    assert speeds.tolist() == pytest.approx(list(measured.values()), rel=0.02)


@pytest.mark.parametrize("rate", [2.0, 10.0, 50.0])
def test_drops_and_speeds_bring_down_the_rate(rate):
    """The water that falls through a square metre, in mm/h; the two laws were fitted apart."""
    volume = np.pi / 6 * (DIAMETER * 1e-3) ** 3
    speed = fall_speed(torch.from_numpy(DIAMETER)).numpy()
    flux = integral(volume * speed * marshall_palmer(rate), DIAMETER)  # m/s
    assert flux * 3.6e6 == pytest.approx(rate, rel=0.25)


def test_no_rain_has_no_drops_of_any_size():
    assert slope(torch.tensor(0.0)).item() == math.inf


RATE, FOCAL, BASELINE, MARGIN = 60.0, 3000.0, 0.03, 10


def many_drops(views, repeats=120):
    s = scene(v=views, h=20, w=30, focal=FOCAL, baseline=BASELINE, depth=50.0)
    drops = [
        _draw_picture(
            s,
            rate=RATE,
            focal=FOCAL,
            baseline=BASELINE,
            margin=MARGIN,
            generator=torch.Generator().manual_seed(i),
        )
        for i in range(repeats)
    ]
    x, y, distance, diameter = (torch.cat(column) for column in zip(*drops, strict=True))
    return x, y, distance, diameter


def expected_count(repeats=120):
    """Of one view: the distribution from 1 mm on, over the frustum widened by the margin."""
    above = DIAMETER >= room.SMALLEST
    per_volume = integral(marshall_palmer(RATE)[above], DIAMETER[above])
    distance = np.linspace(room.NEAR, room.REACH, 20_001)
    area = (30 + 2 * MARGIN) * (20 + 2 * MARGIN) / FOCAL**2 * distance**2
    return repeats * per_volume * integral(area, distance)


@pytest.mark.parametrize("views", [1, 2])
def test_every_view_sees_as_many_drops_as_its_frustum_holds(views):
    x, y, distance, _ = many_drops(views)
    expected = expected_count()
    assert expected > 2000
    error = 4 * math.sqrt(expected)
    for view in range(views):
        seen = x - view * FOCAL * BASELINE / distance
        inside = (seen >= -MARGIN) & (seen < 30 + MARGIN)
        assert inside.sum().item() == pytest.approx(expected, abs=error)
        # Evenly over the width, the strip that the other view does not see included.
        left_half = (inside & (seen < 15)).sum().item()
        assert left_half == pytest.approx(expected / 2, abs=error)
    assert ((y >= -MARGIN) & (y < 20 + MARGIN)).all()


def test_crowded_far_drops_are_left_to_the_veil():
    """A wide lens holds so many drops that behind a few metres their streaks would overlap."""
    x, _, distance, _ = _draw_picture(
        scene(h=100, w=100, focal=100.0, depth=50.0),
        rate=RATE,
        focal=100.0,
        baseline=0.2,
        margin=0,
        generator=torch.Generator().manual_seed(0),
    )
    assert len(x) == pytest.approx(0.04 * 100 * 100, abs=4 * 20)
    assert distance.max() < 0.3 * room.REACH


def test_water_in_the_air_follows_the_distribution():
    """Litres of water in the drawn volume: π/6·D³ of every drop against the integral."""
    *_, diameter = many_drops(1)
    above = (DIAMETER >= room.SMALLEST) & (DIAMETER < 8)
    drops = marshall_palmer(RATE)
    count = integral(drops[above], DIAMETER[above])
    cube = integral(drops[above] * DIAMETER[above] ** 3, DIAMETER[above]) / count
    sixth = integral(drops[above] * DIAMETER[above] ** 6, DIAMETER[above]) / count
    error = math.sqrt(sixth - cube**2) / math.sqrt(len(diameter))
    assert (diameter**3).mean().item() == pytest.approx(cube, abs=4 * error)
    assert 4 * error < 0.15 * cube


def test_distances_and_diameters_follow_their_laws():
    _, _, distance, diameter = many_drops(1)
    n = len(distance)
    share = (distance**3 - room.NEAR**3) / (room.REACH**3 - room.NEAR**3)
    for u in (share, 1 - torch.exp(-slope(torch.tensor(RATE)) * (diameter - room.SMALLEST))):
        ordered = u.double().sort().values
        even = (torch.arange(n) + 0.5) / n
        assert (ordered - even).abs().max() < 1.95 / math.sqrt(n)  # Kolmogorov-Smirnov, 0.1 %


# Between pixels, where sharing a point among its neighbours spreads it by 1/6 along x, as it does
# on the average along y.
X = 60.2113


def one_drop(x=X, y=50.0, distance=2.0, diameter=3.0, velocity=(0.0, 8.0)):
    column = [torch.tensor([v], dtype=torch.float64) for v in (x, y, distance, diameter)]
    motion = torch.tensor([velocity], dtype=torch.float64)
    return _Drops(torch.zeros(1, dtype=torch.long), *column, motion)


def streak(drop, exposure=1 / 200, focal=400.0, depth=100.0, views=2, aperture=0.0, lag=0.0):
    """Optical thickness of one drop, (V, H, W)."""
    s = scene(v=views, h=101, w=121, focal=focal, baseline=0.12, depth=depth, dtype=torch.float64)
    values = (torch.tensor([v], dtype=torch.float64) for v in (exposure, aperture, lag))
    return _optical_thickness(s, drop, *values)


@pytest.mark.parametrize("distance", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("exposure", [1 / 100, 1 / 300])
def test_streak_length(distance, exposure):
    """(v·T + D)·f/Z pixels."""
    speed, diameter, focal = 4.0, 2.0, 400.0
    layer = streak(one_drop(X, 50, distance, diameter, (0.0, speed)), exposure, focal)[0]
    *_, vx, vy = moments(layer)
    expected = (speed * exposure + diameter * 1e-3) * focal / distance
    assert math.sqrt(12 * (vy - vx)) == pytest.approx(expected, abs=max(0.1, 0.02 * expected))


def test_wind_leans_the_streak():
    layer = streak(one_drop(velocity=(3.0, 6.0)))[0]
    total, cx, cy, vx, vy = moments(layer)
    y = torch.arange(101, dtype=torch.float64)[:, None] - cy
    x = torch.arange(121, dtype=torch.float64)[None, :] - cx
    together = (layer * x * y).sum().item() / total
    # A slant m = 3/6 gives m·V and (1 - m²)·V; the width cancels.
    assert together / (vy - vx) == pytest.approx(0.5 / 0.75, rel=0.02)


@pytest.mark.parametrize("distance", [1.3, 2.0, 7.7])
def test_left_right_displacement_of_a_streak(distance):
    left, right = streak(one_drop(70.37, 50.2, distance))
    expected = 400.0 * 0.12 / distance
    _, left_x, left_y, *_ = moments(left)
    _, right_x, right_y, *_ = moments(right)
    assert left_x - right_x == pytest.approx(expected, abs=0.1)
    assert left_y == pytest.approx(right_y, abs=1e-6)
    assert left_x == pytest.approx(70.37, abs=0.01)


@pytest.mark.parametrize("distance", [0.7, 1.0, 2.0])
def test_defocus_of_near_drops(distance):
    """The circle of confusion A·f/Z adds the variance of a uniform disc, (c/4)² per axis."""
    aperture, focal = 0.02, 400.0
    blurred = streak(one_drop(distance=distance), aperture=aperture)[0]
    sharp = streak(one_drop(distance=distance))[0]
    added = moments(blurred)[3] - moments(sharp)[3]
    circle = aperture * focal / distance
    # Streaks go to the nearest of the widths, which lie a factor of two apart.
    assert math.sqrt(added) == pytest.approx(circle / 4, rel=0.45)
    assert blurred.sum().item() == pytest.approx(sharp.sum().item(), rel=0.02)
    assert blurred.max() < sharp.max()


def test_a_blurred_drop_reaches_in_from_outside():
    inside = streak(one_drop(x=2.0, distance=0.8), aperture=0.08)[0]
    outside = streak(one_drop(x=-8.0, distance=0.8), aperture=0.08)[0]
    assert 0.2 * inside.sum() < outside.sum() < 0.9 * inside.sum()


@pytest.mark.parametrize("distance", [1.3, 4.0])
def test_a_later_exposure_sees_the_drop_further_down(distance):
    """v·Δt·f/Z pixels, along the wind too; the left view stays."""
    velocity, lag = (2.0, 7.0), 0.004
    drop = one_drop(70.37, 45.2, distance, velocity=velocity)
    together, apart = streak(drop), streak(drop, lag=lag)
    assert torch.equal(together[0], apart[0])
    _, x0, y0, *_ = moments(together[1])
    _, x1, y1, *_ = moments(apart[1])
    scale = lag * 400.0 / distance
    assert x1 - x0 == pytest.approx(velocity[0] * scale, abs=0.1)
    assert y1 - y0 == pytest.approx(velocity[1] * scale, abs=0.1)


@pytest.mark.parametrize("views", [1, 2])
def test_drops_fall_through_the_volume_for_ever(views):
    """A little later all are further down; much later they are as evenly spread as at first."""
    s = scene(v=views, h=60, w=80, focal=400.0, baseline=0.2, depth=50.0)
    make = lambda time: Rain(100.0, wind=3.0, time=time)  # noqa: E731
    drops = []
    for time in (0.0, 1e-3, 3600.0):
        rain = make(time)
        values = {
            name: torch.tensor([float(getattr(rain, name))])
            for name in ("rate", "streaks", "exposure", "wind", "gusts", "time")
        }
        drops.append(rain._draw(s, values, [torch.Generator().manual_seed(1)]))
    first, soon, late = drops
    scale = 400.0 / first.distance
    step = (soon.y - first.y) - first.velocity[:, 1] * 1e-3 * scale
    stayed = step.abs() < 1e-2
    assert 0.8 < stayed.float().mean() < 1  # the others came in again at the top
    assert (soon.y[~stayed] < first.y[~stayed]).all()
    moved = (soon.x - first.x)[stayed] - (first.velocity[:, 0] * 1e-3 * scale)[stayed]
    assert (moved.abs() < 1e-2).float().mean() > 0.8
    assert torch.equal(late.distance, first.distance)
    margin = 8
    for each in (first, late):
        assert ((each.y >= -margin) & (each.y <= 60 + margin)).all()
        seen = [each.x - v * 400.0 * 0.2 / each.distance for v in range(views)]
        inside = [((x >= -margin) & (x <= 80 + margin)) for x in seen]
        assert torch.stack(inside).any(0).all()  # at least one view may see it
        share = (each.y + margin) / (60 + 2 * margin)
        even = (torch.arange(len(share)) + 0.5) / len(share)
        assert (share.sort().values - even).abs().max() < 1.95 / math.sqrt(len(share))
    # Both views keep their number of drops.
    for v in range(views):
        now, then = (
            ((d.x - v * 400.0 * 0.2 / d.distance) < 80 + margin).sum().item() for d in (late, first)
        )
        assert now == pytest.approx(then, abs=6 * math.sqrt(then))


def test_gusts_spread_the_directions():
    s = scene(h=60, w=80, focal=400.0, depth=50.0)
    spread = []
    for gusts in (0.0, 0.5):
        rain = Rain(100.0, wind=8.0, gusts=gusts)
        values = {
            name: torch.tensor([float(getattr(rain, name))])
            for name in ("rate", "streaks", "exposure", "wind", "gusts", "time")
        }
        across = rain._draw(s, values, [torch.Generator().manual_seed(1)]).velocity[:, 0]
        assert across.mean().item() == pytest.approx(8.0, abs=0.5)
        spread.append(across.std().item())
    assert spread == pytest.approx([0.15, math.hypot(4.0, 0.15)], rel=0.1)


def test_a_mirrored_pair_of_mirrored_drops_is_the_mirror_of_the_pair():
    """Drops mirror too: the mirrored left view is the right one's mirror, and the wind turns."""
    s = scene(v=2, h=40, w=60, focal=300.0, baseline=0.1, depth=None, dtype=torch.float64)
    rain = Rain(100.0, wind=3.0)
    names = ("rate", "streaks", "exposure", "wind", "gusts", "time")
    values = {name: torch.tensor([float(getattr(rain, name))]) for name in names}
    drops = rain._draw(s, values, [torch.Generator().manual_seed(3)])
    exposure = torch.tensor([1 / 250], dtype=torch.float64)
    layer = _optical_thickness(s, drops, exposure)
    shift = 300.0 * 0.1 / drops.distance
    mirrored = _Drops(
        drops.picture,
        59 - (drops.x - shift),
        drops.y,
        drops.distance,
        drops.diameter,
        drops.velocity * torch.tensor([-1.0, 1.0], dtype=torch.float64),
    )
    assert layer.max() > 0.01
    found = _optical_thickness(s.mirrored(), mirrored, exposure)
    torch.testing.assert_close(found, layer.flip(0).flip(-1), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("exposure", [1 / 60, 1 / 500])
def test_a_drop_covers_its_own_area_however_long_the_exposure(exposure):
    """Longer streaks are as much fainter: the time average of the covered area is (D·f/Z)²."""
    layer = streak(one_drop(60, 50, 3.0, 4.0, (0.0, 5.0)), exposure)[0]
    assert layer.sum().item() == pytest.approx((4e-3 * 400 / 3.0) ** 2, rel=1e-4)


def test_the_scene_hides_the_drops_behind_it():
    assert streak(one_drop(distance=2.0), depth=1.9).abs().max() == 0
    assert streak(one_drop(distance=2.0), depth=2.1).max() > 0
    wall = torch.full((101, 121), 100.0)
    wall[:, :60] = 1.0
    left, right = streak(one_drop(70, 50, 2.0), depth=wall)  # the right view sees it at x = 46
    assert left.max() > 0
    assert right.max() == 0


@pytest.mark.parametrize("views", [1, 2])
def test_dry_air_is_the_identity(views):
    s = scene(v=views)
    out = Rain(0.0)(s, 3)
    torch.testing.assert_close(out.frames, s.frames, rtol=0, atol=1e-6)
    assert not out.record["rain.opacity"].any()
    assert (out.record["rain.transmission"] == 1).all()


def test_the_veil_is_extinction_over_the_depth():
    s = scene(depth=300.0, dtype=torch.float64)
    for veil in (1.0, 0.3, 0.0):
        t = Rain(40.0, veil=veil)(s).record["rain.transmission"]
        expected = math.exp(-300.0 * veil * rain_extinction(torch.tensor(40.0)).item())
        assert t.mean().item() == pytest.approx(expected, rel=1e-5)


def test_drops_mix_their_light_by_opacity():
    """On black with no veil: light = opacity x brightness x half the sky's light."""
    s = scene(h=60, w=60, focal=200.0, depth=30.0)
    black = s.with_frames(torch.zeros_like(s.frames))
    lights = []
    for brightness in (0.5, 1.0):
        out = Rain(100.0, brightness=brightness, veil=0)(black, 1)
        opacity = out.record["rain.opacity"].expand_as(out.frames)
        light = srgb_to_linear(out.frames)
        assert opacity.max() > 0.02
        wet = opacity > 1e-3
        lights.append((light[wet] / opacity[wet]).double())
        assert light[opacity == 0].abs().max() == 0
    for light in lights:
        torch.testing.assert_close(light, light.mean().expand_as(light), rtol=1e-3, atol=0)
    assert (lights[1].mean() / lights[0].mean()).item() == pytest.approx(2, rel=1e-4)


@pytest.mark.parametrize("brightness", [0.5, 1.0, 1.7])
def test_drops_show_a_wide_field_and_the_sky(brightness):
    """On an even grey both are that grey: drops as bright as their surroundings cannot be seen."""
    s = scene(h=40, w=40, focal=200.0, depth=30.0)
    grey = s.with_frames(torch.full_like(s.frames, 0.6))
    out = Rain(100.0, brightness=brightness)(grey, 1)
    light = srgb_to_linear(torch.tensor(0.6))
    expected = light + light * (brightness - 1) * out.record["rain.opacity"]
    torch.testing.assert_close(
        srgb_to_linear(out.frames), expected.expand_as(out.frames), rtol=0, atol=1e-5
    )


def test_streaks_can_be_scaled_and_left_out():
    s = scene(h=48, w=64, focal=60.0, depth=40.0)
    full, half, none = (Rain(60.0, streaks=k)(s, 1) for k in (1.0, 0.5, 0.0))
    torch.testing.assert_close(half.record["rain.opacity"], full.record["rain.opacity"] / 2)
    assert not none.record["rain.opacity"].any()
    assert torch.equal(none.record["rain.transmission"], full.record["rain.transmission"])
    assert (none.frames - s.frames).abs().mean() > 1e-3  # the veil is still there


def test_rain_brightens_what_is_dark_and_veils_what_is_far():
    s = scene(h=40, w=40, focal=100.0, depth=400.0)
    out = Rain(80.0)(s, 0).frames
    assert out.std() < 0.9 * s.frames.std()
    light = linear_to_srgb(srgb_to_linear(s.frames).mean())
    assert out.mean() > 0.5 * light


@settings(derandomize=True, max_examples=10, deadline=None)
@given(rate=st.floats(0, 200), wind=st.floats(-5, 5), seed=st.integers(0, 10**9))
def test_a_batch_is_its_singles(rate, wind, seed):
    singles = [scene(v=2, h=20, w=24, depth=5.0 + i, focal=60.0, seed=i) for i in range(3)]
    rain = Rain(rate, wind=wind, exposure=1 / 100)
    together = rain(batch_of(singles), seed)
    apart = [rain(s, seed + i) for i, s in enumerate(singles)]
    frames = torch.cat([out.frames for out in apart])
    torch.testing.assert_close(together.frames, frames, rtol=0, atol=1e-5)
    opacity = torch.cat([out.record["rain.opacity"] for out in apart])
    torch.testing.assert_close(together.record["rain.opacity"], opacity, rtol=0, atol=1e-5)
    assert ((frames >= 0) & (frames <= 1)).all()


def test_the_seed_decides_and_more_rain_covers_more():
    s = scene(h=40, w=40, focal=100.0, depth=20.0)
    first, again, other = (Rain(60.0)(s, seed).frames for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    covered = [
        sum(Rain(rate)(s, seed).record["rain.opacity"].mean().item() for seed in range(20))
        for rate in (5.0, 50.0, 200.0)
    ]
    assert covered == sorted(covered)
    assert covered[2] > 2 * covered[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rain(-1.0), "rate = -1.0"),
        (lambda: Rain(math.nan), "rate = nan"),
        (lambda: Rain(10.0, exposure=0.0), "exposure = 0.0"),
        (lambda: Rain(10.0, aperture=-1.0), "aperture = -1.0"),
        (lambda: Rain(10.0, gusts=-0.1), "gusts = -0.1"),
        (lambda: Rain(10.0, veil=-1.0), "veil = -1.0"),
        (lambda: Rain(10.0, wind=torch.zeros(2))(scene()), r"wind has shape \(2,\)"),
    ],
)
def test_values_out_of_range_are_named(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_all_parameters_are_recorded():
    values = {"wind": 2.0, "exposure": 0.01, "gusts": 0.3, "aperture": 0.01, "lag": 0.001}
    out = Rain(30.0, **values, time=2.5)(scene(b=2, v=2)).record
    for name, value in (values | {"rate": 30.0, "time": 2.5}).items():
        assert out[f"rain.{name}"].tolist() == pytest.approx([value] * 2)
