"""Weights of convolutions in the order that the kernels of CPUs read them in."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from deweather.errors import ConfigError
from deweather.nn.pointwise import Pointwise, as_convolution


class PackedConvolution(nn.Module):
    """A 2-D convolution for inference alone, or a linear layer over the channels of tokens.

    Args:
        layer: what it takes the place of.
        shape: of the maps (N, C, H, W) that it is to meet; others may take longer.
    """

    def __init__(self, layer: nn.Conv2d | Pointwise, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.tokens = isinstance(layer, Pointwise)
        self.bias = layer.bias
        weight, self.places = layer.weight, ([0, 0], [1, 1], [1, 1], 1)
        if isinstance(layer, nn.Conv2d):
            pad = [int(n) for n in layer.padding]
            self.places = (pad, [*layer.stride], [*layer.dilation], layer.groups)
        else:
            weight = weight[:, :, None, None]
        operators: Any = torch.ops.mkldnn  # what torch's own compiler gives its graphs for CPUs
        self._convolve = operators._convolution_pointwise
        self.weight = operators._reorder_convolution_weight(weight, *self.places, [*shape])

    def _save_to_state_dict(self, *_: Any) -> None:
        # torch would leave the weights out and say nothing.
        raise ConfigError("a packed network cannot be saved; save the one that it was made of.")

    def forward(self, x: Tensor) -> Tensor:
        """Do what the layer does."""
        x = x.permute(0, 3, 1, 2) if self.tokens else x
        out = self._convolve(x, self.weight, self.bias, *self.places, "none", [], "")
        return out.permute(0, 2, 3, 1) if self.tokens else out


@torch.no_grad()
def packed(network: nn.Module, frames: Tensor) -> nn.Module:
    """Copy a network for inference on CPUs, its weights in the order that oneDNN wants.

    It wants another order than torch keeps, and would make it anew at every call: a fifth of the
    time of KA-Net on a small picture, nothing on a large one. Other networks gain little, and
    StereoIRR, whose layers then want their maps in another order, too, takes longer. The copy gives
    the same values. It has no gradients and cannot be saved or moved to another device or dtype.

    Args:
        network: on the CPU, in float32; it is left as it is.
        frames: what is to be restored later, or something of its shape; the network is run on it.

    Returns:
        The copy, in eval mode; where torch has no oneDNN, with its weights as they were.

    Raises:
        ConfigError: the network is packed already, not on the CPU or not in float32.
    """
    if any(isinstance(m, PackedConvolution) for m in network.modules()):
        raise ConfigError("the network is packed already; use it as it is, or pack the original.")
    for name, tensor in network.named_parameters():
        if not tensor.is_cpu or tensor.dtype != torch.float32:
            raise ConfigError(
                f"{name} is {tensor.dtype} on {tensor.device}; pack networks in float32 on the CPU: "
                "network.float().cpu()."
            )
    network = copy.deepcopy(network).eval().requires_grad_(False)
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return network
    met: dict[nn.Module, tuple[int, ...]] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        met[layer] = tuple(inputs[0].shape)

    kinds = (nn.Conv2d, Pointwise)
    hooks = [m.register_forward_pre_hook(note) for m in network.modules() if type(m) in kinds]
    network(frames)
    for hook in hooks:
        hook.remove()
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if layer not in met:
                continue
            n, *sides, last = met[layer]
            if isinstance(layer, Pointwise) and as_convolution(frames.new_empty(met[layer])):
                setattr(parent, name, PackedConvolution(layer, (n, last, *sides)))
            elif isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros":
                setattr(parent, name, PackedConvolution(layer, met[layer]))
    return network
