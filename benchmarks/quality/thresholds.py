"""What the automatic mode takes for weather: the evidence for the thresholds in inference/thresholds.py.

    python benchmarks/quality/thresholds.py --data DIR [--rain FILE] [--haze FILE] [--count N]

DIR is a folder of clean training pictures, see `SceneLibrary.read`: the pictures that weights are
checked on have no part in this. Each scene is restored as it is and in random weather. The tables show
how large a change is where there was nothing to remove, and what a threshold would cost where there was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deweather.data import SceneLibrary
from deweather.image.frames import to_frames
from deweather.inference import Restorer
from deweather.inference.forward import Forward
from deweather.inference.haze import HazeStage
from deweather.inference.rain import RainStage
from deweather.inference.thresholds import blackened, fade
from deweather.metrics import REPORT, psnr
from deweather.models import Network
from deweather.weather import Scene, random_haze, random_rain
from deweather.weather.depth import synthetic_disparity
from deweather.weights import find_weights
from deweather.weights.files import load_weights

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import Pixels, pixels_of, scene_of, table, write

CPU = torch.device("cpu")
RATIO = 1.75  # from where a change is dropped to where it is kept whole


def scenes(data: Path, count: int) -> Iterator[Scene]:
    """`count` photographs with synthetic depth, and half as many pairs."""
    library = SceneLibrary.read(data)
    rng = np.random.default_rng(0)
    for i in rng.permutation(len(library.photos))[:count]:
        photo = library.photos[int(i)]
        disparity = torch.from_numpy(np.ascontiguousarray(synthetic_disparity(rng, photo) * 40))
        focal = torch.tensor([0.9 * photo.shape[1]])
        baseline = 15 * disparity.median().clamp_min(0.25)[None] / focal
        yield Scene(to_frames([photo]), disparity[None, None, None].float(), focal, baseline)
    for i in rng.permutation(len(library.pairs))[: count // 2]:
        yield scene_of(library.pairs[int(i)])


def size_of_change(task: str, network: Network, views: list[Pixels]) -> float:
    """What the gate of `auto` holds against its threshold."""
    forward = Forward(network, CPU)
    if task == "haze":
        return HazeStage(forward, skip_clear=True).measure(views).change
    return RainStage(forward, skip_clear=True).measure(views).streaks or 0.0


def measure(task: str, network: Network, data: Path, count: int) -> list[dict[str, Any]]:
    """Size of the change, PSNR before and after, for every scene without and with weather."""
    restorer = Restorer(task, networks=network, device=CPU)
    rows = []
    for number, scene in enumerate(scenes(data, count)):
        cases: list[tuple[str, list[Pixels], list[Pixels]]] = []
        clean = pixels_of(scene.frames)
        cases.append(("clear", clean, clean))
        haze = random_haze(scene, 5_000_000 + number, clear_share=0)
        if task == "haze":
            cases.append(("weather", pixels_of(haze.degraded), pixels_of(haze.target)))
        else:
            hazy = pixels_of(haze.degraded)
            cases.append(("clear", hazy, hazy))  # haze is no rain
            rain = random_rain(
                scene, 6_000_000 + number, clear_share=0, haze_share=0, keep_veil=True
            )
            cases.append(("weather", pixels_of(rain.degraded), pixels_of(rain.target)))
        for kind, bad, good in cases:
            restored = restorer.restore_views(bad)
            rows.append(
                {
                    "kind": kind,
                    "size": size_of_change(task, network, bad),
                    "before": psnr(to_frames(bad), to_frames(good)).item(),
                    "after": psnr(to_frames(restored), to_frames(good)).item(),
                    "blackened": blackened(to_frames(bad), to_frames(restored)).item(),
                }
            )
    return rows


def effect(rows: list[dict[str, Any]], low: float) -> list[Any]:
    """What a threshold does: clear pictures touched, the least of them; gain in weather, losers.

    A change of which a share s is kept harms a clear picture by 20·log10(s) dB less.
    """
    clear = [r for r in rows if r["kind"] == "clear"]
    weather = [r for r in rows if r["kind"] == "weather"]
    shares = [fade(r["size"], (low, RATIO * low)) for r in clear]
    kept = [
        min(REPORT.cap, r["after"] - 20 * np.log10(s)) if s > 0 else REPORT.cap
        for r, s in zip(clear, shares, strict=True)
    ]
    kept_gains = [(r["after"] - r["before"]) * (r["size"] >= RATIO**0.5 * low) for r in weather]
    worse = sum(g < -0.1 for g in kept_gains)
    touched = sum(s > 0 for s in shares)
    return [low, f"{touched} of {len(clear)}", float(np.mean(kept)), float(min(kept)),
            float(np.mean(kept_gains)), f"{worse} of {len(weather)}"]  # fmt: skip


def blackening(rows: list[dict[str, Any]], limit: float) -> list[Any]:
    """What giving up on results with more blackened pixels costs: pictures, their mean gain."""
    lost = [r for r in rows if r["blackened"] > limit]
    weather = [r["after"] - r["before"] for r in lost if r["kind"] == "weather"]
    clear = sum(r["kind"] == "clear" for r in lost)
    return [limit, clear, len(weather), float(np.mean(weather)) if weather else 0.0]


def main() -> None:
    """Measure both networks, print a table each, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rain", default="stereoirr-small.rain")
    parser.add_argument("--haze", default="stereoirr-small.haze")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--only", default="haze,rain")
    parser.add_argument("--name", default="thresholds")
    args = parser.parse_args()
    candidates = {
        "haze": (0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.05),
        "rain": (0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008),
    }
    result: dict[str, Any] = {"scenes": args.count + args.count // 2, "ratio": RATIO}
    for task in args.only.split(","):
        network = load_weights(find_weights(getattr(args, task)))[0]
        rows = measure(task, network, args.data, args.count)
        head = [
            "threshold",
            "clear touched",
            "clear mean dB",
            "least",
            "mean gain dB",
            "made worse",
        ]
        effects = [effect(rows, low) for low in candidates[task]]
        print(f"\n{task}\n" + table(head, [[f"{o[0]:g}", *o[1:]] for o in effects]), flush=True)
        result[task] = {"cases": rows, "table": [head, *effects]}
        if task == "haze":
            head = ["blackened above", "clear given up", "hazy given up", "their mean gain dB"]
            lost = [blackening(rows, limit) for limit in (0.001, 0.005, 0.01, 0.02, 0.05, 0.1)]
            print(table(head, [[f"{o[0]:g}", *o[1:]] for o in lost]), flush=True)
            result["blackened"] = [head, *lost]
    write(args.name, result)


if __name__ == "__main__":
    main()
