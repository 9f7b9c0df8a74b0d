"""Writes docs/results.md and the table of the README from the committed result files.

    python benchmarks/tables.py [--check]

With --check nothing is written, and the exit status says whether the pages are up to date.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from common import read
from markdown_table import table

ROOT = Path(__file__).parents[1]
SETS = {
    "own haze": "own haze, pairs",
    "own rain": "own rain and its veil, pairs",
    "own streaks": "own rain, streaks alone, pairs",
    "rain100l": "Rain100L (20)",
    "rain100h": "Rain100H (20)",
    "its": "RESIDE ITS (4)",
    "clear": "clear, against itself",
}


def quality_rows(quality: dict[str, Any]) -> list[list[Any]]:
    """Set, number, before, restored for the known weather, its gain, automatic, views singly, least."""
    rows = []
    for name, label in SETS.items():
        if name not in quality["sets"]:
            continue
        entry = quality["sets"][name]
        mean = entry["mean"]
        clear = name == "clear"
        rows.append(
            [label, len(entry["cases"]), None if clear else mean["before"], mean["named"],
             None if clear else mean["named"] - mean["before"], mean["auto"], mean.get("singly"),
             entry["least"]]
        )  # fmt: skip
    return rows


def results_page() -> str:
    """The page of all figures."""
    quality, speed = read("quality"), read("speed")
    parts = [
        "# Results\n",
        "Made by `python benchmarks/tables.py` from the files in `benchmarks/results`.\n",
        "## Quality\n",
        f"PSNR in dB by the protocol *{quality['protocol']}*. The scenes were never trained on. "
        '"Known weather" restores with `--weather` set, but for rain with its veil, which takes both '
        'networks; "auto" restores without options; "views singly" restores the two views of a pair as '
        "unrelated pictures. Made by `benchmarks/quality/scores.py`.\n",
        table(
            [
                "set",
                "pictures",
                "before",
                "known weather",
                "gain",
                "auto",
                "views singly",
                "worst (auto)",
            ],
            quality_rows(quality),
        ),
        "\n## Learning curve\n",
        "Gain over the input on the first pictures of the checking sets while the bundled weights were "
        "trained; the second part of the training begins at step 5400 (haze) and 6100 (rain), the "
        "third at 10400 (haze). In its first part the rain network was to take off the veil, too. Made "
        "by `benchmarks/quality/learning_curve.py`.\n",
    ]
    for task, curve in read("learning_curve")["curves"].items():
        names = list(curve[0]["gain"])
        rows = [[p["step"], *(p["gain"][n] for n in names), p["clear"]] for p in curve]
        parts.append(f"\n{task}:\n\n" + table(["step", *names, "clear against itself"], rows))
    parts += [
        "\n## Time and memory\n",
        f"{speed['threads']} CPU threads ({speed['machine']['machine']}), file to file, JPEG. Made by "
        "`benchmarks/cost/speed.py`.\n",
        table(
            ["weather", "megapixels", "first picture s", "next s", "s per megapixel", "peak MiB"],
            [[c["weather"], f"{c['megapixels']:g}", c["first"], c["next"],
              c["next"] / c["megapixels"], round(c["peak_bytes"] / 2**20)] for c in speed["cases"]],
        ),
        "\n" + speed_summary(speed),
    ]  # fmt: skip
    parts += network_costs()
    tiles = read("tiles")
    parts += [
        "\n## Tiles\n",
        "Largest difference between a picture restored in tiles and in one piece, away from the "
        "border of the picture, in units of 1/255. Made by `benchmarks/quality/tiles.py`.\n",
        table(["network", "tile", "largest", "mean"],
              [[c["network"], c["tile"], c["largest"], c["mean"]] for c in tiles["cases"]]),
        "\n## Simulated weather\n",
        weather(),
        "\n## Training\n",
        *training(),
        "\n## Robustness\n",
        robustness(),
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def network_costs() -> list[str]:
    """Time and memory of the networks in their published sizes."""
    networks = read("networks")
    rows = [
        [c["network"], f"{c['parameters'] / 1e6:.2f}", f"{c['gflop']:.1f}", c["units"],
         c["authors_units"], c["target_units"], round(c["peak_bytes"] / 2**20),
         round(c["plain_bytes"] / 2**20), f"{c['peak_bytes'] / c['plain_bytes']:.0%}",
         *((c["cuda"] or {}).get(k) for k in ("float32", "bfloat16", "compiled"))]
        for c in networks["cases"]
    ]  # fmt: skip
    head = ["network", "M parameters", "GFLOP", "time", "authors' code", "target", "peak MiB",
            "plain MiB", "of plain", "CUDA ms", "bfloat16 ms", "compiled ms"]  # fmt: skip
    return [
        "\n## Networks\n",
        f"The published sizes at 256x256, of stereo networks a pair, on {networks['threads']} CPU "
        "threads, behaving as released but where it says corrected. Times are in units: how many times "
        "as long as a 3x3 convolution of 64 to 64 channels on 256x256 pixels in the same run. The target "
        "is what the network may take at most, set by the time of the authors' code. Memory is what a "
        "process takes at 512x512 beyond the loaded network; plain is what it takes if every layer is "
        "evaluated as it is defined. Made by `benchmarks/cost/networks.py`.\n",
        table(head, rows),
    ]


def speed_summary(speed: dict[str, Any]) -> str:
    """Ratios that matter, in words."""
    lines = []
    by = {(c["weather"], c["megapixels"]): c for c in speed["cases"]}
    for weather in ("haze", "rain", "auto"):
        sizes = sorted(m for w, m in by if w == weather)
        if len(sizes) < 3:
            continue
        one, twelve, hundred = (by[weather, m] for m in sizes[:3])
        growth = (hundred["peak_bytes"] - twelve["peak_bytes"]) / ((sizes[2] - sizes[1]) * 1e6)
        lines.append(
            f"- {weather}: {sizes[1]:g} megapixels take {twelve['next'] / one['next']:.1f} times as "
            f"long as {sizes[0]:g}; from {sizes[1]:g} to {sizes[2]:g} megapixels memory grows by "
            f"{growth:.1f} bytes a pixel (input and output of 8-bit RGB are 6)."
        )
    return "\n".join(lines)


def weather() -> str:
    """Pairs per second of the simulated weather, and what it costs beside a training step."""
    result = read("weather")
    step = result["training_step_seconds"]
    rows = [
        [c["weather"], c["pairs_per_second"], c["seconds"] / step, c["growth_mib"]]
        for c in result["cases"]
    ]
    return (
        f"Pairs of 256x256 pixels on {result['machine']['cpu_threads']} CPU threads; a training step "
        "of `stereoirr-small` on the same pair; growth of memory after the warm-up. Made by "
        "`benchmarks/cost/weather.py`.\n\n"
        + table(["weather", "pairs/s", "of a training step", "growth, MiB"], rows)
    )


def training() -> list[str]:
    """What the small recipes reach in minutes, what their ideas are worth, and the distillation."""
    methods, ablations = read("training_methods"), read("training_ablations")
    distillation = read("training_distillation")
    keys = ("psnr_before_in_weather", "psnr_gain_in_weather", "psnr_in_clear_air")
    head = ["input in weather", "gain", "in clear air"]
    changed = {m: ", ".join(r["changes"]) or "–" for m, r in methods["methods"].items()}
    return [
        "Small recipes from random weights, of one CPU thread, scored over crops of dev scenes in the "
        "weather of their recipe: where there is some, PSNR of the input and its gain; elsewhere PSNR "
        f"of the result, at most {methods.get('cap', 60):g}. Runs are of equal time, not of equal "
        "length. Made by "
        "`benchmarks/quality/training.py`.\n",
        f"`methods`: {methods['minutes']:g} minutes each.\n",
        table(
            ["method", "recipe", "changed in it", "steps", *head],
            [
                [m, r["recipe"], changed[m], r["steps"], *(r[k] for k in keys)]
                for m, r in methods["methods"].items()
            ],
        ),
        f"\n`ablations`: {ablations['minutes']:g} minutes each.\n",
        table(
            ["recipe: changed in it", "steps", *head],
            [[n, r["steps"], *(r[k] for k in keys)] for n, r in ablations["ablations"].items()],
        ),
        f"\n`distillation`: {distillation['minutes']:g} minutes each. On real rain, of which nothing "
        "clear is known: local contrast, which rain lowers, and the energy of upright streaks, in "
        "1/1000 of the range; and the gain on rain of our own.\n",
        table(
            ["", "contrast", "streaks", "gain on our own rain"],
            [
                [n, f"{r['contrast']:.3f}", 1000 * r["streaks"], r.get("gain_synthetic")]
                for n, r in distillation["results"].items()
            ],
        ),
    ]


def robustness() -> str:
    """Bad files and interrupted runs, in words."""
    bad, interrupted = read("bad_files"), read("interrupted")
    wrong = sum(len(kill["wrong"]) for kill in interrupted["kills"])
    changed = "changed" if interrupted["inputs_changed"] else "unchanged"
    verdict = {True: "passed", False: "failed"}
    return (
        f"- Bad files: {verdict[bad['passed']]}. {bad['kinds']} kinds (empty, cut off, damaged, "
        "renamed, bombs, folders, links to nothing, ...); each is reported with its name and its "
        "reason, and the good pictures beside them are restored (`benchmarks/robustness/bad_files.py`).\n"
        f"- Interrupted runs: {verdict[interrupted['passed']]}. {len(interrupted['kills'])} runs "
        f"killed at random moments, {interrupted['killed_while_writing']} of them while writing: "
        f"{wrong} wrong or incomplete outputs, inputs {changed}; "
        "the next run completes each batch (`benchmarks/robustness/interrupted.py`)."
    )


def readme_table() -> str:
    """The short table of the README."""
    rows = [[r[0], r[2], r[3], r[5]] for r in quality_rows(read("quality"))]
    return table(["PSNR in dB", "before", "known weather", "auto"], rows)


def main() -> int:
    """Write or check both pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pattern = re.compile(r"(<!-- results -->\n).*?(\n<!-- /results -->)", re.DOTALL)
    pages = {
        ROOT / "docs" / "results.md": results_page(),
        ROOT / "README.md": pattern.sub(lambda m: m[1] + readme_table() + m[2], readme),
    }
    stale = [p for p, text in pages.items() if not p.exists() or p.read_text("utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'out of date' if args.check else 'written'}")
        if not args.check:
            path.write_text(pages[path], encoding="utf-8")
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
