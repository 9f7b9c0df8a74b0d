"""Progress of a restoration out to the caller, and the caller's wish to cancel in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deweather.errors import Cancelled


@dataclass(frozen=True)
class Progress:
    """How far one stage of a restoration has come.

    Attributes:
        stage: "rain" or "haze".
        done: steps done: tiles of rain, parts of the picture for haze, samples of a batch of tensors.
        total: steps of this stage; it ends with `done == total`, also where nothing was to be removed.
    """

    stage: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]
IsCancelled = Callable[[], bool]


@dataclass(frozen=True)
class Hooks:
    """What a restoration calls between its steps, in the thread that it was called in.

    Attributes:
        progress: told after every step.
        cancelled: asked before every step: True ends the restoration within one tile.
    """

    progress: OnProgress | None = None
    cancelled: IsCancelled | None = None

    def report(self, stage: str, done: int, total: int) -> None:
        """Tell that a step is done."""
        if self.progress is not None:
            self.progress(Progress(stage, done, total))

    def check(self) -> None:
        """Raise Cancelled if the caller wants no more."""
        if self.cancelled is not None and self.cancelled():
            raise Cancelled("cancelled on request; no file was written.")


NO_HOOKS = Hooks()
"""For callers that neither watch nor cancel."""
