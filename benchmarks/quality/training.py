"""What the small recipes reach from random weights in ten minutes of one core; what ideas are worth.

    python benchmarks/quality/training.py methods --data TRAIN --dev DEV --runs runs/training
    python benchmarks/quality/training.py ablations --data TRAIN --dev DEV --runs runs/training
    python benchmarks/quality/training.py distillation --data TRAIN --dev DEV --runs runs/training

TRAIN and DEV hold mono/, stereo/ and stereo_gt/; for the distillation also real_rain/. Every run has
one thread and as many steps as fit into its minutes of processor time on this machine, so its rate
falls to the end. Scores are PSNR (psnr_rgb_uint8_rounded) over crops of the dev scenes in the weather
of the recipe. A run that was interrupted goes on when the command is given again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from deweather.data import PictureSet, SceneLibrary
from deweather.image.frames import to_frames
from deweather.metrics import REPORT
from deweather.models import Network
from deweather.train.batches import Stream
from deweather.train.datasets import dev_set, real_set, training_set
from deweather.train.loop import Loop
from deweather.train.objectives import make_objective
from deweather.train.recipe import Recipe, read_recipe
from deweather.train.run import Machine, train
from deweather.train.score import Panel
from deweather.train.sections import DevSection
from deweather.weights.files import load

sys.path.insert(0, str(Path(__file__).parents[1]))
import common

RECIPES = Path(__file__).parents[2] / "recipes"
CPU = Machine("cpu")
DEV_BATCHES = 24

METHODS = {
    "StereoIRR, haze": ("stereoirr-small.haze", ["data.patch=96", "data.batch_pictures=8"]),
    "StereoIRR, rain": ("stereoirr-small.rain", ["data.patch=96", "data.batch_pictures=8"]),
    "PSIDNet": ("psidnet-small", []),
    "APANet": ("apanet-small", []),
    "KA-Net": ("kanet-small", []),
    "DCMPNet": ("dcmpnet-small", []),
}
"""Recipe of each method, and what is changed so that ten minutes hold enough steps."""

ABLATIONS = {
    "psidnet-small": {
        "final stage alone": ["loss.early_stages=false"],
        "no frequency term": ["loss.frequency_weight=0"],
    },
    "kanet-small": {
        "haze alone, no other degradations": ["weather.kind=haze"],
        "no reweighting": ["loss.reweighting=false"],
        "no contrastive term": ["loss.contrastive=0"],
    },
    "dcmpnet-small": {
        "dehazing does not weigh depth": ["loss.dehazing_weighs_depth=false"],
        "depth does not weigh dehazing": ["loss.depth_weighs_dehazing=false"],
        "released weights": ["loss.weighting=released"],
        "alternating updates": ["loss.updates=alternating"],
    },
}
"""Switches of each method; all are scored in the weather of the whole recipe."""


def seconds_per_step(recipe: Recipe, data: Path) -> float:
    """Processor time of a step here, the mean of a few after the first."""
    fabric = CPU.fabric(recipe)
    sources, real = training_set(recipe, data), real_set(recipe, data)
    loop = Loop(fabric, make_objective(recipe), Stream(recipe, sources, real), 0)
    batches = loop.batches()
    loop.advance(batches)
    begun, count = time.process_time(), 6  # single pictures and pairs come by turns
    for _ in range(count):
        loop.advance(batches)
    return (time.process_time() - begun) / count


def fit(name: str, changes: list[str], out: Path, args: argparse.Namespace) -> tuple[Recipe, Path]:
    """Train by a recipe for the minutes asked for; the recipe as it was run, and the weights."""
    recipe = read_recipe(RECIPES / f"{name}.yaml", changes)
    note = out / "recipe.yaml"
    if note.exists():
        recipe = read_recipe(note)
    else:
        steps = args.steps or max(
            50, int(0.9 * args.minutes * 60 / seconds_per_step(recipe, args.data))
        )
        share = steps / recipe.steps
        phases = [
            phase.model_copy(update={"start": max(1, round(phase.start * share))})
            for phase in recipe.data.phases
        ]
        data = recipe.data.model_copy(update={"phases": tuple(phases)})
        warmup = min(recipe.optimizer.warmup, steps // 10)
        optimizer = recipe.optimizer.model_copy(update={"warmup": warmup})
        recipe = recipe.model_copy(update={"steps": steps, "data": data, "optimizer": optimizer})
    return recipe, train(recipe, args.data, out, machine=CPU)


def dev_scores(recipe: Recipe, network: Network, dev: Path) -> dict[str, float]:
    """Scores of a network on dev scenes in the weather of a recipe."""
    section = DevSection(folder=dev)
    plain = recipe.data.model_copy(update={"phases": (), "scales": (0.5, 1.0)})
    recipe = recipe.model_copy(update={"data": plain})
    stream = Stream(recipe, dev_set(recipe, section))
    panel = Panel([stream[i] for i in range(DEV_BATCHES)])
    objective = make_objective(recipe)
    return panel.score(objective, network.eval(), torch.device("cpu"))


def methods(args: argparse.Namespace) -> None:
    results = {}
    for method, (name, changes) in METHODS.items():
        recipe, weights = fit(name, changes, args.runs / name, args)
        scores = dev_scores(recipe, load(weights), args.dev)
        results[method] = {"recipe": name, "changes": changes, "steps": recipe.steps, **scores}
    rows: list[list[object]] = [["method", "steps", "PSNR in weather", "gain", "in clear air"]]
    rows += [
        [
            m,
            r["steps"],
            *(r[f"psnr_{k}"] for k in ("before_in_weather", "gain_in_weather", "in_clear_air")),
        ]
        for m, r in results.items()
    ]
    report("training_methods", {"minutes": args.minutes, "methods": results}, rows, args)


def ablations(args: argparse.Namespace) -> None:
    results: dict[str, dict[str, float]] = {}
    rows: list[list[object]] = [["recipe", "changed", "steps", "gain in weather", "in clear air"]]
    for name, switches in ABLATIONS.items():
        whole = read_recipe(RECIPES / f"{name}.yaml")
        for what, changes in {"nothing": [], **switches}.items():
            out = args.runs / "ablations" / f"{name}.{what.replace(' ', '_').replace(',', '')}"
            recipe, weights = fit(name, changes, out, args)
            scores = dev_scores(whole, load(weights), args.dev)
            results[f"{name}: {what}"] = {"steps": recipe.steps, **scores}
            gain, clear = scores["psnr_gain_in_weather"], scores["psnr_in_clear_air"]
            rows.append([name, what, recipe.steps, gain, clear])
    report("training_ablations", {"minutes": args.minutes, "ablations": results}, rows, args)


def distillation(args: argparse.Namespace) -> None:
    """Teacher, student, distilled student; the same student trained as long on pairs alone."""
    made = {
        name: fit(f"apanet-small{tail}", [], args.runs / f"apanet-small{tail}", args)[1]
        for name, tail in (("student", ""), ("teacher", ".teacher"))
    }
    own = [f"model.weights={made['student']}", f"loss.teacher={made['teacher']}"]
    off = [f"loss.{term}=0" for term in ("total_variation", "dark_channel", "contrastive")]
    for name, changes in (("distilled", own), ("as long on pairs alone", own + off)):
        out = args.runs / f"apanet-small.{name.replace(' ', '_')}"
        made[name] = fit("apanet-small.distillation", changes, out, args)[1]
    recipe = read_recipe(RECIPES / "apanet-small.yaml")
    networks = {name: load(weights) for name, weights in made.items()}
    results = {"input": real_figures(args.dev / "real_rain", None)}
    for name, network in networks.items():
        synthetic = dev_scores(recipe, network, args.dev)
        figures = real_figures(args.dev / "real_rain", network)
        results[name] = {**figures, "gain_synthetic": synthetic["psnr_gain_in_weather"]}
    rows: list[list[object]] = [
        ["", "contrast of real rain", "streaks of real rain, 1/1000", "gain on ours"]
    ]
    rows += [
        [name, f"{r['contrast']:.3f}", 1000 * r["streaks"], r.get("gain_synthetic", "")]
        for name, r in results.items()
    ]
    report("training_distillation", {"minutes": args.minutes, "results": results}, rows, args)


@torch.inference_mode()
def real_figures(folder: Path, network: Network | None) -> dict[str, float]:
    """Contrast and streaks of real pictures, as they are or restored; means over the pictures."""
    values = []
    for photo in SceneLibrary.of(PictureSet.find(folder, "clear")).photos:
        picture = F.interpolate(to_frames([photo])[0], scale_factor=0.5, mode="area")[None]
        h, w = (n // 16 * 16 for n in picture.shape[-2:])
        picture = picture[..., :h, :w]
        if network is not None:
            picture = network.eval()(picture).image.clamp(0, 1)
        values.append((local_contrast(picture), streak_energy(picture)))
    contrast, streaks = torch.tensor(values).mean(0).tolist()
    return {"contrast": contrast, "streaks": streaks}


def luminance(picture: torch.Tensor) -> torch.Tensor:
    """(1, 1, H, W), Rec. 601, of one picture (1, 1, 3, H, W)."""
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return (picture[0] * weights).sum(1, keepdim=True)


def local_contrast(picture: torch.Tensor) -> float:
    """Deviation over mean of the luminance in windows of 31 pixels, streaks smoothed away first.

    Rain's veil lowers it; no reference is needed.
    """
    y = F.avg_pool2d(luminance(picture), 5, 1)
    mean = F.avg_pool2d(y, 31, 1)
    deviation = (F.avg_pool2d(y * y, 31, 1) - mean.square()).clamp_min(0).sqrt()
    return float((deviation / mean.clamp_min(0.02)).mean())


def streak_energy(picture: torch.Tensor) -> float:
    """Mean bright ridge across rows that lasts 9 pixels down a column: nearly upright streaks."""
    y = F.avg_pool2d(luminance(picture), (9, 1), 1)
    ridge = y[..., 2:-2] - 0.5 * (y[..., :-4] + y[..., 4:])
    return float(ridge.clamp_min(0).mean())


def report(
    name: str, result: dict[str, object], rows: list[list[object]], args: argparse.Namespace
) -> None:
    """Print the table; write the result unless it was a trial of a few steps."""
    print(common.table(rows[0], rows[1:]))
    if args.steps:
        print(json.dumps(result)[:400])
    else:
        common.write(name, {"cap": REPORT.cap, **result})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["methods", "ablations", "distillation"])
    parser.add_argument("--data", type=Path, required=True, help="pictures to train on")
    parser.add_argument("--dev", type=Path, required=True, help="pictures to judge by")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each run")
    parser.add_argument(
        "--steps", type=int, help="so many steps, to try the script; writes nothing"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    {"methods": methods, "ablations": ablations, "distillation": distillation}[args.what](args)


if __name__ == "__main__":
    main()
