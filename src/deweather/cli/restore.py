"""`deweather restore`: pictures and pairs in, restored files out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from deweather.cli.console import say
from deweather.errors import ConfigError

if TYPE_CHECKING:
    from deweather.image import OutputFormat
    from deweather.jobs.restore import Outcome


class Weather(StrEnum):
    """What is taken out."""

    auto = "auto"
    haze = "haze"
    rain = "rain"


class Format(StrEnum):
    """File format of the outputs."""

    keep = "keep"
    png = "png"
    jpg = "jpg"
    webp = "webp"
    tiff = "tiff"


class Layout(StrEnum):
    """How one picture holds two views."""

    side_by_side = "side-by-side"


class RestoreCommand(TyperCommand):
    """Lets `--right` take many files after the pictures, which is how shells expand `*`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat `--right` before each of its files, then parse as ever."""
        flags = {n for p in self.params if getattr(p, "is_flag", False) for n in p.opts}
        return super().parse_args(ctx, spread_right(args, flags | {"-h", "--help"}))


def spread_right(args: list[str], flags: set[str]) -> list[str]:
    """`a b --right c d --out e` becomes `a b --right c --right d --out e`.

    Where no picture stands before `--right`, it takes one file and the rest are pictures.

    Args:
        args: of the verb.
        flags: options that take no value.
    """
    out: list[str] = []
    seen_source = spreading = value_of_option = False
    for index, arg in enumerate(args):
        if arg == "--":
            return out + args[index:]
        if value_of_option:
            value_of_option = False
        elif arg.startswith("-") and arg != "-":
            value_of_option = "=" not in arg and arg not in flags
            spreading = arg == "--right" and seen_source
        elif spreading:
            out.append("--right")
        else:
            seen_source = True
        out.append(arg)
    return out


Sources = Annotated[
    list[Path],
    typer.Argument(metavar="SOURCE", help="Pictures, or folders of them.", show_default=False),
]
Out = Annotated[
    Path,
    typer.Option(
        metavar="DIR", help="Folder for the results; subfolders are kept.", show_default=False
    ),
]
Right = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="RIGHT...",
        help="Right views of stereo pairs, matched by name with SOURCE as the left ones; "
        "results go into DIR/left and DIR/right.",
    ),
]
TakenOut = Annotated[
    Weather, typer.Option(help="What to take out; auto leaves clear pictures alone.")
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Weights instead of the bundled ones; once for haze, once for rain.",
    ),
]
Device = Annotated[
    str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute; also cuda:N.")
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Restore again what is already there, and replace files in DIR."
    ),
]


def restore(
    sources: Sources,
    *,
    out: Out,
    right: Right = None,
    layout: Annotated[
        Layout | None, typer.Option(help="Each picture holds the left and the right view.")
    ] = None,
    weather: TakenOut = Weather.auto,
    weights: Weights = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    format: Annotated[
        Format, typer.Option(help="File format; keep is that of each source.")
    ] = Format.keep,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per file.")
    ] = False,
) -> None:
    """Take haze and rain out of pictures and stereo pairs.

    Results that are already in DIR are skipped, so an interrupted batch continues when the same
    command is given again. Exit code: 0 all done, 1 some pictures failed (each is listed with
    its reason), 2 wrong usage, 130 interrupted.
    """
    from deweather.jobs.plan import plan_jobs

    if right and layout is not None:
        raise ConfigError("--right and --layout exclude each other: pairs come in one way only.")
    kind: OutputFormat = format.value
    jobs = plan_jobs(
        sources,
        out,
        rights=right or (),
        side_by_side=layout is not None,
        format=kind,
        overwrite=overwrite,
    )
    with continuable(len(jobs), overwrite) as ended:
        from deweather.cli.report import report
        from deweather.inference import Restorer
        from deweather.jobs.restore import restore_all

        restorer = Restorer(weather.value, weights=weights or (), device=device)
        make_folder(out)
        outcomes = restore_all(jobs, restorer, format=kind, overwrite=overwrite)
        report(outcomes, ended, len(jobs), as_json=as_json)
    if any(outcome.status == "failed" for outcome in ended):
        raise typer.Exit(1)


@contextmanager
def continuable(total: int, overwrite: bool) -> Iterator[list[Outcome]]:
    """A list for outcomes; Ctrl-C in the block ends the program and says how to continue."""
    ended: list[Outcome] = []
    try:
        yield ended
    except KeyboardInterrupt as interrupt:
        how = (
            "The same command would start over; leave out --overwrite to keep what is done."
            if overwrite
            else "Give the same command again to continue."
        )
        say(f"Interrupted after {len(ended)} of {total}. {how}", error=True)
        raise typer.Exit(130) from interrupt


def make_folder(out: Path) -> None:
    """Make the folder of the results, or say why it cannot be made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: the folder cannot be made ({error.strerror}).") from error
