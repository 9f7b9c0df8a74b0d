"""How well tiles agree with the whole picture, with the bundled rain weights.

    python benchmarks/quality/tiles.py [--weights NAME|FILE]

A rainy motorcycle scene is restored in one piece and in tiles; a band of the picture's own border is
left out, because there both see the same border.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import skimage.data
import torch

from deweather.inference.forward import Forward
from deweather.inference.tiles import restore_tiled
from deweather.weather import Scene, Streaks
from deweather.weights.cards import find_weights
from deweather.weights.files import load_weights

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import table, write

BORDER = 16


def main() -> None:
    """Compare tiles with the whole, singly and as a pair, print the table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="stereoirr-small.rain")
    args = parser.parse_args()
    network, header = load_weights(find_weights(args.weights))
    forward = Forward(network, torch.device("cpu"))
    left, right, _ = skimage.data.stereo_motorcycle()
    pair = np.stack([left[:480, :736], right[:480, :736]])
    frames = torch.from_numpy(pair).permute(0, 3, 1, 2)[None].float() / 255
    one = torch.ones(1)
    scene = Scene(frames, torch.full((1, 2, 1, 480, 736), 30.0), one * 900, one * 0.2)
    rainy = Streaks(density=4, length=25, brightness=0.6)(scene, seed=1).frames
    views = [v.permute(1, 2, 0).contiguous().numpy() for v in rainy[0]]
    cases = []
    for label, chosen in (("single", views[:1]), ("pair", views)):
        whole = np.stack(chosen)
        restore_tiled(forward, list(whole), tile=4096)
        for tile in (256, 384, 512):
            parts = np.stack(chosen)
            restore_tiled(forward, list(parts), tile=tile)
            difference = np.abs(whole - parts) * 255
            inner = difference[:, BORDER:-BORDER, BORDER:-BORDER]
            cases.append(
                {"network": f"{header.model} {header.switches}, {label}", "tile": tile,
                 "largest": float(inner.max()), "mean": float(inner.mean())}
            )  # fmt: skip
    print(table(["network", "tile", "largest", "mean"], [list(c.values()) for c in cases]))
    write("tiles", {"cases": cases})


if __name__ == "__main__":
    main()
