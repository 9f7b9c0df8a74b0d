"""Speed of the simulated weather: pictures per second, and memory over time.

    python benchmarks/cost/weather.py [--seconds 5] [--device cuda --batch 16 --step] [--name weather]

Every case degrades pairs of 256x256 pixels, on a CPU with two threads. Memory is the growth of the
resident set from the end of the warm-up to the end of the case; it does not grow with time. With
`--step`, a training step of `stereoirr-small` on the same batch is timed too: weather made on the fly
should take less than a fifth of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deweather.models import create_model
from deweather.weather import (
    Compose,
    Haze,
    LensDrops,
    Rain,
    Scene,
    random_haze,
    random_photograph,
    random_rain,
    streak_layers,
)
from deweather.weather.layers import layered_pair

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import table, write

SIDE = 256
THREADS = 2
GOALS = {"haze": 40.0, "rain 25 mm/h": 10.0}  # pairs per second on the CPU

Case = Callable[[Scene, int], Any]


def cases() -> dict[str, Case]:
    """What is timed, by name."""
    return {
        "haze": Haze(300.0),
        "patchy haze": Haze(300.0, inhomogeneity=0.6),
        "fractal ground fog": Haze(300.0, inhomogeneity=0.6, octaves=5, scale_height=5.0),
        "haze with glow": Haze(300.0, scattering=0.5, lamps=4.0),
        "rain 5 mm/h": Rain(5.0),
        "rain 25 mm/h": Rain(25.0),
        "rain 100 mm/h": Rain(100.0),
        "rain 25 mm/h, defocused": Rain(25.0, aperture=0.01),
        "mist and rain": Compose([Haze(1000.0), Rain(25.0)]),
        "overlaid streaks, heavy": streak_layers("heavy"),
        "drops on the lens": LensDrops(),
        "random haze": random_haze,
        "random rain": random_rain,
        "random photograph": random_photograph,
    }


def scene_of(batch: int, device: torch.device) -> Scene:
    """Layered pairs of noise: as many edges of depth as photographs have."""
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8) for _ in range(4)]
    made = [layered_pair(rng, photos, SIDE, SIDE, 40.0) for _ in range(batch)]
    frames = torch.from_numpy(np.stack([m[0] for m in made])).permute(0, 1, 4, 2, 3).float() / 255
    disparity = torch.from_numpy(np.stack([m[1] for m in made]))[:, :, None]
    focal, baseline = torch.full((batch,), 1.5 * SIDE), torch.full((batch,), 0.5)
    return Scene(frames, disparity, focal, baseline).to(device)


def resident_mib() -> float:
    """Memory of this process in MiB, or NaN where /proc does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def timed(call: Callable[[int], Any], seconds: float, device: torch.device) -> dict[str, float]:
    """Seconds a call (the median) and growth of memory, after a warm-up."""

    def run(seed: int) -> float:
        start = time.perf_counter()
        call(seed)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    for seed in range(5):
        run(seed)
    before, end = resident_mib(), time.perf_counter() + seconds
    times: list[float] = []
    while time.perf_counter() < end or len(times) < 5:
        times.append(run(100 + len(times)))
    return {"seconds": float(np.median(times)), "growth_mib": resident_mib() - before}


def training_step(scene: Scene) -> Callable[[int], None]:
    """One step of the smallest network: forward, backward, Adam."""
    network = create_model("stereoirr-small").to(scene.frames.device)
    optimizer = torch.optim.Adam(network.parameters())

    def step(_: int) -> None:
        optimizer.zero_grad()
        (network(scene.frames).image - scene.frames).abs().mean().backward()
        optimizer.step()

    return step


def main() -> None:
    """Time every case, print a table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each case")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=1, help="pairs at once")
    parser.add_argument("--step", action="store_true", help="time a training step as well")
    parser.add_argument("--name", help="write results/NAME.json")
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    device = torch.device(args.device)
    scene = scene_of(args.batch, device)
    head = ["weather", "pairs/s", "ms/pair", "growth, MiB", "goal, pairs/s"]
    rows: list[list[Any]] = []
    results: list[dict[str, Any]] = []
    for name, case in cases().items():
        found = timed(partial(case, scene), args.seconds, device)
        speed = args.batch / found["seconds"]
        goal = GOALS.get(name, "") if device.type == "cpu" else ""
        rows.append([name, speed, 1000 / speed, found["growth_mib"], goal])
        results.append({"weather": name, "pairs_per_second": speed, **found})
        print(rows[-1], flush=True)
    result: dict[str, Any] = {"device": str(device), "batch": args.batch, "cases": results}
    print("\n" + table(head, rows))
    if args.step:
        seconds = timed(training_step(scene), args.seconds, device)["seconds"]
        result["training_step_seconds"] = seconds
        shares = [[r["weather"], r["seconds"] / seconds] for r in results]
        print("\n" + table(["weather", "share of a training step"], shares))
    if args.name:
        write(args.name, result)


if __name__ == "__main__":
    main()
