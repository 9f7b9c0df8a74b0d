"""Operations of every variant of every network, into the file that the package ships.

    python benchmarks/cost/gflop.py

`deweather models` shows the figures; a test counts them again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from deweather.models import create_model, list_models
from deweather.models.cost import SHIPPED, count_gflop_per_megapixel

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import table


def main() -> None:
    """Count, print a table, write the file."""
    found = {}
    for name in list_models():
        with torch.device("meta"):  # shapes only: nothing is computed
            found[name] = round(count_gflop_per_megapixel(create_model(name).eval()), 1)
    print(table(["network", "GFLOP per MP"], [[name, f"{n:.1f}"] for name, n in found.items()]))
    SHIPPED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
