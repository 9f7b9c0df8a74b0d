"""Quality of the bundled weights on scenes that they were not trained on.

    python benchmarks/quality/scores.py --data DIR [--rain FILE] [--haze FILE] [--limit N] [--name NAME]

DIR holds `stereo_gt/`, `stereo/` (clean pairs), `rain100l/{rainy,clean}`, `rain100h/{rainy,clean}`,
`its/{hazy,clear}`, `ohaze/{input,clear}` and `rain_sirr/{input,clear}`. Haze and rain of the own
simulator are put into the clean pairs. "own rain" is to come out as the clean scene, which takes both
networks; "own streaks" is the same rain, to come out without its streaks but with its veil, which is
what the rain network does. Scores are PSNR and SSIM by the protocol rgb_uint8_rounded, whole frame,
mean of both views where stereo; "clear" is the output against its input. With `--only` the other sets
keep the figures that the result file has.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from deweather.inference import Restorer
from deweather.jobs.evaluate import Case, Evaluation, Restore, evaluate, find_cases
from deweather.metrics import REPORT

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import RESULTS, clear, read, simulated, table, write

PROTOCOL = f"{REPORT.of('psnr')}, whole frame, mean of the views"
HEAD = ["set", "n", "failed", "before", "named", "gain", "auto", "singly", "least (auto)", "SSIM"]


@dataclass(frozen=True)
class CheckingSet:
    """What is scored, and which weather the set is known to show."""

    weather: str
    cases: Iterator[Case]


def checking_sets(data: Path, seeds: int) -> dict[str, CheckingSet]:
    """All sets by name; none is read before it is asked for."""

    def paired(name: str) -> Iterator[Case]:
        yield from find_cases(data / name, "paired")

    return {
        "own haze": CheckingSet("haze", simulated(data, "haze", seeds)),
        "own rain": CheckingSet("auto", simulated(data, "rain", seeds)),
        "own streaks": CheckingSet("rain", simulated(data, "streaks", seeds)),
        "rain100l": CheckingSet("rain", paired("rain100l")),
        "rain100h": CheckingSet("rain", paired("rain100h")),
        "its": CheckingSet("haze", paired("its")),
        "ohaze": CheckingSet("haze", paired("ohaze")),
        "rain_sirr": CheckingSet("rain", paired("rain_sirr")),
        "clear": CheckingSet("auto", clear(data)),
    }


def singly(restorer: Restorer, views: Sequence[Any]) -> list[Any]:
    """Restore the views of a pair as unrelated pictures."""
    return [restorer.restore_views([view])[0] for view in views]


def ways_for(name: str, weather: str, restorers: Mapping[str, Restorer]) -> dict[str, Restore]:
    """How a set is restored: without options, for its weather, and view by view."""
    ways: dict[str, Restore] = {"auto": restorers["auto"].restore_views}
    if weather != "auto":
        ways["named"] = restorers[weather].restore_views
    if name.startswith("own"):
        ways["singly"] = partial(singly, restorers[weather])
    return ways


def entry(weather: str, found: Evaluation) -> dict[str, Any]:
    """What the result file holds of a set: PSNR by way of each case and its mean, SSIM of the mean."""
    cases = [{"case": s.id, **s.psnr} for s in found.samples]
    ways = list(found.samples[0].psnr)
    mean = {way: found.summary(way).after for way in ways}
    mean.setdefault("named", mean["auto"])
    return {
        "weather": weather,
        "mean": mean,
        "ssim": {way: found.mean_ssim(way) for way in ways},
        "least": found.summary("auto").least,
        "cases": cases,
        "failed": [f"{failure.id}: {failure.reason}" for failure in found.failed],
    }


def row(name: str, result: dict[str, Any]) -> list[Any]:
    """A set's row of the table."""
    mean = result["mean"]
    return [
        name, len(result["cases"]), len(result["failed"]), mean["before"], mean["named"],
        mean["named"] - mean["before"], mean["auto"], mean.get("singly"), result["least"],
        f"{result['ssim']['before']:.4f} -> {result['ssim']['auto']:.4f}",
    ]  # fmt: skip


def main() -> None:
    """Score everything, print the tables, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rain", default="stereoirr-small.rain")
    parser.add_argument("--haze", default="stereoirr-small.haze")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--name", default="quality")
    args = parser.parse_args()
    restorers = {
        "haze": Restorer("haze", weights=args.haze, device="cpu"),
        "rain": Restorer("rain", weights=args.rain, device="cpu"),
        "auto": Restorer("auto", weights=[args.rain, args.haze], device="cpu"),
    }
    rows: list[list[Any]] = []
    result: dict[str, Any] = {"protocol": PROTOCOL, "sets": {}}
    if args.only and (RESULTS / f"{args.name}.json").exists():
        result["sets"] = read(args.name)["sets"]  # sets that are not scored keep their figures
    for name, chosen in checking_sets(args.data, args.seeds).items():
        if args.only and name not in args.only.split(","):
            continue
        ways = ways_for(name, chosen.weather, restorers)
        found = evaluate(islice(chosen.cases, args.limit), ways)
        result["sets"][name] = entry(chosen.weather, found)
        rows.append(row(name, result["sets"][name]))
        print(table(HEAD, rows[-1:]), flush=True)
    print("\n" + table(HEAD, rows))
    write(args.name, result)


if __name__ == "__main__":
    main()
