"""Time of a batch of tensors, against the loop over its samples that it replaced.

    python benchmarks/batches.py [--threads N] [--count 64] [--size 256]

Both are run in turn in one process with the bundled weights. The loop is what `Restorer` did with
tensors before: every sample becomes an array, is measured, restored in place, and becomes a tensor
again. Half of the pictures are clear, so that "auto" has something to decide. A ratio below 1 means
that the batch takes less time; "difference" is the largest between the values of both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from common import table, write
from same_pictures import hazy, rainy, scenes

from deweather import Restorer
from deweather.image.frames import from_frames, to_frames


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


def timed(work: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
    """Seconds of a call and what it gives."""
    start = time.perf_counter()
    out = work()
    return time.perf_counter() - start, out


def main() -> None:
    """Time both ways for every weather, print the table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--name", default="batches")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    batch = pictures(args.count, args.size)
    cases = []
    for weather in ("auto", "haze", "rain"):
        restorer = Restorer(weather, device="cpu")
        restorer.restore(batch[:4])
        loop(restorer, batch[:4])
        rounds = []
        for _ in range(args.rounds):
            seconds, expected = timed(lambda r=restorer: loop(r, batch))
            quick, out = timed(lambda r=restorer: r.restore(batch))
            rounds.append((seconds, quick))
        cases.append(
            {
                "weather": weather,
                "loop_s": median(r[0] for r in rounds),
                "batch_s": median(r[1] for r in rounds),
                "ratio": median(r[1] / r[0] for r in rounds),
                "difference": float((out - expected).abs().max()),
            }
        )
        print(cases[-1], flush=True)
    rows = [["weather", "loop s", "batch s", "ratio", "difference"]]
    rows += [
        [c["weather"], c["loop_s"], c["batch_s"], c["ratio"], f"{c['difference']:.1e}"]
        for c in cases
    ]
    print(table(rows))
    about = {"threads": args.threads, "count": args.count, "size": args.size}
    write(args.name, {**about, "cases": cases})


if __name__ == "__main__":
    main()
