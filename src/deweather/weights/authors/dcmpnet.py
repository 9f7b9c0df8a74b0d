"""DCMPNet: the key names of the authors' checkpoints and ours.

There are two kinds of checkpoint: that of the dehazing network, which holds all that restoring needs,
and that of the depth network which is its partner in training. Most tensors are only renamed. Queries,
keys and values become one projection. A bias before a batch norm is subtracted from the running mean,
which is the same to every picture; biases before an instance norm or a softmax are dropped, as they
are the same to every picture as zeros.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from deweather.errors import UnknownNameError
from deweather.models import Network, create_model
from deweather.models.dcmpnet import DCMPNetDepth

UNUSED: tuple[re.Pattern[str], ...] = (
    re.compile(r"(conv11|conv22|conv_fu|ccc|fuse_conv1\.0)\.(weight|bias)"),
    re.compile(r"fuse_conv[23]\.0\.bias"),
    re.compile(r"legm[1-5]\.blocks\.\d+\.attn\.attn\.meta\.2\.bias"),
    re.compile(r"legm[1-5]\.blocks\.\d+\.attn\.attn\.relative_positions"),
)
"""Authors' tensors that change no picture: layers that are never used, biases that cancel, and tables
of distances in a window, which are the same in every checkpoint. Full matches are dropped."""

_PLACES = {
    "patch_embed.proj": "embed",
    "conv1": "joins.0",
    "conv2": "joins.1",
    "conv3": "joins.2",
    "conv4": "joins.3",
    "conv5": "joins.4",
    "patch_merge1.proj": "downs.0",
    "patch_merge2.proj": "downs.1",
    "ca.0": "fusion.weigh.0",
    "ca.2": "fusion.weigh.2",
    "fuse_conv2.0": "fusion.to_half",
    "fuse_conv3.0": "fusion.to_quarter",
    "conv_d1": "gathers.0",
    "conv_d2": "gathers.1",
    "patch_split1.proj.0": "ups.0.0",
    "patch_split2.proj.0": "ups.1.0",
    "skip2": "gates.0.skip",
    "skip1": "gates.1.skip",
    "mfm1.mlp.0": "gates.0.choose.0",
    "mfm1.mlp.2": "gates.0.choose.2",
    "mfm2.mlp.0": "gates.1.choose.0",
    "mfm2.mlp.2": "gates.1.choose.2",
    "patch_unembed.proj.0": "predict",
    "Unet1.outc": "unet.picture",
    "d1_conv": "guides.0",
    "d2_conv": "guides.1",
    "d3_conv": "guides.2",
}

_BLOCK = {
    "norm1": "norm",
    "norm1.meta1": "norm.rescale",
    "norm1.meta2": "norm.rebias",
    "attn.conv": "local",
    "attn.QK": "queries_keys",
    "attn.V": "values",
    "attn.proj": "project_out",
    "attn.attn.meta.0": "bias.hidden",
    "attn.attn.meta.2": "bias.score",
    "mlp.mlp.0": "expand",
    "mlp.mlp.2": "reduce",
}

_UNET = {
    "inc": "encoders.0",
    **{f"down{n}.mpconv.1": f"encoders.{n}" for n in (1, 2, 3, 4)},
    **{f"up{n}.conv": f"decoders.{n - 1}" for n in (1, 2, 3, 4)},
}

_UNET_PART = {"0": "first.conv", "1": "first.norm", "3": "second.conv", "4": "second.norm"}

_DEPTH = {
    **{f"conv{n}": 2 * n - 1 for n in (1, 2, 3, 4)},
    **{f"up{n}": 2 * n + 7 for n in (1, 2, 3, 4)},
    "final_conv": 16,
}
"""Places of the depth network's convolutions in our chain; dense block n stands at 2 (n - 1)."""

_TENSOR = re.compile(r"(.+)\.(weight|bias|running_mean|running_var|num_batches_tracked)")
_BLOCK_LAYER = re.compile(r"legm([1-5])\.blocks\.(\d+)\.(.+)")
_UNET_LAYER = re.compile(r"Unet1\.(\w+(?:\.\w+)*)\.conv\.([0134])")
_DENSE_LAYER = re.compile(r"(?:dpn\.DRDB_layer([1-8])|drdb)\.(?:Dcov([1-5])|conv)")


def _is_depth(keys: Iterable[str]) -> bool:
    """Whether keys are those of the depth network's own checkpoint."""
    return {"DRDB_layer1.Dcov1.weight", "final_conv.weight"} <= set(keys)


def build(state: Mapping[str, Any], as_released: bool, **finer: Any) -> Network:
    """A fresh network for a checkpoint in the authors' key names.

    Raises:
        UnknownNameError: a switch that the network does not have; the depth network has none and
            is the same whether as released or not.
    """
    if not _is_depth(state):
        return create_model("dcmpnet", as_released=as_released, **finer)
    for switch in finer:
        raise UnknownNameError("switch of DCMPNet's depth network", switch, [])
    return DCMPNetDepth()


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename and merge the tensors of a checkpoint: unknown ones go to "?" + their own name.

    What is merged of two tensors is left out if one of them is missing or does not fit the other.
    """
    if _is_depth(state):
        named = {k: _renamed(f"dpn.{k}") for k in state}
        return {named[k] or f"?{k}": tensor for k, tensor in state.items()}
    ours = {
        _renamed(k) or f"?{k}": tensor
        for k, tensor in state.items()
        if not any(p.fullmatch(k) for p in UNUSED)
    }
    for key in [k for k in ours if ".values." in k]:
        value, rest = ours.pop(key), ours.pop(key.replace(".values.", ".queries_keys."), None)
        joined = key.replace(".values.", ".project_in.")
        if rest is None:
            ours[joined] = value
        elif rest.shape[1:] == value.shape[1:]:
            ours[joined] = torch.cat([rest, value])
    for key in [k for k in ours if k.endswith(".running_mean")]:
        mean, bias = ours.pop(key), ours.pop(key.replace("norm.running_mean", "conv.bias"), None)
        if bias is not None and bias.shape == mean.shape:
            ours[key] = mean - bias
    return ours


def _renamed(key: str) -> str | None:
    """Our key for one of theirs, or None for a key that their network does not have."""
    match = _TENSOR.fullmatch(key)
    place = _layer(match[1]) if match else None
    return f"{place}.{match[2]}" if match and place else None


def _layer(name: str) -> str | None:
    """Our name of one of their layers, or None for one that their network does not have."""
    if match := _BLOCK_LAYER.fullmatch(name):
        layer = _BLOCK.get(match[3])
        return f"stages.{int(match[1]) - 1}.{match[2]}.{layer}" if layer else None
    if match := _UNET_LAYER.fullmatch(name):
        level = _UNET.get(match[1])
        return f"unet.{level}.{_UNET_PART[match[2]]}" if level else None
    if match := _DENSE_LAYER.fullmatch(name):
        block = f"depth.{2 * int(match[1]) - 2}" if match[1] else "refine_depth"
        return f"{block}.layers.{int(match[2]) - 1}" if match[2] else f"{block}.fuse"
    if name.startswith("dpn."):
        place = _DEPTH.get(name.removeprefix("dpn."))
        return f"depth.{place}" if place is not None else None
    return _PLACES.get(name)
