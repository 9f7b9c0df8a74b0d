"""KA-Net: the key names of the authors' checkpoint and ours.

Theirs number stages and side paths (`block2.0`, `patch_block2.0`, `pnorm2`), ours count them
(`encoder.stages.1.blocks.0`, `encoder.sides.1.blocks.0`, `encoder.sides.1.norm`). Every used tensor
is taken as it is. Theirs hold no Fourier features, because they are drawn anew at every call; a
network built here keeps those that are given, else the ones of its seed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from deweather.models import Network, create_model

UNUSED: tuple[re.Pattern[str], ...] = (
    re.compile(r"Tencoder\.mini_patch_embed4\.(proj|norm)\.(weight|bias)"),
    re.compile(r"convtail\.conv_output\.conv2d\.(weight|bias)"),
)
"""Authors' parameters that their forward pass never touches: full matches of these are dropped."""

FOURIER = {"rff.weight": (512, 64), "rff.bias": (512,)}
"""Names, beside the authors' keys, and shapes of the Fourier features: frequencies and phases."""

_SWITCHES = {"redraw_fourier": False}
"""Switches that hold even with `as_released`, unless asked for otherwise: features are kept."""

_BLOCK = (
    (r"(norm[12])\.", r"\1."),
    (r"attn\.(task_query)$", r"attention.\1"),
    (r"attn\.q\.", "attention.query."),
    (r"attn\.kv\.", "attention.key_value."),
    (r"attn\.proj\.", "attention.project."),
    (r"attn\.sr\.", "attention.reduce."),
    (r"attn\.norm\.", "attention.norm."),
    (r"mlp\.fc1\.", "mlp.expand."),
    (r"mlp\.dwconv\.dwconv\.", "mlp.depthwise."),
    (r"mlp\.fc2\.", "mlp.project."),
)
_EMBEDDING = {"proj": "proj", "norm": "proj_norm"}
_REMOVAL = (
    (r"conv([12])\.", r"conv\1."),
    (r"MRFEB1\.faix\.", "squeeze."),
    (r"MRFEB1\.AGB\.fc\.", "gate."),
    (r"MRFEB1\.AGB\.conv_out\.", "join."),
)
_BRANCH = (
    (r"DFconv1\.", "near."),
    (r"DFconv2\.", "far."),
    (r"conv_cat\.", "join."),
    (r"AM\.CAU\.fc\.", "attention.pooled_gate."),
    (r"AM\.CAU\.fc1\.", "attention.local_gate."),
    (r"AM\.SAU\.conv_1\.", "attention.summary."),
    (r"AM\.SAU\.conv_sigm\.", "attention.pixel_gate."),
    (r"AM\.conv_out\.", "attention.join."),
)
_UPS = {size: i for i, size in enumerate((32, 16, 8, 4, 2, 1))}
_FEATURES = {"rff.weight": "removal.fourier.frequencies", "rff.bias": "removal.fourier.phases"}


def build(state: Mapping[str, Tensor], as_released: bool, **switches: Any) -> Network:
    """The network to fill: its Fourier features are fixed, unless `redraw_fourier` says otherwise."""
    return create_model("kanet", as_released=as_released, **{**_SWITCHES, **switches})


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a checkpoint: used ones to our keys, unknown ones to "?" + their own."""
    unused = {k for k in state if any(p.fullmatch(k) for p in UNUSED)}
    return {_renamed(k) or f"?{k}": tensor for k, tensor in state.items() if k not in unused}


def _renamed(key: str) -> str | None:
    """Our key for one of theirs, or None for a key that their network does not have."""
    if key in _FEATURES:
        return _FEATURES[key]
    part, _, rest = key.partition(".")
    rename = {
        "Tencoder": _encoder,
        "Tdecoder": _decoder,
        "block": _removal,
        "convtail": _tail,
        "clean": _head,
    }.get(part)
    return rename(rest) if rename else None


def _first(rules: Iterable[tuple[str, str]], prefix: str, rest: str) -> str | None:
    """`prefix` and the first rule's replacement of the start of `rest`, or None if none fits."""
    for pattern, replacement in rules:
        renamed, hits = re.subn(f"^{pattern}", replacement, rest)
        if hits:
            return prefix + renamed
    return None


def _stage(prefix: str, kind: str, rest: str) -> str | None:
    """A key within a stage; `kind` says which of its parts `rest` is in."""
    if kind == "patch_embed":
        layer, _, tensor = rest.partition(".")
        return f"{prefix}{_EMBEDDING[layer]}.{tensor}" if layer in _EMBEDDING else None
    if kind == "norm":
        return f"{prefix}norm.{rest}"
    block, _, rest = rest.partition(".")
    return _first(_BLOCK, f"{prefix}blocks.{block}.", rest)


def _encoder(key: str) -> str | None:
    if match := re.fullmatch(r"(patch_embed|block|norm)([1-4])\.(.+)", key):
        return _stage(f"encoder.stages.{int(match[2]) - 1}.", match[1], match[3])
    if match := re.fullmatch(r"(?:mini_(patch_embed)|patch_(block)|p(norm))([1-3])\.(.+)", key):
        kind = match[1] or match[2] or match[3]
        return _stage(f"encoder.sides.{int(match[4]) - 1}.", kind, match[5])
    return None


def _decoder(key: str) -> str | None:
    match = re.fullmatch(r"(patch_embed|block|norm)1\.(.+)", key)
    return _stage("decoder.stage.", match[1], match[2]) if match else None


def _removal(key: str) -> str | None:
    if match := re.fullmatch(r"MRFEB1\.MRFRB_([123])\.(.+)", key):
        return _first(_BRANCH, f"removal.branches.{int(match[1]) - 1}.", match[2])
    return _first(_REMOVAL, "removal.", key)


def _tail(key: str) -> str | None:
    if match := re.fullmatch(r"convd(32|16|8|4|2|1)x\.conv2d\.(.+)", key):
        return f"tail.ups.{_UPS[int(match[1])]}.{match[2]}"
    if match := re.fullmatch(r"dense_([1-4])\.0\.(conv[12])\.conv2d\.(.+)", key):
        return f"tail.units.{5 - int(match[1])}.{match[2]}.{match[3]}"
    return None


def _head(key: str) -> str | None:
    match = re.fullmatch(r"conv2d\.(.+)", key)
    return f"tail.head.{match[1]}" if match else None
