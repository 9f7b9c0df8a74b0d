from __future__ import annotations

import pytest
import torch

from deweather.inference import Restorer
from deweather.jobs import self_test


@pytest.mark.parametrize("views", [1, 2])
def test_the_self_test_passes_a_sound_restorer(restorer, views):
    assert "finite, in range, repeatable" in self_test.restore_twice(restorer, views)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (lambda frames: frames[..., 1:], "the shape is"),
        (lambda frames: frames * torch.nan, "not finite"),
        (lambda frames: frames - 1, "beyond"),
        (lambda frames: frames * torch.rand(1), "two runs differ"),
    ],
)
def test_the_self_test_finds_a_broken_one(restorer, monkeypatch, broken, complaint):
    monkeypatch.setattr(Restorer, "restore", lambda self, frames: broken(frames))
    with pytest.raises(RuntimeError, match=complaint):
        self_test.restore_twice(restorer, views=1)


def test_the_synthetic_weather_is_always_the_same():
    first, second = self_test.synthetic_weather(2), self_test.synthetic_weather(2)
    assert first.shape == (1, 2, 3, 96, 128)
    assert torch.equal(first, second)
