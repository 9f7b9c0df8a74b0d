"""A loop run to its end: scores, checkpoints and weights in the run's folder, a stop when it diverges."""

from __future__ import annotations

import logging
import time
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

from deweather.errors import TrainingError
from deweather.train.checkpoints import Checkpoints, explaining_full_disk
from deweather.train.loop import Loop, StepResult, rate_at
from deweather.train.metrics_log import MetricsLog, note_versions
from deweather.train.score import Panel
from deweather.weights.files import save_weights

logger = logging.getLogger(__name__)

_PANEL_STEPS = 500  # between panels where the recipe has no dev section
_SNAPSHOT_STEPS = 1000  # between copies of the weights that stay


class Trainer:
    """Runs a loop to its end and keeps what it made in the run's folder.

    Of several devices the first one writes; the others do the same steps.

    Args:
        loop: what is run.
        checkpoints: of the run's folder.
        panel: what is scored on the way.
    """

    def __init__(self, loop: Loop, checkpoints: Checkpoints, panel: Panel) -> None:
        self.loop, self.checkpoints, self.panel = loop, checkpoints, panel
        self.out = checkpoints.folder
        self.recipe, self.fabric = loop.recipe, loop.fabric
        self.first = loop.fabric.is_global_zero
        self.best: float | None = None
        dev = loop.recipe.dev
        self._dev = None if dev is None else dev.model_dump(mode="json", exclude={"every"})
        self._log_state: dict[str, Any] | None = None

    @property
    def weights(self) -> Path:
        """The averaged weights, which are what a run is for."""
        return self.out / "weights.safetensors"

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.loop.load_state_dict(state["loop"])
        # Scores of other scenes say nothing of what is best on these.
        self.best = state["best"] if state.get("dev") == self._dev else None
        self._log_state = state["record"]

    def fit(self, steps: int, deadline: float | None, progress: bool) -> None:
        """Run until so many steps are done or the time is over, and write everything.

        Args:
            steps: at which to stop.
            deadline: on the clock of `time.monotonic`, or None.
            progress: show a bar.

        Raises:
            TrainingError: too many steps in a row were left out, or the disk is full.
        """
        loop = self.loop
        with ExitStack() as stack:
            # TensorBoard and versions.json may be what finds it full.
            stack.enter_context(explaining_full_disk(self.out))
            stack.enter_context(warnings.catch_warnings())
            # Weights of 1x1 convolutions are channels-last and not; DDP cannot tell.
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view")
            # Losses change nothing in place, which is what this warns of.
            warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")
            log = self._open_log() if self.first else None
            if log is not None:
                stack.callback(log.close)
            bar = task = None
            if progress and self.first:
                bar = stack.enter_context(Progress(console=Console(stderr=True), transient=True))
                task = bar.add_task("training", total=self.recipe.steps)
            batches = loop.batches()
            while loop.step < steps and not self._time_is_over(deadline):
                result = loop.advance(batches)
                self._after_step(log, result)
                if loop.guard.exhausted:
                    self._give_up(result)
                if loop.step % self.recipe.checkpoint_every == 0 and loop.step < steps:
                    self._checkpoint(log)
                if bar is not None and task is not None:
                    bar.update(task, completed=loop.step)
            self._checkpoint(log)
        logger.info("%d of %d steps are done", loop.step, self.recipe.steps)

    def _open_log(self) -> MetricsLog:
        log = MetricsLog(self.out, self.recipe.log_every, self.loop.step)
        if self._log_state is not None:
            log.load_state_dict(self._log_state)
        devices = f"{self.fabric.world_size} x {self.fabric.device.type}"
        note_versions(self.out, self.loop.step, devices)
        return log

    def _time_is_over(self, deadline: float | None) -> bool:
        """Whether the time is over; all devices agree on the first one's clock."""
        if deadline is None:
            return False
        return bool(self.fabric.broadcast(time.monotonic() > deadline))

    def _after_step(self, log: MetricsLog | None, result: StepResult) -> None:
        """Log a step, and score the weights when it is time."""
        step, guard = self.loop.step, self.loop.guard
        if result.refused is not None:
            logger.warning(
                "step %d is left out: %s (%d so far)", step, result.refused, guard.left_out
            )
        if log is not None:
            if result.refused is None:
                log.add(result.values, result.waited)
            rate = rate_at(self.recipe.optimizer, step - 1, self.recipe.steps)
            log.flush(step, rate=rate, left_out=guard.left_out)
        every = _PANEL_STEPS if self.recipe.dev is None else self.recipe.dev.every
        if step % every == 0 or step == self.recipe.steps:
            self._score(log)

    def _score(self, log: MetricsLog | None) -> None:
        """Score the averaged weights; all devices do, for they may hold a part of them each."""
        loop, dev = self.loop, self.recipe.dev
        scores = self.panel.score(loop.objective, loop.average, self.fabric.device)
        kind = "panel" if dev is None else "dev"
        if log is not None:
            log.write({"step": loop.step, **{f"{kind}/{k}": v for k, v in scores.items()}})
            log.show(f"{kind}/degraded_restored_target", self.panel.sheet, loop.step)
        said = ", ".join(f"{name} {value:.2f} dB" for name, value in scores.items())
        logger.info("step %d: %s", loop.step, said)
        if dev is not None and (self.best is None or scores["psnr"] > self.best):
            self.best = scores["psnr"]
            self._write(loop.average, self.out / "best.safetensors")

    def _checkpoint(self, log: MetricsLog | None) -> None:
        """Write the checkpoint and the weights beside it."""
        loop = self.loop
        state = {"loop": loop.state_dict(), "best": self.best, "dev": self._dev}
        self._write(loop.average, self.weights)
        self._write(loop.objective.network, self.out / "weights.not_averaged.safetensors")
        if loop.step % _SNAPSHOT_STEPS == 0:
            self._write(loop.average, self.out / "snapshots" / f"{loop.step:07d}.safetensors")
        if log is not None:
            self.checkpoints.write({**state, "record": log.state_dict()})
        logger.info("step %d of %d is kept", loop.step, self.recipe.steps)

    def _write(self, network: torch.nn.Module, path: Path) -> None:
        whole, model = self.loop.whole(network), self.recipe.model
        if not self.first:
            return
        with explaining_full_disk(path):
            path.parent.mkdir(exist_ok=True)
            save_weights(
                path,
                whole,
                model=model.name,
                switches=model.switches,
                task=self.recipe.weather.task,
            )

    def _give_up(self, result: StepResult) -> None:
        """Save the batch that was left out last, and stop."""
        loop = self.loop
        batch = loop.last
        assert batch is not None  # a step was taken
        example = loop.objective.example(batch)
        suffix = "" if self.first else f".{self.fabric.global_rank}"
        path = self.out / f"bad_batch{suffix}.pt"
        saved: dict[str, Any] = {
            "step": loop.step,
            "number": batch.number,
            "seeds": list(batch.seeds),
            "degraded": example.degraded,
            "target": example.target,
            "real": batch.real,
        }
        with explaining_full_disk(path), path.open("wb") as file:
            torch.save(saved, file)
        raise TrainingError(
            f"step {loop.step}: {loop.guard.in_row} steps in a row were left out, the last because "
            f"{result.refused}. Its batch is in {path}. Lower optimizer.rate, or raise "
            "guard.explosion or guard.patience if the loss is meant to do that."
        )
