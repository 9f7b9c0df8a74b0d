"""A run: recipe and clean pictures in, `weights.safetensors` out; resumable after any kill."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.fabric import Fabric
from lightning.fabric.plugins.precision.amp import MixedPrecision
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.strategy import Strategy

from deweather.atomic import replacing
from deweather.errors import ConfigError
from deweather.train.batches import Stream
from deweather.train.checkpoints import Checkpoints, explaining_full_disk
from deweather.train.datasets import (
    TrainingSet,
    check_parts,
    dev_set,
    real_set,
    training_set,
)
from deweather.train.loop import Loop
from deweather.train.objectives import Objective, make_objective
from deweather.train.recipe import Recipe, read_recipe
from deweather.train.score import Panel
from deweather.train.sharding import ShardedStrategy
from deweather.train.trainer import Trainer

logger = logging.getLogger(__name__)

_MAY_CHANGE = ("name", "steps", "data.folder", "dev", "guard", "checkpoint_every", "log_every")
"""What a resumed run may have otherwise than before."""


class ScaledGradients(MixedPrecision):
    """Scales losses so that gradients fit into float16; what runs in it is the objective's affair."""

    def __init__(self, accelerator: str) -> None:
        """Take Lightning's name of the device."""
        if accelerator == "auto":
            accelerator = "gpu" if torch.cuda.is_available() else "cpu"
        device = "cuda" if accelerator == "gpu" else accelerator
        super().__init__("16-mixed", device)

    def forward_context(self) -> AbstractContextManager[None]:
        """Leave precisions as they are."""
        return nullcontext()

    def convert_input(self, data: Any) -> Any:
        """Leave inputs as they are."""
        return data

    def convert_output(self, data: Any) -> Any:
        """Leave losses as they are."""
        return data


