"""`deweather simulate`: clear pictures and pairs in, the same in haze and rain out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deweather.cli.console import say
from deweather.cli.options import FileFormat, Format, JsonLines, Overwrite, make_folder
from deweather.errors import ConfigError
from deweather.jobs.parameters import CAMERA, HAZE, RAIN, parse_parameters

if TYPE_CHECKING:
    from deweather.image.disparity import Quantity


def simulate(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="A clear picture, or a folder of them.", show_default=False
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder for the results and, in DIR/records, what made each.",
            show_default=False,
        ),
    ],
    right: Annotated[
        Path | None,
        typer.Option(
            metavar="RIGHT",
            help="Right views of stereo pairs, matched by name with SOURCE as the left ones; "
            "results go into DIR/left and DIR/right.",
        ),
    ] = None,
    disparity: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Disparity of the left view in pixels: .npy, .npz, .pfm or 16-bit .png (times "
            "256); a folder of files of the same names where SOURCE is one.",
        ),
    ] = None,
    depth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Depth in metres instead, likewise.")
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="focal=720,baseline=0.54",
            help="Focal length in pixels and baseline in metres; distance=METRES, the median "
            "distance of the scene, where there is no baseline.",
        ),
    ] = None,
    haze: Annotated[
        str | None,
        typer.Option(metavar="visibility=300,...", help=f"Haze by its values: {', '.join(HAZE)}."),
    ] = None,
    rain: Annotated[
        str | None,
        typer.Option(metavar="rate=25,...", help=f"Rain by its values: {', '.join(RAIN)}."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Weather by its name: light-fog, moderate-fog, dense-fog, smog, dust, drizzle, "
            "shower, downpour; --haze and --rain change single values of it.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of all draws; picture n has the seed SEED + n.")
    ] = 0,
    count: Annotated[
        int, typer.Option(min=1, max=9999, help="How many results of each picture.")
    ] = 1,
    overwrite: Overwrite = False,
    format: FileFormat = Format.keep,
    as_json: JsonLines = False,
) -> None:
    """Put haze and rain into clear pictures and stereo pairs.

    Both views of a pair see the same air and the same drops. Without --disparity or --depth pairs
    are matched, and the depth of single pictures is synthetic. A value such as visibility=100..400 is
    drawn anew for each result. What is there already is skipped, so an interrupted call continues
    when it is given again. Exit code: 0 all done, 1 some failed (each is listed with its reason),
    2 wrong usage, 130 interrupted.
    """
    from deweather.cli.report import interruptible, report
    from deweather.jobs.plan import plan_files

    asked_haze = {} if haze is None else parse_parameters("--haze", haze, HAZE)
    asked_rain = {} if rain is None else parse_parameters("--rain", rain, RAIN)
    asked_camera = {} if camera is None else parse_parameters("--camera", camera, CAMERA)
    if disparity is not None and depth is not None:
        raise ConfigError("--disparity and --depth exclude each other: give one of them.")
    maps = disparity or depth
    quantity: Quantity | None = None if maps is None else "disparity" if disparity else "depth"
    if maps is not None:
        _check_maps(source, maps, f"--{quantity}")
    jobs = plan_files(
        [source], out, rights=[right] if right else (), format=format.value, overwrite=overwrite
    )
    with interruptible(len(jobs) * count, overwrite) as ended:
        from deweather.jobs.known_camera import assumptions, camera_of, check_camera
        from deweather.jobs.simulate import run_all
        from deweather.jobs.simulation_plan import plan_simulation
        from deweather.jobs.weather_ranges import WeatherRanges

        weather = WeatherRanges.asked_for(preset, asked_haze, asked_rain)
        known, views = camera_of(asked_camera), 2 if right else 1
        check_camera(known, views, quantity)
        planned = plan_simulation(
            jobs,
            out,
            weather,
            known,
            source=source,
            maps=maps,
            quantity=quantity,
            seed=seed,
            count=count,
        )
        make_folder(out)
        for sentence in assumptions(known, views, quantity):
            say(sentence, error=True)
        report(run_all(planned), ended, len(planned), as_json=as_json, done="made")
    if any(outcome.status == "failed" for outcome in ended):
        raise typer.Exit(1)


def _check_maps(source: Path, maps: Path, option: str) -> None:
    """See that disparity or depth is a file for a picture and a folder for a folder of them."""
    if not maps.exists():
        raise ConfigError(f"{option} {maps}: there is no such file or folder. Check the path.")
    if source.is_dir() and not maps.is_dir():
        raise ConfigError(f"{option} {maps} is a file, SOURCE a folder: name a folder as well.")
    if maps.is_dir() and not source.is_dir():
        raise ConfigError(f"{option} {maps} is a folder, SOURCE a file: name a file as well.")
