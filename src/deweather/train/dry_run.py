"""A dry run: everything is read and one step taken, nothing is written."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import torch

from deweather.train.batches import Stream, frames_of
from deweather.train.checkpoints import Checkpoints
from deweather.train.datasets import check_parts, crops, describe, real_set, training_set
from deweather.train.loop import Loop
from deweather.train.recipe import Recipe
from deweather.train.run import Machine, check_folder, make_panel, make_ready


def dry_run(
    recipe: Recipe,
    data: str | Path | None,
    out: Path,
    machine: Machine,
    *,
    resume: bool = True,
) -> list[str]:
    """Check recipe, data and memory by steps of one device, and say what a run would do.

    Args:
        recipe: what to do.
        data: as for `train`.
        out: folder of the run; it is not made.
        machine: of several devices one takes its part of the batches.
        resume: whether the run would go on from a checkpoint in `out`.

    Returns:
        Lines of text.

    Raises:
        The errors of `train`, but for those of a run on its way.
    """
    checkpoints = Checkpoints(out)
    resume = resume and bool(checkpoints)
    state = checkpoints.read()["loop"]["step"] if resume else 0
    check_folder(out, recipe, resume)
    objective = make_ready(recipe, resume)
    dataset, real = training_set(recipe, data), real_set(recipe, data)
    check_parts(dataset, real, machine.count)
    make_panel(recipe, dataset)
    fabric = Machine(machine.accelerator).fabric(recipe)
    stream = Stream(recipe, dataset, real, count=machine.count)
    loop = Loop(fabric, objective, stream, 0)
    batches = (stream[number] for number in count())  # also where a run is of one step
    loop.advance(batches)  # the first step allocates and tunes
    begun = time.perf_counter()
    result = loop.advance(batches)
    seconds = time.perf_counter() - begun
    assert loop.last is not None  # steps were taken
    section, trained = (
        recipe.optimizer,
        sum(p.numel() for p in objective.parameters() if p.requires_grad),
    )
    shape = "x".join(map(str, frames_of(loop.last.samples).shape))
    phases = ", ".join(f"from step {s} {v} pictures of {p} pixels" for s, p, v in crops(recipe))
    left_out = "" if result.refused is None else f"; it is left out: {result.refused}"
    where = f"go on from step {state} in" if resume else "start in"
    return [
        f"{recipe.name}: {recipe.model.name}, {trained / 1e6:.2f} M parameters trained, "
        f"loss {recipe.loss.kind}, {recipe.precision}",
        f"data: {describe(dataset)}",
        f"batches: {phases}; {section.accumulate} a step; this one {shape}",
        f"a step: {seconds:.2f} s on {fabric.device.type}, {result.waited:.2f} s of it for data; "
        f"loss {result.values['loss']:.4f}{left_out}",
        f"memory: {peak_memory(fabric.device)}",
        f"run: {recipe.steps} steps, about {spoken((recipe.steps - state) * seconds)} from here; "
        f"would {where} {out}",
    ]


def peak_memory(device: torch.device) -> str:
    """What was used at most: of the device where it counts that, else by this process."""
    if device.type == "cuda":
        most = torch.cuda.max_memory_allocated(device)
    elif find_spec("resource") is None:
        return "not counted by this system"
    else:
        resource = import_module("resource")
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        most = most if sys.platform == "darwin" else most << 10
    return f"{most >> 20} MiB at most"


def spoken(seconds: float) -> str:
    """A time such as 3 h 05 min, 12 min or 40 s."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if seconds >= 90 else f"{seconds:.0f} s"
