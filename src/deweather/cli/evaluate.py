"""`deweather evaluate`: what weights make of a data set that comes with its truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from deweather.cli.console import one_line, say, say_json, say_table
from deweather.cli.options import (
    DataLayout,
    DataSet,
    Device,
    Json,
    Strength,
    TakenOut,
    Weather,
    Weights,
)

if TYPE_CHECKING:
    from deweather.jobs.evaluate import Evaluation

_SHOWN = 10  # samples; JSON has all


def evaluate(
    folder: DataSet,
    *,
    layout: DataLayout,
    split: Annotated[
        str | None, typer.Option(metavar="train|val|test", help="Which samples; all by default.")
    ] = None,
    weather: TakenOut = Weather.auto,
    strength: Strength = 1.0,
    weights: Weights = None,
    device: Device = "auto",
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="How pictures are compared: rgb_uint8_rounded, y_studio, ..."
        ),
    ] = "rgb_uint8_rounded",
    as_json: Json = False,
) -> None:
    """Score what `restore` makes of a data set against its truth.

    Prints PSNR in dB and SSIM before and after, over whole pictures, the mean of both views of
    pairs; equal pictures get 100 dB. JSON has every sample. Samples that cannot be scored are named
    and left out of the means. Exit code: 0 all were scored, 1 some failed, 2 wrong usage.
    """
    from deweather.inference import Restorer
    from deweather.jobs.evaluate import evaluate as score
    from deweather.jobs.evaluate import find_cases
    from deweather.metrics import find_protocol

    chosen = find_protocol(protocol)
    cases = find_cases(folder, layout, split)
    restorer = Restorer(weather.value, weights=weights or (), device=device, strength=strength)
    found = score(cases, {"after": restorer.restore_views}, chosen)
    if as_json:
        say_json({**found.as_dict(), "weather": weather.value})
    else:
        say(
            f"{one_line(folder)}: layout {layout}, {len(cases)} samples, protocol {chosen.name}: "
            f"{chosen.title}"
        )
        if found.samples:
            _say_scores(found)
    for failure in found.failed:
        say(f"failed: {one_line(failure.id)}: {one_line(failure.reason)}", error=True)
    if found.failed:
        say(f"{len(found.samples)} scored, {len(found.failed)} failed", error=True)
        raise typer.Exit(1)


def _say_scores(found: Evaluation) -> None:
    """The mean, and the samples that gained least."""
    mean = found.summary("after")
    worst = sorted(found.samples, key=lambda s: s.psnr["after"] - s.psnr["before"])[:_SHOWN]
    both = [("mean", mean.before, mean.after, found.mean_ssim("before"), found.mean_ssim("after"))]
    both += [
        (s.id, s.psnr["before"], s.psnr["after"], s.ssim["before"], s.ssim["after"]) for s in worst
    ]
    say_table(
        ["sample", "PSNR before (dB)", "after", "gain", "SSIM before", "after"],
        [
            (name, f"{b:.2f}", f"{a:.2f}", f"{a - b:+.2f}", f"{sb:.4f}", f"{sa:.4f}")
            for name, b, a, sb, sa in both
        ],
    )
    if len(found.samples) > _SHOWN:
        say(f"The {_SHOWN} that gained least are shown; --json lists all.")
