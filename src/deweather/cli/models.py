"""`deweather models`: the networks, what they cost and need, and which weights there are."""

from __future__ import annotations

from typing import Any

from deweather.cli.console import say, say_json, say_table
from deweather.cli.options import Json

_SIZES = {
    "": "published size",
    "small": "compact, for a CPU or a small GPU",
    "tiny": "smallest, for trials and tests",
}
_LOCAL = "local averages: tiles agree with the whole picture"


def models(as_json: Json = False) -> None:
    """List the networks: what each is for, parameters, cost, weights, sizes, tiling, views."""
    import torch

    from deweather.models import NETWORKS, create_model, list_models
    from deweather.models.cost import gflop_per_megapixel
    from deweather.weights import list_weights
    from deweather.weights.authors import TASKS

    rows: list[dict[str, Any]] = []
    for name in list_models():
        with torch.device("meta"):  # shapes only: no memory, no random numbers
            network = create_model(name)
        needs = network.needs
        rows.append(
            {
                "name": name,
                "about": about(name),
                "parameters": sum(p.numel() for p in network.parameters()),
                "gflop_per_megapixel": gflop_per_megapixel(name),
                "weights": [w for w in list_weights() if w.partition(".")[0] == name],
                "views": sorted(network.views),
                "minimum": needs.minimum,
                "multiple": needs.multiple,
                "padding": needs.padding,
                "tile_overlap": needs.tile_overlap,
                "whole_rows": needs.whole_rows,
                "precisions": list(needs.precisions),
            }
        )
    if as_json:
        say_json(rows)
        return
    say_table(
        [
            "name",
            "parameters",
            "GFLOP per MP",
            "weights",
            "views",
            "least side (px)",
            "multiple of (px)",
            "tile overlap (px)",
        ],
        [
            (
                row["name"],
                f"{row['parameters']:,}",
                f"{row['gflop_per_megapixel']:,.0f}",
                ", ".join(w.partition(".")[2] for w in row["weights"]),
                " or ".join(map(str, row["views"])) + ("" if row["whole_rows"] else ", each alone"),
                row["minimum"],
                row["multiple"],
                row["tile_overlap"] or "whole pictures only",
            )
            for row in rows
        ],
    )
    say()
    longest = max(len(row["name"]) for row in rows)
    for family, (_, title) in NETWORKS.items():
        say(f"{family}: {title}")
        for row in rows:
            if row["name"].partition("-")[0] == family:
                say(f"  {row['name']:<{longest}}  {row['about']}")
    say()
    say("Sizes are met by padding: pictures of any size can be restored.")
    say("GFLOP per MP: 1e9 operations for 1e6 pixels of a view, two for a multiply-add.")
    say(
        f"The authors' checkpoints of {', '.join(TASKS)} are read by: deweather weights import FILE"
    )


def about(name: str) -> str:
    """What a variant is for, by its name: its size, and whether it averages locally."""
    variant = name.partition("-")[2]
    size = variant.removesuffix("local").removesuffix("-")
    phrase = _SIZES.get(size, size)
    return f"{phrase}; {_LOCAL}" if size != variant else phrase
