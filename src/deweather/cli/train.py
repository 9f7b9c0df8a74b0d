"""`deweather train`: a recipe and clean pictures become weights."""

from __future__ import annotations

import logging
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
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?")


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a YAML file; see recipes/.")],
    *,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of clean pictures.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="RUN", help="Folder of the run; its checkpoint is resumed.", show_default=False
        ),
    ],
    max_time: Annotated[
        str | None,
        typer.Option(metavar="1h30m", help="Stop at the first checkpoint after this long."),
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option(min=1, help="Stop at the first checkpoint from this step on.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not resume, start over.")] = False,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps")] = "auto",
) -> None:
    """Train weights by a recipe.

    Ends with RUN/weights.safetensors. When RUN holds a checkpoint the run goes on from there, as
    if it had never stopped. Times: 1h30m, 45m, 90s, 2d, or a number of minutes.
    """
    duration = None if max_time is None else parse_duration(max_time)
    if device not in _ACCELERATORS:
        raise ConfigError(f"device {device!r}; expected one of {', '.join(_ACCELERATORS)}.")
    from deweather.train.recipe import read_recipe

    plan = read_recipe(recipe)
    if not data.is_dir():
        what = "is a file" if data.exists() else "does not exist"
        raise ConfigError(f"--data {data} {what}; name a folder of clean pictures.")
    for package in ("lightning", "tensorboard"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "train")
    from deweather.restore.devices import pick_device
    from deweather.train.run import train as run

    pick_device(device)  # Lightning's own complaint about a missing device is a traceback
    _log_to_terminal()
    path = run(
        plan,
        data,
        out,
        max_time=duration,
        max_steps=max_steps,
        resume=not fresh,
        accelerator=_ACCELERATORS[device],
        progress=sys.stderr.isatty(),
    )
    say(str(path))
    if (step := steps_done(out)) < plan.steps:
        how = how_to_go_on(step, max_steps, fresh)
        say(f"Stopped at step {step} of {plan.steps}. To go on, {how}.", error=True)


def steps_done(run: Path) -> int:
    """The step at which a run's checkpoint was written."""
    import torch

    # Mapped and not read: of the file, which holds all weights, one number is wanted.
    saved = torch.load(run / "last.ckpt", map_location="cpu", weights_only=True, mmap=True)
    return int(saved["global_step"])


def how_to_go_on(step: int, max_steps: int | None, fresh: bool) -> str:
    """What to do with the command that stopped a run at a step before its end."""
    changes = []
    if max_steps is not None and step >= max_steps:  # the same command would stop at once
        changes.append("with a larger --max-steps (or none)")
    if fresh:
        changes.append("without --fresh")
    return " ".join(filter(None, ["give the same command again", " and ".join(changes)]))


def parse_duration(text: str) -> timedelta:
    """A time such as `1h30m`, `45m`, `90s`, `2d12h`, or a plain number of minutes.

    Raises:
        ConfigError: it is none of these, or no time at all.
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        duration = timedelta(minutes=float(text))
    elif (match := _DURATION.fullmatch(text)) is not None:
        d, h, m, s = (int(group or 0) for group in match.groups())
        duration = timedelta(days=d, hours=h, minutes=m, seconds=s)
    else:
        duration = timedelta()
    if not duration:
        raise ConfigError(f"--max-time {text!r} is no time; write 1h30m, 45m, 90s or minutes.")
    return duration


def _log_to_terminal() -> None:
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
    log.setLevel(logging.INFO)
