"""Geometry of a scene."""

import pytest
import torch

from deweather.errors import FramesError
from deweather.image import Camera
from deweather.weather import Scene
from deweather.weather.scene import FAR

from .make import scene


def test_depth_is_focal_length_times_baseline_over_disparity():
    s = Scene.of(torch.zeros(1, 2, 3, 1, 2), torch.full((1, 2, 1, 1, 2), 10.0), Camera(720, 0.54))
    assert torch.allclose(s.depth(), torch.tensor(38.88))


def test_no_disparity_is_far_away_and_finite():
    s = Scene.of(torch.zeros(1, 1, 3, 2, 2), torch.zeros(1, 1, 1, 2, 2), Camera(720, 0.54))
    assert torch.equal(s.depth(), torch.full((1, 1, 1, 2, 2), FAR))


def test_rays_have_unit_depth_and_meet_the_axis_in_the_middle():
    rays = scene(h=5, w=7, focal=10.0).rays()[0, 0]
    assert torch.equal(rays[2], torch.ones(5, 7))
    assert rays[:, 2, 3].tolist() == [0.0, 0.0, 1.0]
    assert torch.allclose(rays[0, 0], torch.arange(-3.0, 4.0) / 10)
    assert torch.allclose(rays[1, :, 0], torch.arange(-2.0, 3.0) / 10)


def test_a_world_point_has_one_place_whichever_view_sees_it():
    """Centre + depth x ray of a left pixel and of the right one `disparity` further left."""
    s = scene(v=2, h=3, w=30, depth=4.0, focal=60.0, baseline=0.2)  # disparity 3
    points = s.centres() + s.rays() * s.depth()
    torch.testing.assert_close(points[0, 0, :, :, 3:], points[0, 1, :, :, :-3])


def test_other_frames_under_the_same_geometry():
    s = scene()
    other = s.with_frames(1 - s.frames)
    assert other.disparity is s.disparity
    assert torch.equal(other.frames, 1 - s.frames)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": torch.zeros(3, 4, 5)}, r"frames has shape \(3, 4, 5\)"),
        ({"frames": torch.zeros(1, 1, 4, 9, 13)}, r"\(1, 1, 4, 9, 13\)"),
        ({"disparity": torch.zeros(1, 9, 13)}, r"disparity has shape \(1, 9, 13\)"),
        ({"focal_length": torch.tensor(50.0)}, r"focal_length has shape \(\)"),
        ({"baseline": torch.zeros(2)}, r"baseline has shape \(2,\); expected \(1,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(change, message):
    s = scene()
    values = {n: getattr(s, n) for n in ("frames", "disparity", "focal_length", "baseline")}
    with pytest.raises(FramesError, match=message):
        Scene(**(values | change))


def test_the_mirror_of_a_pair_is_a_pair():
    """The mirrored world point of every pixel is where the mirrored rig sees it."""
    s = scene(v=2, h=4, w=9, dtype=torch.float64)
    m = s.mirrored()
    assert torch.equal(m.frames[:, 0], s.frames[:, 1].flip(-1))
    assert torch.equal(m.disparity[:, 1], s.disparity[:, 0].flip(-1))
    points, mirror = (x.centres() + x.rays() * x.depth() for x in (s, m))
    expected = points.flip(1).flip(-1) * torch.tensor([-1.0, 1, 1]).view(3, 1, 1)
    expected[:, :, 0] += s.baseline.view(1, 1, 1, 1)
    torch.testing.assert_close(mirror, expected)
    again = m.mirrored()
    assert torch.equal(again.frames, s.frames)
    assert torch.equal(again.disparity, s.disparity)


@pytest.mark.parametrize("factor", [0.5, 2.0, 0.37])
def test_a_scaled_scene_keeps_its_depth_and_its_rays(factor):
    s = scene(b=2, v=2, h=40, w=60, depth=7.0)
    out = s.scaled(factor)
    h, w = round(40 * factor), round(60 * factor)
    assert out.frames.shape == (2, 2, 3, h, w)
    torch.testing.assert_close(out.depth(), torch.full((2, 2, 1, h, w), 7.0))
    # The field of view, between the outer edges of the outer pixels.
    for x in (s, out):
        width = x.frames.shape[-1]
        assert (width / x.focal_length).tolist() == pytest.approx([60 / 50] * 2, rel=1e-5)


def test_scaling_keeps_means_and_invents_no_depths():
    s = scene(v=2, h=40, w=60)
    out = s.scaled(0.5)
    assert out.frames.mean().item() == pytest.approx(s.frames.mean().item(), abs=0.01)
    assert torch.isin(out.disparity, s.disparity * 0.5).all()
    assert torch.equal(s.scaled(1.0).disparity, s.disparity)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf"), 1e-3])
def test_impossible_scales_are_named(factor):
    with pytest.raises(FramesError, match=f"scale factor {factor!r}"):
        scene().scaled(factor)
