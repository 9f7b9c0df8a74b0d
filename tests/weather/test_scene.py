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
        ({"frames": torch.zeros(3, 4, 5)}, r"frames have shape \(3, 4, 5\)"),
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
