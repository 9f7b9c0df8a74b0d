"""The contract that every network keeps."""

import numpy as np
import pytest
import torch

from deweather.errors import FramesError
from deweather.models import Needs, Network, Restoration


class Mono(Network):
    views = frozenset({1})

    @property
    def needs(self):
        return Needs(multiple=4, minimum=12, tile_overlap=None, whole_rows=False)


@pytest.mark.parametrize("shape", [(1, 1, 3, 12, 12), (2, 1, 3, 12, 40)])
def test_frames_that_meet_the_needs_pass(shape):
    Mono().check(torch.zeros(shape))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 3, 12, 14), "12x14 pixels; Mono takes multiples of 4 from 12 up"),
        ((1, 1, 3, 8, 12), "8x12 pixels"),
        ((1, 1, 3, 0, 12), r"\(1, 1, 3, 0, 12\); expected .*none of them 0"),
        ((1, 2, 3, 12, 12), r"\(1, 2, 3, 12, 12\) with V = 2 views; expected .* V = 1\."),
        ((1, 1, 4, 12, 12), r"\(1, 1, 4, 12, 12\)"),
        ((1, 3, 12, 12), r"\(1, 3, 12, 12\).*pictures\[:, None\]"),
        ((0, 1, 3, 12, 12), r"\(0, 1, 3, 12, 12\); expected .*none of them 0"),
    ],
)
def test_frames_that_do_not_are_named(shape, message):
    with pytest.raises(FramesError, match=message):
        Mono().check(torch.zeros(shape))


@pytest.mark.parametrize("frames", [np.zeros((1, 1, 3, 12, 12), np.float32), "a.jpg", None])
def test_what_is_no_tensor_is_named(frames):
    with pytest.raises(FramesError, match=rf"{type(frames).__name__}.*deweather\.restore"):
        Mono().check(frames)


def test_frames_have_the_dtype_of_the_weights_unless_autocast_converts():
    network, frames = Mono(), torch.zeros(1, 1, 3, 12, 12, dtype=torch.float64)
    network.weight = torch.nn.Parameter(torch.zeros(1))
    with pytest.raises(FramesError, match=r"float64, the weights torch.float32; give frames.to\("):
        network.check(frames)
    with torch.autocast("cpu", torch.bfloat16):
        network.check(frames)
    network.double().check(frames)


def test_restorations_do_not_share_their_extras():
    a, b = (Restoration(torch.zeros(1, 1, 3, 1, 1)) for _ in range(2))
    a.auxiliary["depth"] = torch.zeros(1)
    assert b.auxiliary == {}
