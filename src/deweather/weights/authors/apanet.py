"""APANet: the key names of the authors' checkpoints and ours.

Theirs name levels (`encoder_level2.3`, `latent.0`, `up4_3`), ours count groups of blocks in the order
in which they run (`encoders.1.3`, `middle.0`, `ups.0`). Tensors are taken as they are, but for 1x1
convolutions inside of blocks, which are linear layers here, and scales, which are plain vectors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

UNUSED: tuple[re.Pattern[str], ...] = (
    re.compile(
        r"(encoder_level[123]|latent|decoder_level[123])\.\d+\.spatial_block\.norm1\.body\.bias"
    ),
)
"""Authors' parameters that cannot change their output: full matches of these are dropped."""

_OUTER = {
    "project_in.weight": "extract.weight",
    "project_in.bias": "extract.bias",
    "down1_2.body.0.weight": "downs.0.0.weight",
    "down2_3.body.0.weight": "downs.1.0.weight",
    "down3_4.body.0.weight": "downs.2.0.weight",
    "up4_3.body.0.weight": "ups.0.0.weight",
    "up3_2.body.0.weight": "ups.1.0.weight",
    "up2_1.body.0.weight": "ups.2.0.weight",
    "reduce_chan_level3.weight": "merges.0.weight",
    "reduce_chan_level3.bias": "merges.0.bias",
    "reduce_chan_level2.weight": "merges.1.weight",
    "reduce_chan_level2.bias": "merges.1.bias",
    "project_out.weight": "predict.weight",
    "project_out.bias": "predict.bias",
}

_GROUPS = {
    **{f"encoder_level{n}": f"encoders.{n - 1}" for n in (1, 2, 3)},
    "latent": "middle",
    **{f"decoder_level{n}": f"decoders.{3 - n}" for n in (1, 2, 3)},
}

_AS_IS = {
    "spatial_block.norm1.body.weight": "memory.norm.weight",
    "spatial_block.attn.EAttentionBlock.mk.weight": "memory.keys",
    "spatial_block.attn.EAttentionBlock.mv.weight": "memory.values",
    "spatial_block.norm2.body.weight": "mlp.norm.weight",
    "spatial_block.norm2.body.bias": "mlp.norm.bias",
    "spatial_block.ffn.project_in.bias": "mlp.expand.bias",
    "spatial_block.ffn.dwconv.weight": "mlp.depthwise.weight",
    "spatial_block.ffn.dwconv.bias": "mlp.depthwise.bias",
    "spatial_block.ffn.project_out.bias": "mlp.project.bias",
    "stereo_block.norm_l.weight": "stereo.left.norm.weight",
    "stereo_block.norm_l.bias": "stereo.left.norm.bias",
    "stereo_block.norm_r.weight": "stereo.right.norm.weight",
    "stereo_block.norm_r.bias": "stereo.right.norm.bias",
    "stereo_block.l_proj1.bias": "stereo.left.query.bias",
    "stereo_block.r_proj1.bias": "stereo.right.query.bias",
    "stereo_block.l_proj2.bias": "stereo.left.value.bias",
    "stereo_block.r_proj2.bias": "stereo.right.value.bias",
}

_LINEAR = {
    "spatial_block.ffn.project_in.weight": "mlp.expand.weight",
    "spatial_block.ffn.project_out.weight": "mlp.project.weight",
    "stereo_block.l_proj1.weight": "stereo.left.query.weight",
    "stereo_block.r_proj1.weight": "stereo.right.query.weight",
    "stereo_block.l_proj2.weight": "stereo.left.value.weight",
    "stereo_block.r_proj2.weight": "stereo.right.value.weight",
}
"""(C', C, 1, 1) there, (C', C) here."""

_SCALES = {
    "spatial_block.beta": "memory.scale",
    "spatial_block.gamma": "mlp.scale",
    "stereo_block.beta": "stereo.left.scale",
    "stereo_block.gamma": "stereo.right.scale",
}
"""(1, C, 1, 1) there, (C,) here."""

_BLOCK_KEY = re.compile(r"([a-z]+(?:_level\d)?)\.(0|[1-9]\d*)\.(.+)")


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename and reshape the tensors of a checkpoint: used ones to our keys, unknown ones to "?key".

    A tensor that does not have the shape of its kind keeps a shape that fits nothing here, so that
    loading reports it.
    """
    translated = {}
    for key, tensor in state.items():
        if not any(pattern.fullmatch(key) for pattern in UNUSED):
            ours, value = _translated(key, tensor)
            translated[ours] = value
    return translated


def _translated(key: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Our key and tensor for one of theirs."""
    if key in _OUTER:
        return _OUTER[key], tensor
    match = _BLOCK_KEY.fullmatch(key)
    if match and match[1] in _GROUPS:
        place, inside = f"{_GROUPS[match[1]]}.{match[2]}", match[3]
        if inside in _AS_IS:
            return f"{place}.{_AS_IS[inside]}", tensor
        if inside in _LINEAR:
            return f"{place}.{_LINEAR[inside]}", _flat(tensor)
        if inside in _SCALES:
            return f"{place}.{_SCALES[inside]}", _flat(tensor, 1)
    return f"?{key}", tensor


def _flat(tensor: Tensor, first: int | None = None) -> Tensor:
    """(A, B, 1, 1) -> (A, B), or (1, B, 1, 1) -> (B,) if `first` is 1.

    Another shape gains a dimension, which fits no linear layer and no vector.
    """
    if tensor.ndim != 4 or tensor.shape[2:] != (1, 1) or first not in (None, tensor.shape[0]):
        return tensor[None]
    return tensor[:, :, 0, 0] if first is None else tensor[0, :, 0, 0]
