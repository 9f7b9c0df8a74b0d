"""PSIDNet: the key names of the authors' checkpoints and ours.

Theirs number layers by hand (`enc_stage2.layer7_1.0.weight`) and name the cross-view modules after
stage and part (`fuse_lv3_4`); ours count (`halves.encoder.7.conv1.weight`,
`quarters.cross_views.3`). Every used tensor is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

UNUSED: tuple[re.Pattern[str], ...] = (
    re.compile(r"lv[123]_downchans\.main\.0\.(weight|bias)"),
    re.compile(r"enc_stage[123]\.layer(3|7|11)_2\.[02]\.(weight|bias)"),
    re.compile(r"dec_stage[123]\.layer(14|18|22)_2\.[02]\.(weight|bias)"),
)
"""Authors' parameters that their forward pass never touches: full matches of these are dropped."""

_STAGES = {"1": "quarters", "2": "halves", "3": "full"}
_SIDES = {"enc": "encoder", "dec": "decoder"}

_LAYERS = {
    "enc": ("1", "2", "3", "3_1", "5", "6", "7", "7_1", "9", "10", "11", "11_1"),
    "dec": ("13", "14", "14_1", "16", "17", "18", "18_1", "20", "21", "22", "22_1", "24"),
}
"""The authors' layer numbers in the order in which the layers run: ours are their places."""

_SINGLE = {"1", "5", "9", "16", "20", "24"}
"""Plain convolutions; every other layer is a residual pair of two numbered ones."""

_PAIR = {"0.": "conv1.", "2.": "conv2."}

_PARTS = {
    **{f"lv3_{n}": f"quarters.cross_views.{n - 1}" for n in (1, 2, 3, 4)},
    **{f"lv2_{n}": f"halves.cross_views.{n - 1}" for n in (1, 2)},
    "lv1": "full.cross_views.0",
}

_CROSS_VIEW = {
    "downchans.main.0.weight": "merge.weight",
    "downchans.main.0.bias": "merge.bias",
    "se.fc.0.weight": "gate.0.weight",
    "se.fc.2.weight": "gate.2.weight",
    "qk_conv.main.0.weight": "match.weight",
    "qk_conv.main.0.bias": "match.bias",
}

_CODER_KEY = re.compile(r"(enc|dec)_stage([123])\.layer(\d+(?:_\d)?)\.([02]\.)?(weight|bias)")
_CROSS_KEY = re.compile(r"fuse_(lv\d(?:_\d)?)\.(.+)")


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a checkpoint: used ones to our keys, unknown ones to "?" + their own."""
    unused = {k for k in state if any(p.fullmatch(k) for p in UNUSED)}
    return {_renamed(k) or f"?{k}": tensor for k, tensor in state.items() if k not in unused}


def _renamed(key: str) -> str | None:
    """Our key for one of theirs, or None for a key that their network does not have."""
    if match := _CROSS_KEY.fullmatch(key):
        part, tensor = _PARTS.get(match[1]), _CROSS_VIEW.get(match[2])
        return f"{part}.{tensor}" if part and tensor else None
    match = _CODER_KEY.fullmatch(key)
    if not match:
        return None
    side, stage, layer, convolution, tensor = match.groups()
    if layer not in _LAYERS[side] or (layer in _SINGLE) != (convolution is None):
        return None
    place = _LAYERS[side].index(layer)
    within = _PAIR[convolution] if convolution else ""
    return f"{_STAGES[stage]}.{_SIDES[side]}.{place}.{within}{tensor}"
