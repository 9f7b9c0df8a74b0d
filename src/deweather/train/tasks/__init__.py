"""One task a method: what a network is trained on, with the losses of its paper."""

from __future__ import annotations

from deweather.train.recipe import Recipe
from deweather.train.tasks.base import Task
from deweather.train.tasks.depth import DepthTask
from deweather.train.tasks.distillation import DistillationTask
from deweather.train.tasks.reweighted import ReweightedTask
from deweather.train.tasks.supervised import CharbonnierTask, SsimTask, StagesTask

__all__ = ["Task", "make_task"]

_TASKS: dict[str, type[Task]] = {
    "charbonnier": CharbonnierTask,
    "stages": StagesTask,
    "ssim": SsimTask,
    "distillation": DistillationTask,
    "reweighted": ReweightedTask,
    "depth": DepthTask,
}


def make_task(recipe: Recipe) -> Task:
    """The task of a recipe's loss, with a fresh network.

    Raises:
        ConfigError: loss and network, or loss and data, do not belong together.
        WeightsError: a teacher or the features cannot be read.
    """
    return _TASKS[recipe.loss.kind](recipe)
