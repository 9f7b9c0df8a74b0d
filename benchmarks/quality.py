"""Quality of the bundled weights on scenes that they were not trained on.

    python benchmarks/quality.py --data DIR [--rain FILE] [--haze FILE] [--limit N] [--name NAME]

DIR holds `stereo_gt/`, `stereo/` (clean pairs), `rain100l/{rainy,clean}`,
`rain100h/{rainy,clean}` and `its/{hazy,clear}`. Haze and rain of the own simulator are put into the
clean pairs. "own rain" is to come out as the clean scene, which takes both networks; "own streaks" is the
same rain, to come out without its streaks but with its veil, which is what the rain network does. Every
score is PSNR of RGB, 8 bit, whole frame, mean of both views where stereo; "clear" is the output against
its input.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import Pixels, paired_pictures, pixels_of, psnr_rgb, stereo_scenes, table, write

from deweather.inference import Restorer
from deweather.weather import random_haze, random_rain

PROTOCOL = "psnr_rgb_uint8_rounded, whole frame, mean of the views"
Case = tuple[str, list[Pixels], list[Pixels]]


def simulated(data: Path, kind: str, seeds: int) -> Iterator[Case]:
    """Pairs in random weather of our simulator, `seeds` draws a scene."""
    for number, (name, scene) in enumerate(stereo_scenes(data)):
        for draw in range(seeds):
            seed = 1000 * number + draw
            if kind == "haze":
                example = random_haze(scene, seed, clear_share=0)
            else:
                veil = kind == "streaks"
                example = random_rain(scene, seed, clear_share=0, haze_share=0, keep_veil=veil)
            yield f"{name}#{draw}", pixels_of(example.degraded), pixels_of(example.target)


def paired(data: Path, name: str, degraded: str, clean: str) -> Iterator[Case]:
    """Pictures of a paired set."""
    for stem, bad, good in paired_pictures(data / name / degraded, data / name / clean):
        yield stem, [bad], [good]


def clear(data: Path) -> Iterator[Case]:
    """Clear pictures, single and in pairs."""
    for stem, _, good in paired_pictures(data / "rain100l/rainy", data / "rain100l/clean"):
        yield stem, [good], [good]
    for stem, _, good in paired_pictures(data / "its/hazy", data / "its/clear"):
        yield stem, [good], [good]
    for name, scene in stereo_scenes(data):
        views = pixels_of(scene.frames)
        yield name, views, views


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
    by_weather = {
        "haze": Restorer("haze", weights=args.haze, device="cpu"),
        "rain": Restorer("rain", weights=args.rain, device="cpu"),
        "auto": Restorer("auto", weights=[args.rain, args.haze], device="cpu"),
    }
    sets: dict[str, tuple[str, Callable[[], Iterator[Case]]]] = {
        "own haze": ("haze", lambda: simulated(args.data, "haze", args.seeds)),
        "own rain": ("auto", lambda: simulated(args.data, "rain", args.seeds)),
        "own streaks": ("rain", lambda: simulated(args.data, "streaks", args.seeds)),
        "rain100l": ("rain", lambda: paired(args.data, "rain100l", "rainy", "clean")),
        "rain100h": ("rain", lambda: paired(args.data, "rain100h", "rainy", "clean")),
        "its": ("haze", lambda: paired(args.data, "its", "hazy", "clear")),
        "clear": ("auto", lambda: clear(args.data)),
    }
    rows: list[list[Any]] = [["set", "n", "before", "asked for", "gain", "auto", "singly", "least"]]
    result: dict[str, Any] = {"protocol": PROTOCOL, "sets": {}}
    for name, (weather, cases) in sets.items():
        if args.only and name not in args.only.split(","):
            continue
        scores: list[dict[str, Any]] = []
        for case, bad, good in cases():
            if len(scores) >= args.limit:
                break
            score: dict[str, Any] = {"case": case, "before": psnr_rgb(bad, good)}
            score["auto"] = psnr_rgb(by_weather["auto"].restore_views(bad), good)
            named = by_weather[weather]
            score["named"] = (
                score["auto"] if weather == "auto" else psnr_rgb(named.restore_views(bad), good)
            )
            if len(bad) == 2 and name != "clear":
                score["singly"] = psnr_rgb([named.restore_views([v])[0] for v in bad], good)
            scores.append(score)
        mean = {
            key: float(np.mean([s[key] for s in scores]))
            for key in ("before", "named", "auto", "singly")
            if key in scores[0]
        }
        least = min(s["auto"] for s in scores)
        rows.append(
            [name, len(scores), mean["before"], mean["named"], mean["named"] - mean["before"],
             mean["auto"], mean.get("singly", "-"), least]
        )  # fmt: skip
        result["sets"][name] = {"weather": weather, "mean": mean, "least": least, "cases": scores}
        print(table([rows[0], rows[-1]]), flush=True)
    print("\n" + table(rows))
    write(args.name, result)


if __name__ == "__main__":
    main()
