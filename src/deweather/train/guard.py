"""Steps that would spoil a run: what is not finite, or explodes, is left out and counted."""

from __future__ import annotations

import math
from typing import Any

from deweather.train.sections import GuardSection

_DECAY = 0.98  # of the running loss, so it is that of about 50 steps
_TRUSTED = 20  # steps before the running loss says what is usual


class Guard:
    """Judges steps by their loss and the norm of their gradient.

    Attributes:
        left_out: steps left out in the run.
        in_row: steps left out since the last good one.
    """

    def __init__(self, section: GuardSection) -> None:
        """Start a run."""
        self.section = section
        self.left_out = self.in_row = self._seen = 0
        self._usual = 0.0

    def refuse(self, loss: float, norm: float) -> str | None:
        """Why this step must be left out, or None if it is good; counts either."""
        reason = self._fault(loss, norm)
        if reason is None:
            self.in_row = 0
            share = max(1 - _DECAY, 1 / (self._seen + 1))
            self._usual += share * (abs(loss) - self._usual)
            self._seen += 1
        else:
            self.in_row += 1
            self.left_out += 1
        return reason

    def _fault(self, loss: float, norm: float) -> str | None:
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not math.isfinite(norm):
            return f"the norm of the gradient is {norm}"
        if self._seen >= _TRUSTED and abs(loss) > self.section.explosion * self._usual:
            return f"the loss is {loss:.3g} where {self._usual:.3g} is usual"
        return None

    @property
    def exhausted(self) -> bool:
        """Whether so many steps in a row were left out that the run must stop."""
        return self.in_row >= self.section.patience

    def state_dict(self) -> dict[str, Any]:
        """The counts, for a checkpoint."""
        return {
            "left_out": self.left_out,
            "in_row": self.in_row,
            "seen": self._seen,
            "usual": self._usual,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self.left_out, self.in_row = state["left_out"], state["in_row"]
        self._seen, self._usual = state["seen"], state["usual"]
