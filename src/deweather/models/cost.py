"""Cost of each network in floating-point operations for a pixel: counted, and as shipped in a file."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from deweather.errors import UnknownNameError

if TYPE_CHECKING:
    from deweather.models.base import Network

SHIPPED = Path(__file__).with_name("gflop.json")
"""GFLOP for a megapixel by the name of the variant; `benchmarks/cost/gflop.py` writes it."""

_SIDE = 512


def gflop_per_megapixel(name: str) -> float:
    """What a variant costs: 1e9 operations, two for a multiply-add, for 1e6 pixels of a view.

    Raises:
        UnknownNameError: no such variant.
    """
    table = _shipped()
    if name not in table:
        raise UnknownNameError("model", name, table)
    return table[name]


@cache
def _shipped() -> dict[str, float]:
    return json.loads(SHIPPED.read_text(encoding="utf-8"))


def count_gflop_per_megapixel(network: Network) -> float:
    """Count the operations of a network on 512x512 pixels, of one that compares rows a pair.

    Rows cost more where pictures are wider. A network on the device "meta" takes no time and memory.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    views = 2 if network.needs.whole_rows else 1
    parameter = next(network.parameters())
    images = parameter.new_zeros(1, views, 3, _SIDE, _SIDE)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(images)
    return counter.get_total_flops() / 1e9 / (views * _SIDE**2 / 1e6)
