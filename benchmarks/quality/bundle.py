"""Puts the weights of a run into the package: half precision, with a card.

    python benchmarks/quality/bundle.py RUN/weights.safetensors NAME --training "how long, on what" \
        --commit HASH --recipe recipes/NAME.yaml [--switch pool_window=80] [--blend FILE 0.6]

`--blend` takes the weighted mean with the weights that a run started from, here 0.6 of FILE and 0.4 of
the run's: what a later part of a training gains on its own pictures then costs less on others
(Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).

The scores on the card come from benchmarks/results/quality.json; run `quality.py` after bundling, and
this once more with the same arguments.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
import yaml

from deweather.checksum import sha256
from deweather.models import create_model
from deweather.weights.cards import BUNDLED, Card, write_card
from deweather.weights.files import load_weights, save_weights

ROOT = Path(__file__).parents[2]
SETS = {"haze": ["own haze", "its", "ohaze"], "rain": ["own streaks", "rain100l", "rain100h"]}
TRAINED_ON = [
    "BSDS500 (209 photographs; non-commercial research)",
    "Urban100 (100) and Sun-Hays80 (80), web photographs (rights of their owners)",
    "KITTI (48 photographs and 26 pairs; CC BY-NC-SA 3.0)",
    "Middlebury 2001-2014 (33 pairs; research use) and one SceneFlow pair",
    "1199 photographs of public repositories, 388 of them under permissive licences, the others "
    "share-alike, non-commercial, or without stated terms",
    "Strecha multi-view stereo (24 pairs, rectified), 4 pairs of Sceaux and Sydney, 3 of light fields, "
    "4 of demos; terms of their authors, mostly research use",
]
LICENCE = (
    "Non-commercial research use, like the pictures that it was trained on; their own terms are "
    "named with the sets."
)
LIMITS = {
    "haze": [
        "Best at haze of photographs and published sets; colours keep their hue, skies keep their light.",
        "Worst at what it cannot see: a blue sky behind thick haze comes back white or grey, and scenes "
        "like those of KITTI, where earlier weights knew the sky by heart, score lower.",
        "Small network, an hour of training: dense fog is thinned, not removed.",
        "Judges the whole scene at about 0.25 megapixels; thin objects before fog keep a halo.",
        "Orange dust and other strongly coloured air is hardly thinned.",
        "A flat grey surface such as a calm sea may be taken for thick air and darkened.",
    ],
    "rain": [
        "Trained on simulated rain only; real rain that is blurred or splashes stays in part.",
        "Raindrops on the lens, snow and puddles are not removed.",
        "Very dense overlaid rain (Rain100H) leaves smeared texture.",
        "Fine bright vertical texture may be weakened.",
        "Takes streaks alone: mist and the veil of distant drops are left to the haze weights.",
    ],
}


def scores(task: str) -> list[dict[str, Any]]:
    """Mean scores of the sets of this task."""
    path = ROOT / "benchmarks/results/quality.json"
    if not path.exists():
        return []
    quality = json.loads(path.read_text(encoding="utf-8"))
    out = []
    for name in SETS[task]:
        entry = quality["sets"].get(name)
        if entry:
            out.append(
                {
                    "set": name,
                    "protocol": quality["protocol"],
                    "pictures": len(entry["cases"]),
                    "before": round(entry["mean"]["before"], 2),
                    "after": round(entry["mean"]["named"], 2),
                }
            )
    return out


def main() -> None:
    """Write the file and its card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("name")
    parser.add_argument("--training", required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--switch", action="append", default=[])
    parser.add_argument("--blend", nargs=2, metavar=("FILE", "SHARE"))
    args = parser.parse_args()
    network, header = load_weights(args.weights)
    switches = {**header.switches, **dict(s.split("=", 1) for s in args.switch)}
    switches = {k: yaml.safe_load(str(v)) for k, v in switches.items()}
    bundled = create_model(header.model, **switches)
    state = network.state_dict()
    if args.blend is not None:
        other, share = load_weights(args.blend[0])[0].state_dict(), float(args.blend[1])
        state = {key: torch.lerp(value, other[key], share) for key, value in state.items()}
    bundled.load_state_dict(state)
    path = BUNDLED / f"{args.name}.safetensors"
    save_weights(
        path, bundled, model=header.model, switches=switches, task=header.task, dtype=torch.float16
    )
    card = {
        "name": args.name,
        "task": header.task,
        "sha256": sha256(path),
        "size": path.stat().st_size,
        "parameters": sum(p.numel() for p in bundled.parameters()),
        "licence": LICENCE,
        "recipe": args.recipe,
        "commit": args.commit,
        "training": args.training,
        "limits": LIMITS[header.task],
        "data": {
            "sets": TRAINED_ON,
            "licences": "see each set; the strictest are non-commercial",
            "weather": "made on the fly by deweather.weather, clear scenes among them",
        },
        "scores": scores(header.task),
    }
    write_card(BUNDLED / f"{args.name}.toml", Card(**card))
    print(f"{path.name}: {card['size'] / 2**20:.2f} MiB, {card['sha256'][:12]}")


if __name__ == "__main__":
    main()
