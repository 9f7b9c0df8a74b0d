"""`deweather simulate`: clear pictures and pairs in, the same in haze and rain out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deweather.cli.console import say
from deweather.cli.restore import Format, continuable, make_folder
from deweather.errors import ConfigError
from deweather.jobs.parameters import CAMERA, HAZE, RAIN, Settings, Table, parse

if TYPE_CHECKING:
    from deweather.image import OutputFormat
    from deweather.image.disparity import Quantity
    from deweather.jobs.plan import Job
    from deweather.jobs.simulate import Task, Weather

_OCTAVES = 5  # of uneven air unless said otherwise: without any it is hardly seen to be uneven


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
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make again what is there, and replace files.")
    ] = False,
    format: Annotated[
        Format, typer.Option(help="File format; keep is that of each source.")
    ] = Format.keep,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per result.")
    ] = False,
) -> None:
    """Put haze and rain into clear pictures and stereo pairs.

    Both views of a pair see the same air and the same drops. Without --disparity or --depth pairs
    are matched, and the depth of single pictures is made up. A value such as visibility=100..400 is
    drawn anew for each result. What is there already is skipped, so an interrupted call continues
    when it is given again. Exit code: 0 all done, 1 some failed (each is listed with its reason),
    2 wrong usage, 130 interrupted.
    """
    wanted_haze = {} if haze is None else parse("--haze", haze, HAZE)
    wanted_rain = {} if rain is None else parse("--rain", rain, RAIN)
    given = {} if camera is None else parse("--camera", camera, CAMERA)
    if disparity is not None and depth is not None:
        raise ConfigError("--disparity and --depth exclude each other: give one of them.")
    maps = disparity or depth
    if maps is not None:
        _check_maps(source, maps, "--disparity" if disparity else "--depth")
    from deweather.jobs.plan import plan_jobs

    kind: OutputFormat = format.value
    jobs = plan_jobs(
        [source], out, rights=[right] if right else (), format=kind, overwrite=overwrite
    )
    with continuable(len(jobs) * count, overwrite) as ended:
        from deweather.cli.report import report
        from deweather.jobs.geometry import Rig
        from deweather.jobs.simulate import simulate_all

        weather = _weather(preset, wanted_haze, wanted_rain)
        what: Quantity | None = None if maps is None else "disparity" if disparity else "depth"
        rig = Rig.of(given, what)
        rig.check(2 if right else 1)
        tasks = _tasks(jobs, out, seed=seed, count=count, source=source, maps=maps)
        make_folder(out)
        for sentence in rig.assumptions(2 if right else 1):
            say(sentence, error=True)
        outcomes = simulate_all(tasks, weather, rig, format=kind, overwrite=overwrite)
        report(outcomes, ended, len(tasks), as_json=as_json, done="made")
    if any(outcome.status == "failed" for outcome in ended):
        raise typer.Exit(1)


def _check_maps(source: Path, maps: Path, option: str) -> None:
    if not maps.exists():
        raise ConfigError(f"{option} {maps}: there is no such file or folder. Check the path.")
    if source.is_dir() and not maps.is_dir():
        raise ConfigError(f"{option} {maps} is a file, SOURCE a folder: name a folder as well.")
    if maps.is_dir() and not source.is_dir():
        raise ConfigError(f"{option} {maps} is a folder, SOURCE a file: name a file as well.")


def _weather(preset: str | None, haze: Settings, rain: Settings) -> Weather:
    """The weather that was asked for; single values win over those of the preset."""
    from deweather.jobs.simulate import Weather
    from deweather.weather.presets import find_preset

    if preset is not None:
        named = find_preset(preset)
        base = dict(named.haze)
        if "extinction" in haze:  # the same thing in another unit
            base.pop("visibility", None)
        haze = _ordered(HAZE, {**base, **haze})
        rain = _ordered(RAIN, {**named.rain, **rain})
    if not haze and not rain:
        raise ConfigError("no weather: give --haze, --rain or --preset.")
    if "inhomogeneity" in haze and "octaves" not in haze:
        haze = _ordered(HAZE, {**haze, "octaves": _OCTAVES})
    if haze and ("visibility" in haze) == ("extinction" in haze):
        raise ConfigError(
            "--haze: give either visibility=METRES or extinction=N, which is one per metre."
        )
    if rain and "rate" not in rain:
        raise ConfigError("--rain: give rate=N, in mm/h.")
    weather = Weather(haze, rain)
    weather.check()
    return weather


def _ordered(table: Table, values: Settings) -> Settings:
    return {key: values[key] for key in table if key in values}


def _tasks(
    jobs: list[Job], out: Path, *, seed: int, count: int, source: Path, maps: Path | None
) -> list[Task]:
    """What is to be made of each job, `count` times.

    The seeds go round all pictures before the second result of the first, so more results can be
    asked for later without a seed being used twice.
    """
    from deweather.jobs.simulate import Task

    sound = [job for job in jobs if job.problem is None]
    tasks = [Task(job, seed) for job in jobs if job.problem is not None]
    for n in range(count * len(sound)):
        copy, index = divmod(n, len(sound))
        job = sound[index]
        targets = tuple(_numbered(target, copy, count) for target in job.targets)
        base = out / "left" if len(targets) == 2 else out
        name = targets[0].relative_to(base)
        record = out / "records" / name.with_name(name.name + ".json")
        made = replace(job, targets=(*targets, record))
        tasks.append(_with_map(Task(made, seed + n), source, maps))
    return tasks


def _numbered(target: Path, copy: int, count: int) -> Path:
    return target if count == 1 else target.with_name(f"{target.stem}_{copy:04d}{target.suffix}")


def _with_map(task: Task, source: Path, maps: Path | None) -> Task:
    """The task with its disparity or depth file, or with the problem that there is none."""
    if maps is None or not maps.is_dir():
        return replace(task, map_file=maps)
    from deweather.image.disparity import SUFFIXES

    stem = maps / task.job.sources[0].relative_to(source)
    for suffix in SUFFIXES:
        file = stem.with_suffix(suffix)
        if file.is_file():
            return replace(task, map_file=file)
    problem = f"there is no {stem.with_suffix('')} with extension {', '.join(SUFFIXES)} for it."
    return replace(task, job=replace(task.job, problem=problem))
