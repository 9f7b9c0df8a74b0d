import math

import pytest

from deweather.train.guard import Guard
from deweather.train.sections import GuardSection


def guard(**changes):
    return Guard(GuardSection(**changes))


@pytest.mark.parametrize(
    ("loss", "norm", "said"),
    [
        (math.nan, 1.0, "the loss is nan"),
        (math.inf, 1.0, "the loss is inf"),
        (1.0, math.nan, "gradient is nan"),
        (1.0, math.inf, "gradient is inf"),
        (10.5, 1.0, "the loss is 10.5 where 1 is usual"),
        (-10.5, 1.0, "the loss is -10.5"),
        (9.5, 1e6, None),
    ],
)
def test_what_is_refused_once_it_is_known_what_is_usual(loss, norm, said):
    made = guard()
    for _ in range(30):
        assert made.refuse(1.0, 1.0) is None
    reason = made.refuse(loss, norm)
    assert (reason is None) if said is None else (said in reason)
    assert made.left_out == made.in_row == (said is not None)


def test_the_first_losses_may_do_what_they_like():
    made = guard()
    assert [made.refuse(loss, 1.0) for loss in (100.0, 1.0, 1000.0)] == [None] * 3


def test_what_was_refused_does_not_become_usual():
    made = guard(patience=3)
    for _ in range(30):
        made.refuse(1.0, 1.0)
    for count in (1, 2, 3):
        assert made.exhausted is False
        assert "1 is usual" in made.refuse(1e6, 1.0)
        assert made.in_row == count
    assert made.exhausted
    made.refuse(1.0, 1.0)
    assert (made.in_row, made.left_out, made.exhausted) == (0, 3, False)


def test_a_restored_guard_judges_alike():
    made = guard()
    losses = [1 + 0.1 * math.sin(i) for i in range(40)]
    for loss in losses[:25]:
        made.refuse(loss, 1.0)
    again = guard()
    again.load_state_dict(made.state_dict())
    for loss in [*losses[25:], 50.0, math.nan]:
        assert again.refuse(loss, 1.0) == made.refuse(loss, 1.0)
    assert again.state_dict() == made.state_dict()
