"""`deweather train`: a recipe and clean pictures become weights."""

from __future__ import annotations

import logging
import os
import re
import sys
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from deweather.cli.console import say
from deweather.errors import ConfigError, MissingExtraError

_ACCELERATORS = {"auto": "auto", "cpu": "cpu", "cuda": "gpu", "mps": "mps"}
_CLOCK = re.compile(r"(\d+):([0-5]\d):([0-5]\d)")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?")


def _print_schema(wanted: bool) -> None:
    if wanted:
        from deweather.train.recipe import schema

        say(schema().rstrip())
        raise typer.Exit


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a YAML file; see recipes/.")],
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of pictures, unless the recipe names it.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Folder of the run.", show_default="runs/NAME"),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the recipe: optimizer.rate=3e-4. Repeatable."
        ),
    ] = None,
    max_time: Annotated[
        str | None,
        typer.Option(metavar="1h30m", help="Stop at the first step after this long."),
    ] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Stop at this step.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Go on from RUN's checkpoint, or start over.")
    ] = True,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Devices of each machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines that run this command.")] = 1,
    sharded: Annotated[
        bool,
        typer.Option("--sharded", help="Share out the parameters among the devices (FSDP)."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Processes that read pictures.",
            show_default="0 on a CPU, else 8",
        ),
    ] = None,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Check data, one batch and memory; print the plan.")
    ] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema",
            callback=_print_schema,
            is_eager=True,
            help="Print the JSON schema of recipes.",
        ),
    ] = False,
) -> None:
    """Train weights by a recipe.

    Ends with RUN/weights.safetensors. When RUN holds a checkpoint the run goes on from there, as
    if it had never stopped. Times: 1h30m, 00:08:00, 45m, 90s, 2d, or a number of minutes.
    """
    duration = None if max_time is None else parse_duration(max_time)
    if device not in _ACCELERATORS:
        raise ConfigError(f"device {device!r}; expected one of {', '.join(_ACCELERATORS)}.")
    from deweather.train.recipe import read_recipe

    plan = read_recipe(recipe, changes or ())
    if data is not None and not data.is_dir():
        what = "is a file" if data.exists() else "does not exist"
        raise ConfigError(f"--data {data} {what}; name a folder of clean pictures.")
    for package in ("lightning", "tensorboard"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "train")
    from deweather.inference.devices import pick_device
    from deweather.train.run import Machine
    from deweather.train.run import train as run

    pick_device(device)  # Lightning's own complaint about a missing device is a traceback
    machine = Machine(_ACCELERATORS[device], devices, nodes, workers, sharded)
    folder = Path("runs") / plan.name if out is None else out
    if dry:
        from deweather.train.dry_run import dry_run

        for line in dry_run(plan, data, folder, machine, resume=resume):
            say(line)
        return
    first = not int(os.environ.get("LOCAL_RANK", "0")) + int(os.environ.get("NODE_RANK", "0"))
    _log_to_terminal(logging.INFO if first else logging.ERROR)
    path = run(
        plan,
        data,
        folder,
        max_time=duration,
        max_steps=max_steps,
        resume=resume,
        machine=machine,
        progress=sys.stderr.isatty(),
    )
    if not first:
        return
    from deweather.train.checkpoints import steps_done

    say(str(path))
    if (step := steps_done(folder)) < plan.steps:
        how = how_to_go_on(step, max_steps, fresh=not resume)
        say(f"Stopped at step {step} of {plan.steps}. To go on, {how}.", error=True)


def how_to_go_on(step: int, max_steps: int | None, fresh: bool) -> str:
    """What to do with the command that stopped a run at a step before its end."""
    changes = []
    if max_steps is not None and step >= max_steps:  # the same command would stop at once
        changes.append("with a larger --max-steps (or none)")
    if fresh:
        changes.append("without --fresh")
    return " ".join(filter(None, ["give the same command again", " and ".join(changes)]))


def parse_duration(text: str) -> timedelta:
    """A time such as `1h30m`, `00:08:00`, `45m`, `90s`, `2d12h`, or a plain number of minutes.

    Raises:
        ConfigError: it is none of these, or no time at all.
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        duration = timedelta(minutes=float(text))
    elif (clock := _CLOCK.fullmatch(text)) is not None:
        h, m, s = map(int, clock.groups())
        duration = timedelta(hours=h, minutes=m, seconds=s)
    elif (match := _DURATION.fullmatch(text)) is not None:
        d, h, m, s = (int(group or 0) for group in match.groups())
        duration = timedelta(days=d, hours=h, minutes=m, seconds=s)
    else:
        duration = timedelta()
    if not duration:
        raise ConfigError(
            f"--max-time {text!r} is no time; write 1h30m, 00:08:00, 45m, 90s or minutes."
        )
    return duration


def _log_to_terminal(level: int) -> None:
    handler: logging.Handler
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(console=Console(stderr=True), show_path=False)
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("deweather")
    log.addHandler(handler)
    log.setLevel(level)