@dataclass(frozen=True)
class Machine:
    """What a run is done on.

    Attributes:
        accelerator: Lightning's name of the device: auto, cpu, gpu, mps.
        devices: how many on this machine; more than one start this very program again for each.
        nodes: machines, all of which run the same command.
        sharded: share the parameters out among several devices (FSDP), rather than repeat them (DDP).
        workers: processes that read and crop pictures; None: none for a CPU, else 8.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int | None = None
    sharded: bool = False

    @property
    def count(self) -> int:
        """Devices of all machines."""
        return self.devices * self.nodes

    def fabric(self, recipe: Recipe) -> Fabric:
        """The devices, not started."""
        strategy: str | Strategy = "auto"
        if self.count > 1:
            # A batch of single pictures gives no gradient to what compares two views.
            ddp = DDPStrategy(find_unused_parameters=True)
            strategy = ShardedStrategy(self.count) if self.sharded else ddp
        # Lightning's own notes (devices found, advice, advertisements) are not this run's.
        for room in ("fabric", "pytorch"):
            logging.getLogger(f"lightning.{room}").setLevel(logging.WARNING)
        return Fabric(
            accelerator=self.accelerator,
            strategy=strategy,
            devices=self.devices,
            num_nodes=self.nodes,
            plugins=[ScaledGradients(self.accelerator)] if recipe.precision == "16-mixed" else None,
        )

    def workers_for(self, fabric: Fabric) -> int:
        """How many processes read pictures."""
        if self.workers is not None:
            return self.workers
        return 0 if fabric.device.type == "cpu" else 8


def train(
    recipe: Recipe,
    data: str | Path | None,
    out: str | Path,
    *,
    max_time: timedelta | None = None,
    max_steps: int | None = None,
    resume: bool = True,
    machine: Machine | None = None,
    progress: bool = False,
) -> Path:
    """Train by a recipe and return the path of the averaged weights.

    Args:
        recipe: what to do.
        data: folder of clean pictures, or what its data sets lie in; None takes the recipe's.
        out: folder of the run, see `docs/training.md`.
        max_time: stop at the first step after this long (per call, not per run).
        max_steps: stop at this step.
        resume: continue from the checkpoint in `out` if there is one.
        machine: what to do it on; None: one device, the best there is.
        progress: show a bar.

    Raises:
        ConfigError: the recipe does not fit the network or the pictures, or `out` is a file or
            holds the run of another recipe.
        PictureError: no clean picture can be read.
        TrainingError: it diverged, the disk is full, or all checkpoints are damaged.
        KeyboardInterrupt: it was interrupted; the last checkpoint stays.
    """
    out, machine = Path(out), machine or Machine()
    deadline = None if max_time is None else time.monotonic() + max_time.total_seconds()
    checkpoints = Checkpoints(out)
    resume = resume and bool(checkpoints)
    # All that can be wrong is found before other processes are started and anything is written.
    state = checkpoints.read() if resume else None
    objective = make_ready(recipe, resume)
    dataset, real = training_set(recipe, data), real_set(recipe, data)
    check_parts(dataset, real, machine.count)
    panel = make_panel(recipe, dataset)
    check_folder(out, recipe, resume)
    fabric = machine.fabric(recipe)
    fabric.launch()
    if fabric.is_global_zero:
        claim_folder(out, recipe)
        if not resume:
            checkpoints.remove()
            (out / "best.safetensors").unlink(missing_ok=True)
    index, count = fabric.global_rank, fabric.world_size
    stream = Stream(recipe, dataset, real, index=index, count=count)
    loop = Loop(fabric, objective, stream, machine.workers_for(fabric))
    trainer = Trainer(loop, checkpoints, panel)
    if state is not None:
        trainer.load_state_dict(state)
        logger.info("resuming from step %d of %s", loop.step, out)
    trainer.fit(min(recipe.steps, max_steps or recipe.steps), deadline, progress)
    return trainer.weights


def make_ready(recipe: Recipe, resume: bool) -> Objective:
    """The objective, started from the weights that the recipe names unless a checkpoint has newer ones.

    Raises:
        ConfigError: see `make_objective`; or torch cannot compile by what the recipe names.
        WeightsError: weights cannot be read or do not fit.
    """
    if recipe.compile is not None:
        backends = torch.compiler.list_backends(exclude_tags=())
        if recipe.compile not in backends:
            raise ConfigError(
                f"compile = {recipe.compile}; expected null or one of {', '.join(backends)}."
            )
    objective = make_objective(recipe)
    if not resume and recipe.model.weights is not None:
        objective.start_from(recipe.model.weights)
    return objective


def make_panel(recipe: Recipe, dataset: TrainingSet) -> Panel:
    """Batches of the dev set, or else of the training set past the end of the run."""
    first, count = recipe.steps * recipe.optimizer.accumulate, 4
    if recipe.dev is not None:
        dataset, first, count = dev_set(recipe, recipe.dev), 0, recipe.dev.batches
    stream = Stream(recipe, dataset)
    return Panel([stream[first + i] for i in range(count)])


def check_folder(out: Path, recipe: Recipe, resume: bool) -> None:
    """Raise ConfigError if `out` is a file, or a run of another recipe is to be resumed in it.

    A run of an earlier version, whose recipe has keys of other names, goes on with that version.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; name a folder for the run.")
    note = out / "recipe.yaml"
    if not resume or not note.exists():
        return
    before = read_recipe(note)
    was, now = (flat(r.model_dump(mode="json")) for r in (before, recipe))
    differing = sorted(k for k in was.keys() | now.keys() if was.get(k) != now.get(k))
    fixed = [k for k in differing if not any(f"{k}.".startswith(f"{m}.") for m in _MAY_CHANGE)]
    if fixed:
        raise ConfigError(
            f"{out} holds a run of another recipe (other: {', '.join(fixed)}); "
            "name another folder, or start over with --fresh."
        )


def claim_folder(out: Path, recipe: Recipe) -> None:
    """Make the run's folder and note the recipe in it; ConfigError if the system forbids it."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    note = out / "recipe.yaml"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with explaining_full_disk(note), replacing(note) as file:
            file.write(text.encode())
    except OSError as error:
        raise ConfigError(
            f"{out}: cannot be written to ({error.strerror}); name another folder for the run."
        ) from error


def flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested keys as dotted ones."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        inner = flat(value, f"{before}{key}.") if isinstance(value, dict) else {}
        out |= inner or {before + key: value}
    return out
