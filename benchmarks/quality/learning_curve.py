"""How the bundled weights became what they are: scores of a run's snapshots.

    python benchmarks/quality/learning_curve.py --data DIR [--haze RUN/snapshots] [--rain RUN/snapshots]

A task without snapshots keeps the curve that it had.
DIR is laid out as for `quality.py`. Scores are gains in PSNR (rgb_uint8_rounded, whole frame) over the
input on the first pictures of each set; the clear pictures are restored too.
"""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from deweather.inference import Restorer
from deweather.jobs.evaluate import Case, evaluate, find_cases
from deweather.models import create_model
from deweather.weights.files import load_weights

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import RESULTS, clear, read, simulated, table, write


def cases_of(task: str, data: Path, count: int) -> dict[str, list[Case]]:
    """The first pictures of each set that shows this weather."""
    own = "haze" if task == "haze" else "streaks"
    sets = {f"own {own}": list(islice(simulated(data, own, 1), count))}
    for name in ("its",) if task == "haze" else ("rain100l", "rain100h"):
        sets[name] = find_cases(data / name, "paired")[:count]
    return sets


def curve(task: str, snapshots: Path, data: Path, count: int, window: int | None) -> list[Any]:
    """Scores of every snapshot: step, gain by set, clear pictures against themselves."""
    sets, untouched = cases_of(task, data, count), list(islice(clear(data), count))
    points = []
    for path in sorted(snapshots.glob("*.safetensors")):
        network, header = load_weights(path)
        if task == "rain":
            state = network.state_dict()
            network = create_model(header.model, **{**header.switches, "pool_window": window})
            network.load_state_dict(state)
            network.eval()
        # For a named weather there is no gate: the network's whole change is scored.
        way = {"after": Restorer(task, networks=network, device="cpu").restore_views}
        gain = {name: evaluate(cases, way).summary("after").gain for name, cases in sets.items()}
        kept = evaluate(untouched, way).summary("after").after
        points.append({"step": int(path.stem), "gain": gain, "clear": kept})
        print(points[-1], flush=True)
    return points


def main() -> None:
    """Score all snapshots of both runs, print the tables, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--haze", type=Path)
    parser.add_argument("--rain", type=Path)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--window", type=int, default=80)
    parser.add_argument("--name", default="learning_curve")
    args = parser.parse_args()
    curves = read(args.name)["curves"] if (RESULTS / f"{args.name}.json").exists() else {}
    for task, folder in (("haze", args.haze), ("rain", args.rain)):
        if folder is None:
            continue
        points = curve(task, folder, args.data, args.count, args.window)
        curves[task] = points
        names = list(points[0]["gain"])
        rows = [[p["step"], *p["gain"].values(), p["clear"]] for p in points]
        print(table(["step", *names, "clear"], rows))
    write(args.name, {"count": args.count, "curves": curves})


if __name__ == "__main__":
    main()
