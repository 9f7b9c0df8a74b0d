"""`deweather restore`: pictures and pairs in, restored files out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from deweather.cli.console import drop_unread
from deweather.cli.options import (
    Device,
    FileFormat,
    Format,
    JsonLines,
    Overwrite,
    Strength,
    TakenOut,
    ViewLayout,
    Weather,
    Weights,
    make_folder,
)
from deweather.errors import ConfigError

if TYPE_CHECKING:
    from deweather.jobs.plan import RestoreJob

_STREAM = "-"  # standard input, standard output


class RestoreCommand(TyperCommand):
    """Lets `--right` take many files after the pictures, which is how shells expand `*`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat `--right` before each of its files, then parse as ever."""
        flags = {n for p in self.params if getattr(p, "is_flag", False) for n in p.opts}
        return super().parse_args(ctx, repeat_right(args, flags | {"-h", "--help"}))


def repeat_right(args: list[str], flags: set[str]) -> list[str]:
    """`a b --right c d --out e` becomes `a b --right c --right d --out e`.

    Where no picture stands before `--right`, it takes one file and the rest are pictures.

    Args:
        args: of the verb.
        flags: options that take no value.
    """
    out: list[str] = []
    seen_source = repeating = value_of_option = False
    for index, arg in enumerate(args):
        if arg == "--":
            return out + args[index:]
        if value_of_option:
            value_of_option = False
        elif arg.startswith("-") and arg != "-":
            value_of_option = "=" not in arg and arg not in flags
            repeating = arg == "--right" and seen_source
        elif repeating:
            out.append("--right")
        else:
            seen_source = True
        out.append(arg)
    return out


def restore(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Pictures, or folders of them; - is standard input.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        str,
        typer.Option(
            metavar="DIR",
            help="Folder for the results; subfolders are kept. - is standard output.",
            show_default=False,
        ),
    ],
    right: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RIGHT...",
            help="Right views of stereo pairs, matched by name with SOURCE as the left ones; "
            "results go into DIR/left and DIR/right.",
        ),
    ] = None,
    layout: Annotated[
        ViewLayout | None, typer.Option(help="Each picture holds the left and the right view.")
    ] = None,
    weather: TakenOut = Weather.auto,
    strength: Strength = 1.0,
    weights: Weights = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    format: FileFormat = Format.keep,
    as_json: JsonLines = False,
) -> None:
    """Take haze and rain out of pictures and stereo pairs.

    Results that are already in DIR are skipped, so an interrupted batch continues when the same
    command is given again. Exit code: 0 all done, 1 some pictures failed (each is listed with
    its reason), 2 wrong usage, 130 interrupted.
    """
    from deweather.cli.report import interruptible, report
    from deweather.jobs.plan import plan_restore

    if right and layout is not None:
        raise ConfigError("--right and --layout exclude each other: pairs come in one way only.")
    streaming = _STREAM in (out, *sources)
    if streaming:
        if right or as_json:
            raise ConfigError("- goes with one picture, without --right and --json.")
        jobs = [_stream_job(sources, out, side_by_side=layout is not None, format=format)]
    else:
        jobs = plan_restore(
            [Path(source) for source in sources],
            Path(out),
            rights=right or (),
            side_by_side=layout is not None,
            format=format.value,
            overwrite=overwrite,
        )
    with interruptible(len(jobs), overwrite) as ended:
        from deweather.inference import Restorer
        from deweather.jobs.restore import run_all

        restorer = Restorer(weather.value, weights=weights or (), device=device, strength=strength)
        if not streaming:
            make_folder(Path(out))
        report(run_all(jobs, restorer), ended, len(jobs), as_json=as_json, to_stderr=streaming)
        if streaming:
            drop_unread()
    if any(outcome.status == "failed" for outcome in ended):
        raise typer.Exit(1)


def _stream_job(
    sources: Sequence[str], out: str, *, side_by_side: bool, format: Format
) -> RestoreJob:
    """The job of one picture from standard input, to standard output, or both."""
    from deweather.jobs.plan import RestoreJob

    if out != _STREAM:
        raise ConfigError("standard input has no name for a result in DIR; give --out - as well.")
    if len(sources) != 1 or Path(sources[0]).is_dir():
        raise ConfigError("--out - takes one picture; name a folder for the results of several.")
    if sys.stdout.isatty():
        raise ConfigError("--out - would print a picture file to the terminal; redirect it.")
    (source,) = sources
    if source == _STREAM and sys.stdin.isatty():
        raise ConfigError("standard input is the terminal; redirect a picture file to it.")
    return RestoreJob(
        (sys.stdin.buffer if source == _STREAM else Path(source),),
        (sys.stdout.buffer,),
        format.value,
        side_by_side=side_by_side,
    )
