"""Time of a batch of tensors, against the loop over its samples that it replaced.

    python benchmarks/cost/batches.py [--threads N] [--count 64] [--size 256]

The bundled weights restore the same tensors in three ways, by turns, each time in a process of its own:

- loop: what `Restorer` did with tensors before. Every sample becomes an array, is measured, is restored
  in place, and becomes a tensor again; the C library gives freed memory back.
- loop, memory reused: the same, but freed memory is reused, see `deweather.nn.memory`.
- batch: `Restorer.restore` of all samples at once.

A quarter of the pictures each is clear, in haze, in rain, and in both. Seconds are the least of some
rounds; "ratio" is that of the batch to the loop, "difference" the largest between their values.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch

from deweather import Restorer
from deweather.image.frames import from_frames, to_frames
from deweather.nn.memory import reusing_memory

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import table, write
from plain_weather import hazy, rainy, scenes

WAYS = ("loop", "loop, memory reused", "batch")
WEATHERS = ("auto", "haze", "rain")


def pictures(count: int, size: int) -> torch.Tensor:
    """Crops of the motorcycle (count, 3, size, size): clear, in haze, in rain, and in both."""
    scene = scenes(2 * size, 3 * size)[0]
    rng = np.random.default_rng(0)
    out = []
    for index in range(count):
        top, left = rng.integers(0, size), rng.integers(0, 2 * size)
        crop = scene[top : top + size, left : left + size]
        if index % 4 in (1, 3):
            crop = hazy(crop)
        if index % 4 in (2, 3):
            crop = rainy(crop, index)
        out.append(crop.transpose(2, 0, 1))
    return torch.from_numpy(np.stack(out).astype(np.float32))


def loop(restorer: Restorer, batch: torch.Tensor) -> torch.Tensor:
    """One sample after another, each measured and then restored as arrays."""
    out = []
    for sample in batch:
        views = from_frames(sample[None, None], np.float32)
        views = [np.array(view, order="C") for view in views]
        for stage in restorer.stages:
            stage.apply(views, stage.measure(views))
        out.append(to_frames(views)[0, 0])
    return torch.stack(out)


def measure(args: argparse.Namespace) -> float:
    """Seconds of one way in this process; the values are left in a file."""
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    batch = pictures(args.count, args.size)
    restorer = Restorer(args.weather, device="cpu")
    work = restorer.restore if args.way == "batch" else partial(loop, restorer)
    given_back = mock.patch("deweather.nn.memory._allocator", return_value=None)
    with given_back if args.way == "loop" else nullcontext(), reusing_memory(torch.device("cpu")):
        work(batch[:2])  # the kernels are loaded
        start = time.perf_counter()
        out = work(batch)
        seconds = time.perf_counter() - start
    torch.save(out, args.values)
    return seconds


def child(args: argparse.Namespace, weather: str, way: str, values: Path) -> float:
    """`measure` in a process of its own."""
    options = {"threads": args.threads, "count": args.count, "size": args.size, "weather": weather,
               "way": way, "values": values}  # fmt: skip
    command = [sys.executable, __file__, *(f"--{k}={v}" for k, v in options.items())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))


def compare(args: argparse.Namespace, weather: str, folder: Path) -> dict[str, Any]:
    """All ways by turns, some rounds of them."""
    files = {way: folder / f"{weather}-{index}.pt" for index, way in enumerate(WAYS)}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(args.rounds):
        for way, path in files.items():
            seconds[way].append(child(args, weather, way, path))
    least = {way: min(times) for way, times in seconds.items()}
    values = {way: torch.load(path, weights_only=True) for way, path in files.items()}
    return {
        "weather": weather,
        "seconds": least,
        "ratio": least["batch"] / least["loop"],
        "ratio_memory_reused": least["batch"] / least["loop, memory reused"],
        "difference": float((values["batch"] - values["loop"]).abs().max()),
    }


def main() -> None:
    """Time all ways for every weather, print the table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--name", default="batches")
    parser.add_argument("--weather", choices=WEATHERS, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--values", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measure(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        cases = [compare(args, weather, Path(folder)) for weather in WEATHERS]
    rows = [
        [c["weather"], *c["seconds"].values(), c["ratio"], c["ratio_memory_reused"],
         f"{c['difference']:.1e}"]
        for c in cases
    ]  # fmt: skip
    print(table(["weather", *WAYS, "ratio", "ratio, memory reused", "difference"], rows))
    about = {"threads": args.threads, "count": args.count, "size": args.size}
    write(args.name, {**about, "cases": cases})


if __name__ == "__main__":
    main()
