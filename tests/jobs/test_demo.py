from __future__ import annotations

import torch

from deweather.jobs.demo import demo_scenes, motorcycle
from deweather.metrics import psnr


def test_the_geometry_maps_one_view_onto_the_other():
    scene = motorcycle()
    left, right = scene.frames[0]
    disparity = scene.disparity[0, 0, 0]
    column = torch.arange(disparity.shape[1])[None] - disparity

    def error(offset: int) -> float:
        at = (column + offset).round().long()
        inside = at >= 0
        seen = torch.gather(right, 2, at.clamp_min(0)[None].expand(3, -1, -1))
        return float((seen - left).abs().mean(0)[inside].mean())

    assert error(0) < 0.045
    assert error(0) < 0.8 * min(error(-1), error(1))
    # The motorcycle stands between two and five metres away.
    assert float(scene.depth().min()) > 2
    assert float(scene.depth().max()) < 5.1


def test_the_scenes_are_always_the_same():
    first, second = demo_scenes(), demo_scenes()
    assert [s.name for s in first] == ["haze", "rain", "clear"]
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.seen, other.seen)
        assert one.seen.shape == one.truth.shape
    assert torch.equal(first[2].seen, first[2].truth)
    assert float(psnr(first[0].seen, first[0].truth)) < 14
    assert float(psnr(first[1].seen, first[1].truth)) < 24
