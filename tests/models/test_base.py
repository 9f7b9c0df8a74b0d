"""The contract that every network keeps."""

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
        ((1, 1, 3, 0, 12), "0x12 pixels"),
        ((1, 2, 3, 12, 12), "2 views; Mono takes 1"),
        ((1, 1, 4, 12, 12), r"\(1, 1, 4, 12, 12\)"),
        ((1, 3, 12, 12), r"\(1, 3, 12, 12\)"),
    ],
)
def test_frames_that_do_not_are_named(shape, message):
    with pytest.raises(FramesError, match=message):
        Mono().check(torch.zeros(shape))


def test_restorations_do_not_share_their_extras():
    a, b = (Restoration(torch.zeros(1, 1, 3, 1, 1)) for _ in range(2))
    a.auxiliary["depth"] = torch.zeros(1)
    assert b.auxiliary == {}
