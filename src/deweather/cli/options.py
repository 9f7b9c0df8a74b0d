"""Arguments and options that several verbs share, and the words that they take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deweather.errors import ConfigError


class Weather(StrEnum):
    """What is taken out."""

    auto = "auto"
    haze = "haze"
    rain = "rain"
    both = "rain,haze"


class Format(StrEnum):
    """File format of the outputs."""

    keep = "keep"
    png = "png"
    jpg = "jpg"
    webp = "webp"
    tiff = "tiff"


class ViewLayout(StrEnum):
    """How one picture holds two views."""

    side_by_side = "side-by-side"


TakenOut = Annotated[
    Weather,
    typer.Option(
        "--weather", help="What to take out; auto does both and leaves clear pictures alone."
    ),
]
Strength = Annotated[
    float,
    typer.Option(
        "--strength",
        metavar="0..1.5",
        help="How much of what is found is taken out: 0 is nothing, 1 all of it.",
    ),
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="NAME|FILE",
        help="Weights instead of the bundled ones; once for haze, once for rain.",
    ),
]
Device = Annotated[
    str,
    typer.Option("--device", metavar="auto|cpu|cuda|mps", help="Where to compute; also cuda:N."),
]
FileFormat = Annotated[
    Format, typer.Option("--format", help="File format; keep is that of each source.")
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Make again what is already there, and replace files in DIR."),
]
DataSet = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the data set.")]
DataLayout = Annotated[
    str,
    typer.Option("--layout", metavar="NAME", help="Its layout; see `deweather data layouts`."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object per result.")]


def make_folder(out: Path) -> None:
    """Make the folder of the results.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: the folder cannot be made ({error.strerror}).") from error
