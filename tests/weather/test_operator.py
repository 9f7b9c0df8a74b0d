"""What operators share: composition, seeds, parameters."""

import pytest
import torch

from deweather.errors import ConfigError
from deweather.weather import Compose, Degraded, Haze, Rain, Sensor
from deweather.weather.operator import generators, per_picture

from .make import scene


class Add:
    def __init__(self, name, value):
        self.name, self.value = name, value

    def __call__(self, scene, seed=0):
        return Degraded(
            scene.frames * 2 + self.value, {self.name: torch.tensor([seed + self.value])}
        )


def test_compose_goes_in_order_and_merges_records():
    s = scene()
    out = Compose([Add("a", 1), Add("b", 5)])(s, seed=10)
    torch.testing.assert_close(out.frames, (s.frames * 2 + 1) * 2 + 5)
    assert {k: v.item() for k, v in out.record.items()} == {"a": 11, "b": 15}


def test_compose_of_weather_is_one_after_the_other():
    s = scene(v=2, depth=20.0)
    haze, rain, sensor = Haze(60.0, inhomogeneity=0.5), Rain(30.0), Sensor(noise=0.02)
    together = Compose([haze, rain, sensor])(s, 4)
    step = s
    for operator in (haze, rain, sensor):
        step = step.with_frames(operator(step, 4).frames)
    assert torch.equal(together.frames, step.frames)
    rooms = {name.split(".")[0] for name in together.record}
    assert rooms == {"haze", "rain", "sensor"}


def test_composing_nothing_changes_nothing():
    s = scene()
    assert Compose([])(s).frames is s.frames


def test_generators_count_up_and_streams_differ():
    draw = [torch.rand(1, generator=g).item() for g in generators(5, 3, stream=1)]
    alone = [torch.rand(1, generator=generators(5 + i, 1, 1)[0]).item() for i in range(3)]
    assert draw == alone
    assert len(set(draw)) == 3
    other = [torch.rand(1, generator=g).item() for g in generators(5, 3, stream=2)]
    assert not set(draw) & set(other)


def test_a_wrong_number_of_seeds_is_an_error():
    with pytest.raises(ConfigError, match="2 seeds for a batch of 3"):
        generators([1, 2], 3, stream=1)


def test_parameters_come_to_the_batch():
    s = scene(b=3)
    assert per_picture(2.0, s, "x").tolist() == [2.0] * 3
    assert per_picture(torch.arange(3), s, "x").tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ConfigError, match=r"x has shape \(2,\); give a number or \(3,\)"):
        per_picture(torch.zeros(2), s, "x")
