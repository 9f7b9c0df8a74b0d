"""Objectives of training: a batch -> the losses that a method minimises."""

from __future__ import annotations

from deweather.train.objectives.base import Objective
from deweather.train.objectives.depth import DepthObjective
from deweather.train.objectives.distillation import DistillationObjective
from deweather.train.objectives.reweighted import ReweightedObjective
from deweather.train.objectives.supervised import (
    CharbonnierObjective,
    SsimObjective,
    StagesObjective,
)
from deweather.train.recipe import Recipe

__all__ = ["Objective", "make_objective"]

_OBJECTIVES: dict[str, type[Objective]] = {
    "charbonnier": CharbonnierObjective,
    "stages": StagesObjective,
    "ssim": SsimObjective,
    "distillation": DistillationObjective,
    "reweighted": ReweightedObjective,
    "depth": DepthObjective,
}


def make_objective(recipe: Recipe) -> Objective:
    """The objective of a recipe's loss, with a fresh network.

    Raises:
        ConfigError: loss and network, or loss and data, do not belong together.
        WeightsError: a teacher or the features cannot be read.
    """
    return _OBJECTIVES[recipe.loss.kind](recipe)
