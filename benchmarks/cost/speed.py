"""Time and memory of restoring, by weather and picture size, on two CPU threads. Linux only.

    python benchmarks/cost/speed.py [--sizes 1 12 100] [--name NAME]

Each measurement is a process of its own that restores a JPEG file into another. "first" is the time
of the first picture with networks loaded and nothing warmed up, "next" the median of the following
(2; from 50 megapixels up the first is the only one). Peak memory is that of the process; "start" is
what it held before the first picture. The pictures tile scikit-image's motorcycle scene with noise,
so nothing compresses to nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import RESULTS, read, table, write

THREADS = 2

CHILD = r"""
import json, re, statistics, time
start = time.perf_counter()
import torch, cv2
torch.set_num_threads({threads}); cv2.setNumThreads({threads})
from deweather.inference import Restorer
from deweather.image import read_picture, write_picture
restorer = Restorer({weather!r}, device="cpu")
ready = time.perf_counter() - start
def peak():  # of this process alone: getrusage would count what its parent held
    return int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) * 1024
held = peak()
def once(out):
    start = time.perf_counter()
    picture = read_picture({source!r})
    restorer.restore_in_place([picture.pixels])
    restoring = time.perf_counter() - start
    write_picture(out, picture, picture.pixels, overwrite=True)
    return restoring, time.perf_counter() - start
times = [once({out!r}) for _ in range({runs})]
later = times[1:] or times
print(json.dumps(dict(ready=ready, first=times[0][1], next=statistics.median(t[1] for t in later),
    start_bytes=held, peak_bytes=peak())))
"""


def make_picture(megapixels: float, path: Path) -> None:
    """Write a textured JPEG of about this size (4:3)."""
    import cv2
    import numpy as np
    import skimage.data

    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    base = skimage.data.stereo_motorcycle()[0]
    rows, columns = -(-height // base.shape[0]), -(-width // base.shape[1])
    picture = np.tile(base, (rows, columns, 1))[:height, :width]
    rng = np.random.default_rng(0)
    for top in range(0, height, 512):
        band = picture[top : top + 512]
        noise = rng.integers(-8, 9, band.shape, dtype=np.int16)
        picture[top : top + 512] = np.clip(band + noise, 0, 255)
    cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])


def measure(weather: str, megapixels: float, folder: Path) -> dict[str, Any]:
    """Restore a picture of this size in a process of its own."""
    source = folder / f"{megapixels}.jpg"
    if not source.exists():
        make_picture(megapixels, source)
    code = CHILD.format(
        threads=THREADS,
        weather=weather,
        source=str(source),
        out=str(folder / "out.jpg"),
        runs=1 if megapixels >= 50 else 3,
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure every weather and size, print the table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=float, nargs="+", default=[1, 12, 100])
    parser.add_argument("--weathers", nargs="+", default=["haze", "rain", "auto"])
    parser.add_argument("--name", default="speed")
    args = parser.parse_args()
    head = ["weather", "MP", "first s", "next s", "next s/MP", "times 1 MP", "start MiB", "peak MiB",
            "bytes a pixel"]  # fmt: skip
    rows: list[list[Any]] = []
    cases = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for weather in args.weathers:
            base: dict[str, Any] | None = None
            previous: tuple[float, int] | None = None
            for size in args.sizes:
                figures = measure(weather, size, folder)
                base = base or figures
                growth: float | str = "-"
                if previous is not None:
                    growth = (figures["peak_bytes"] - previous[1]) / ((size - previous[0]) * 1e6)
                previous = (size, figures["peak_bytes"])
                ratio = figures["next"] / base["next"]
                rows.append(
                    [weather, f"{size:g}", figures["first"], figures["next"], figures["next"] / size,
                     ratio, figures["start_bytes"] / 2**20, figures["peak_bytes"] / 2**20, growth]
                )  # fmt: skip
                cases.append({"weather": weather, "megapixels": size, **figures})
                print(table(head, rows[-1:]), flush=True)
    print("\n" + table(head, rows))
    if (RESULTS / f"{args.name}.json").exists():  # keep what was measured before and not now
        done = {(c["weather"], c["megapixels"]) for c in cases}
        before = read(args.name)["cases"]
        cases += [c for c in before if (c["weather"], c["megapixels"]) not in done]
    cases.sort(key=lambda c: (c["weather"], c["megapixels"]))
    write(args.name, {"threads": THREADS, "cases": cases})


if __name__ == "__main__":
    main()
