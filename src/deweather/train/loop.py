"""The loop of a run: batches in, steps out, nothing lost between checkpoints.

All that a step does follows from its number and from what a checkpoint keeps: batches and weather from
the number of the batch, the rate from the number of the step, masks of dropped paths from a seed set for
every batch. So a run that was killed takes, once resumed, the very steps that it would have taken.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from deweather.models import create_model
from deweather.train.batches import Batch, Stream, batches_from
from deweather.train.guard import Guard
from deweather.train.muon import Muon
from deweather.train.objectives import Objective
from deweather.train.sections import OptimizerSection
from deweather.train.sharding import ShardedStrategy, as_in, as_in_optimizer, gathered


def make_optimizer(section: OptimizerSection, objective: Objective) -> torch.optim.Optimizer:
    """The optimizer of all parameters that are trained."""
    parameters = [p for p in objective.parameters() if p.requires_grad]
    if section.kind == "muon":
        return Muon(
            parameters, lr=section.rate, betas=section.betas, weight_decay=section.weight_decay
        )
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    made: torch.optim.Optimizer = kinds[section.kind](
        parameters, lr=section.rate, betas=section.betas, weight_decay=section.weight_decay
    )
    return made


def rate_at(section: OptimizerSection, step: int, steps: int) -> float:
    """The learning rate of a step (from 0) of a run of so many."""
    if step < section.warmup:
        return section.rate * (step + 1) / section.warmup
    done = min(1.0, (step - section.warmup) / max(1, steps - section.warmup))
    if section.schedule == "halving":
        return section.rate * 0.5 ** min(
            section.halvings, math.floor(done * (section.halvings + 1))
        )
    least = section.final_rate / section.rate
    return section.rate * (least + (1 - least) * 0.5 * (1 + math.cos(math.pi * done)))


@dataclass
class StepResult:
    """A training step: scalars by name, why it was left out if it was, seconds waited for data."""

    values: dict[str, float]
    refused: str | None
    waited: float


class Loop:
    """Network, average, optimizer and batches, moved on step by step.

    Attributes:
        step: steps that are done.
        average: the averaged network, in eval mode; what a run is for.
    """

    def __init__(self, fabric: Fabric, objective: Objective, stream: Stream, workers: int) -> None:
        """Put the objective on its device or devices."""
        recipe = objective.recipe
        self.fabric, self.objective, self.recipe, self.stream = fabric, objective, recipe, stream
        self.workers = workers
        self.step = 0
        self.guard = Guard(recipe.guard)
        average = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(objective.network, fabric.device, multi_avg_fn=average)
        self.averaged.requires_grad_(False).eval()
        if recipe.compile is not None:
            objective.network.compile(backend=recipe.compile)
        self.module = fabric.setup_module(objective)
        if isinstance(fabric.strategy, ShardedStrategy):
            fabric.strategy.shard(self.average)
        # Sharding replaces the parameters, so the optimizer comes after it.
        optimizer = make_optimizer(recipe.optimizer, objective)
        self.optimizer: Any = fabric.setup_optimizers(optimizer)  # Lightning's wrapper of it
        self.last: Batch | None = None

    @property
    def average(self) -> torch.nn.Module:
        """The averaged network."""
        return self.averaged.module

    def whole(self, network: torch.nn.Module) -> torch.nn.Module:
        """A network of this loop as one device holds it; all devices must ask for it."""
        if not isinstance(self.fabric.strategy, ShardedStrategy):
            return network
        model = self.recipe.model
        made = create_model(model.name, **model.switches)
        made.load_state_dict(gathered(dict(network.state_dict())))
        return made

    def batches(self) -> Iterator[Batch]:
        """The batches from the step that comes next."""
        start = self.step * self.recipe.optimizer.accumulate
        return iter(batches_from(self.stream, start, self.workers))

    def advance(self, batches: Iterator[Batch]) -> StepResult:
        """Take one step, or leave it out if it would spoil the weights."""
        section = self.recipe.optimizer
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(section, self.step, self.recipe.steps)
        before = [buffer.clone() for buffer in self.objective.buffers()]
        losses, waited = self._gradients(batches)
        norm = self.fabric.clip_gradients(
            self.module,
            self.optimizer,
            max_norm=math.inf if section.clip is None else section.clip,
            error_if_nonfinite=False,
        )
        assert norm is not None  # it is where max_norm is given
        values = {**losses, "gradient": float(gathered(norm))}
        refused = self.guard.refuse(values["loss"], values["gradient"])
        if refused is not None:
            # Without gradients the optimizer changes nothing; statistics of norms are put back.
            self.optimizer.zero_grad(set_to_none=True)
            for buffer, old in zip(self.objective.buffers(), before, strict=True):
                buffer.copy_(old)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if refused is None:
            self.averaged.update_parameters(self.objective.network)
        self.step += 1
        return StepResult(values, refused, waited)

    def _gradients(self, batches: Iterator[Batch]) -> tuple[dict[str, float], float]:
        """Add up the gradients of a step's batches; mean losses, and seconds waited for data."""
        count, waited = self.recipe.optimizer.accumulate, 0.0
        total: dict[str, Tensor] = {}
        for i in range(count):
            begun = time.perf_counter()
            self.last = batch = next(batches)
            waited += time.perf_counter() - begun
            seed = (self.recipe.seed << 40) + batch.number * self.fabric.world_size
            torch.manual_seed(seed + self.fabric.global_rank)
            with self.fabric.no_backward_sync(self.module, enabled=i + 1 < count):
                losses = self.module(batch.to(self.fabric.device), self.step)
                self.fabric.backward(losses["loss"] / count)
            for name, value in losses.items():
                total[name] = total.get(name, 0.0) + value.detach() / count
        means = self.fabric.all_reduce(torch.stack(list(total.values())), reduce_op="mean")
        assert isinstance(means, Tensor)
        return dict(zip(total, means.tolist(), strict=True)), waited

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, for a checkpoint; all devices must ask for it."""
        return {
            "step": self.step,
            "task": gathered(dict(self.objective.trained_state_dict())),
            "average": gathered(dict(self.averaged.state_dict())),
            "optimizer": gathered(self.optimizer.state_dict()),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "guard": self.guard.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self.objective.load_trained_state_dict(as_in(self.objective, state["task"]))
        self.averaged.load_state_dict(as_in(self.averaged, state["average"]))
        self.optimizer.load_state_dict(as_in_optimizer(self.optimizer, state["optimizer"]))
        self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self.guard.load_state_dict(state["guard"])
        self.step = state["step"]
