"""A network of NAF blocks -> a copy for inference on CPUs: the same values in half the time.

Where the time of such a network goes on a CPU, and what the copy does about it:

- Maps of full resolution lie outside of every cache, and each one freed and taken anew costs page
  faults. A block is worked through in chunks of rows that the cache holds: of all that lies between
  its input and its output only the gated map is ever whole.
- Weights and shifts of norms are folded into the convolution that follows, the scales of the two
  residual branches into the one before, and adding a branch is a part of its last convolution.
- A convolution to a few channels wastes most of a vector; it makes several pixels of a row at once.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deweather.errors import ConfigError
from deweather.nn.chunked_attention import ChunkedAttention, chunked_attention
from deweather.nn.naf import NAFBlock, simple_gate
from deweather.nn.pointwise import suits_onednn
from deweather.nn.row_chunks import row_chunks

_FEW = 48
"""Channels up to which a mean over them is quicker as a product with a vector."""

_PLACES = ([0, 0], [1, 1], [1, 1], 1)
"""Padding, stride, dilation and groups of a 1x1 convolution."""

_AT_ONCE = 4
"""Pixels of a row that a convolution to few channels makes at once; 16 numbers fill a vector."""


Module = TypeVar("Module", bound=nn.Module)


@torch.no_grad()
def prepared(network: Module) -> Module:
    """Copy a network for inference if it can be made faster so.

    Args:
        network: it is left as it is. Prepare it where it is to run: the copy stays there.

    Returns:
        For a network with NAF blocks in float32 on the CPU: a copy of its class in eval mode that gives
        the same values but for rounding, takes the same sizes, has no gradients and cannot be saved.
        Any other network itself, a prepared one, too.
    """
    parameters = list(network.parameters())
    suited = all(p.is_cpu and p.dtype == torch.float32 for p in parameters)
    if not suited or not any(isinstance(m, NAFBlock) for m in network.modules()):
        return network
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, NAFBlock):
                setattr(parent, name, FoldedNAFBlock(layer))
            elif type(layer) is nn.Conv2d and _is_narrow(layer):
                setattr(parent, name, NarrowConvolution(layer))
    return network


def _is_narrow(layer: nn.Conv2d) -> bool:
    """Whether `NarrowConvolution` does what this layer does."""
    plain = layer.groups == 1 and {*layer.stride, *layer.dilation} == {1}
    size = layer.kernel_size == (3, 3) and layer.padding == (1, 1)
    few = layer.out_channels * _AT_ONCE <= 16
    return plain and size and few and layer.padding_mode == "zeros"


class _Unsaved(nn.Module):
    """A layer whose weights are not those of the network that it was made of."""

    def _save_to_state_dict(self, *_: Any) -> None:
        raise ConfigError("a prepared network cannot be saved; save the one that it was made of.")


class NarrowConvolution(_Unsaved):
    """A 3x3 convolution to a few channels that makes `_AT_ONCE` pixels of a row at once.

    Args:
        layer: what it takes the place of; it keeps the size.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer
        wide = layer.weight.new_zeros(_AT_ONCE, *layer.weight.shape[:3], _AT_ONCE + 2)
        for i in range(_AT_ONCE):
            wide[i, ..., i : i + 3] = layer.weight
        self.wide = _fixed(wide.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        self.bias = None if layer.bias is None else _fixed(layer.bias.repeat(_AT_ONCE))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve maps: (N, C, H, W) -> (N, C', H, W)."""
        n, _, h, w = x.shape
        if w % _AT_ONCE:
            out: Tensor = self.layer(x)
            return out
        y = F.conv2d(x, self.wide, self.bias, stride=(1, _AT_ONCE), padding=1)
        # (N, AT_ONCE C', H, W / AT_ONCE): as it lies in memory, pixels come one after the other.
        return y.permute(0, 2, 3, 1).reshape(n, h, w, -1).permute(0, 3, 1, 2)


class FoldedNAFBlock(_Unsaved):
    """A NAF block of which norms and scales are folded into weights, worked through in chunks of rows.

    Args:
        block: what it takes the place of.
    """

    def __init__(self, block: NAFBlock) -> None:
        super().__init__()
        self.pool, self.eps = block.pool, block.norm1.eps
        self.expand, self.expand_bias = _after_norm(block.norm1, block.expand)
        self.mlp_in, self.mlp_in_bias = _after_norm(block.norm2, block.mlp_in)
        self.project, self.project_bias = _scaled(block.project, block.scale1)
        self.mlp_out, self.mlp_out_bias = _scaled(block.mlp_out, block.scale2)
        self.depthwise, self.attention = block.depthwise, block.attention

    def forward(self, x: Tensor) -> Tensor:
        """Refine x: (N, C, H, W) -> (N, C, H, W)."""
        x = x.contiguous(memory_format=torch.channels_last)
        out = torch.empty_like(x)
        # Rows of one sample lie in one piece.
        for sample, result in zip(torch.split(x, 1), torch.split(out, 1), strict=True):
            self._merge(sample, result, self._mix(sample, result))
        return out

    def _mix(self, x: Tensor, gated: Tensor) -> ChunkedAttention:
        """The first half of the block up to its gate, into `gated`, and the attention to it."""
        height = x.shape[2]
        attention = chunked_attention(self.pool, x)
        for top, stop in row_chunks(x, self.pool.cell):
            first, last = max(top - 1, 0), min(stop + 1, height)
            y = _normalised(x[:, :, first:last], self.eps)
            y = _convolve(y, self.expand, self.expand_bias)
            y = self.depthwise(y)[:, :, top - first : stop - first]
            a, b = y.chunk(2, dim=1)
            attention.add(torch.mul(a, b, out=gated[:, :, top:stop]), top)
        attention.finish(self.attention)
        return attention

    def _merge(self, x: Tensor, gated: Tensor, attention: ChunkedAttention) -> None:
        """The second half of the block, from `gated` into `gated`."""
        for top, stop in row_chunks(x, self.pool.cell):
            y = gated[:, :, top:stop]
            attended = attention.attend(y, top)
            y.copy_(x[:, :, top:stop])
            _add_convolved_(y, attended, self.project, self.project_bias)
            z = _convolve(_normalised(y, self.eps), self.mlp_in, self.mlp_in_bias)
            _add_convolved_(y, simple_gate(z), self.mlp_out, self.mlp_out_bias)


def _fixed(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight, requires_grad=False)


def _after_norm(norm: nn.LayerNorm, conv: nn.Conv2d) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias of a 1x1 convolution that meets what the norm did not yet weight and shift."""
    shift = conv.weight[:, :, 0, 0] @ norm.bias
    return _fixed(conv.weight * norm.weight.view(1, -1, 1, 1)), _fixed(_bias(conv) + shift)


def _scaled(conv: nn.Conv2d, scale: Tensor) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias of a convolution whose result is multiplied by a scale (1, C, 1, 1)."""
    return _fixed(conv.weight * scale.view(-1, 1, 1, 1)), _fixed(_bias(conv) * scale.flatten())


def _bias(conv: nn.Conv2d) -> Tensor:
    return conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias


def _convolve(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolve maps by 1x1: (1, C, H, W) -> (1, C', H, W), channels last."""
    if suits_onednn(x):
        # Whatever the number of threads: conv2d would take a slow kernel if it has one.
        return torch.mkldnn_convolution(x, weight, bias, *_PLACES)
    return F.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)


def _add_convolved_(total: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> None:
    """Add maps convolved by 1x1 in place."""
    if suits_onednn(x):
        # What torch's own compiler gives its graphs for CPUs: no sum is read and written again.
        operators: Any = torch.ops.mkldnn
        add = operators._convolution_pointwise_.binary
        add(total, x, weight, bias, *_PLACES, "add", 1.0, None, [], None)
    else:
        total += _convolve(x, weight, bias)


def _normalised(x: Tensor, eps: float) -> Tensor:
    """Give the channels of every pixel of (1, C, H, W) mean 0 and variance 1.

    torch's layer norm takes three times as long where channels are few.
    """
    _, c, h, w = x.shape
    tokens = x.permute(0, 2, 3, 1).reshape(-1, c)
    tokens = tokens - _means(tokens)
    tokens *= _means(tokens * tokens).add_(eps).rsqrt_()
    return tokens.view(1, h, w, c).permute(0, 3, 1, 2)


def _means(tokens: Tensor) -> Tensor:
    """Average over channels: (P, C) -> (P, 1)."""
    channels = tokens.shape[1]
    if channels > _FEW:
        return tokens.mean(1, keepdim=True)
    return torch.mv(tokens, tokens.new_full((channels,), 1 / channels))[:, None]
