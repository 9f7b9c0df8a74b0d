"""`deweather evaluate`: what weights make of a data set that comes with its truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

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

_SHOWN = 10  # samples; JSON has all


@dataclass(frozen=True)
class Score:
    """PSNR in dB of a sample, or of the mean of all."""

    sample: str
    before: float
    after: float

    @property
    def gain(self) -> float:
        """What restoring was worth."""
        return self.after - self.before


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
    as_json: Json = False,
) -> None:
    """Score what `restore` makes of a data set against its truth.

    Prints the PSNR in dB before and after by the protocol psnr_rgb_uint8_rounded, over whole
    pictures, the mean of both views of pairs, at most 100 a sample. JSON has every sample.
    """
    from deweather.data import PictureSet
    from deweather.errors import ConfigError
    from deweather.image.frames import to_frames
    from deweather.inference import Restorer
    from deweather.metrics import REPORT, psnr

    pictures = PictureSet.find(folder, layout, split, cache_bytes=0)  # each is asked for once
    for role in ("degraded", "clean"):
        if not pictures.layout.has(role):
            raise ConfigError(
                f"layout {layout!r} has no {role} pictures; scores want a degraded picture and its "
                "truth. See `deweather data layouts`."
            )
    restorer = Restorer(weather.value, weights=weights or (), device=device, strength=strength)
    scores = []
    for index, sample in enumerate(pictures.samples):
        decoded = pictures.load(index)
        truth, degraded = to_frames(decoded.clean), to_frames(decoded.degraded)
        restored = to_frames(restorer.restore_views(decoded.degraded))
        before, after = (float(psnr(x, truth)) for x in (degraded, restored))
        scores.append(Score(sample.id, before, after))
    count = len(scores)
    mean = Score(
        "mean", sum(s.before for s in scores) / count, sum(s.after for s in scores) / count
    )
    if as_json:
        every = [asdict(score) for score in scores]
        about = {"protocol": REPORT.of("psnr"), "weather": weather.value, "samples": every}
        say_json(about | {"before": mean.before, "after": mean.after})
        return
    say(f"{one_line(folder)}: layout {layout}, {count} samples, {REPORT.of('psnr')} in dB")
    shown = [mean, *sorted(scores, key=lambda score: score.gain)[:_SHOWN]]
    say_table(
        ["sample", "before", "after", "gain"],
        [(s.sample, f"{s.before:.2f}", f"{s.after:.2f}", f"{s.gain:+.2f}") for s in shown],
    )
    if count > _SHOWN:
        say(f"The {_SHOWN} that gained least are shown; --json lists all.")
