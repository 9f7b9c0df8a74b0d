"""The block of DehazeFormer (Song et al., arXiv 2204.03883), in the form that DCMPNet gave it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deweather.nn.window_attention import DistanceBias, window_attention


def _init(weight: Tensor, gain: float) -> None:
    """Fill the weight of a convolution as published: truncated normal, scaled by its fans."""
    area = weight[0, 0].numel()
    deviation = gain * (2 / (area * (weight.shape[0] + weight.shape[1]))) ** 0.5
    nn.init.trunc_normal_(weight, std=deviation)


class JointNorm(nn.Module):
    """Normalises a map over channels and pixels together, and makes what undoes it.

    Args:
        channels: C of the map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.rescale = nn.Conv2d(1, channels, 1)
        self.rebias = nn.Conv2d(1, channels, 1)
        for conv, bias in ((self.rescale, 1.0), (self.rebias, 0.0)):
            nn.init.trunc_normal_(conv.weight, std=0.02)
            nn.init.constant_(conv.bias, bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, C, H, W) -> the same normalised, and scale and shift (N, C, 1, 1) for later."""
        mean = x.mean((1, 2, 3), keepdim=True)
        centred = x - mean
        deviation = (centred.square().mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()
        y = torch.addcmul(self.bias, centred, self.weight / deviation)
        return y, self.rescale(deviation), self.rebias(mean)


class MixingBlock(nn.Module):
    """Mixes pixels by a depthwise convolution and, in some blocks, window attention; then an MLP.

    Args:
        channels: C of the map.
        heads: of the attention; 0 leaves out attention and norm.
        shifted: whether the windows are moved by half their side.
        ratio: hidden channels of the MLP, in units of C.
        bias_hidden: hidden channels of the MLP of the attention's bias.
        gain: of the initial weights.
    """

    def __init__(
        self, channels: int, heads: int, shifted: bool, ratio: int, bias_hidden: int, gain: float
    ) -> None:
        super().__init__()
        self.shifted = shifted
        self.norm = JointNorm(channels) if heads else None
        self.bias = DistanceBias(heads, bias_hidden) if heads else None
        self.project_in = nn.Conv2d(channels, 3 * channels if heads else channels, 1)
        self.local = nn.Conv2d(channels, channels, 5, groups=channels)
        self.project_out = nn.Conv2d(channels, channels, 1)
        self.expand = nn.Conv2d(channels, ratio * channels, 1)
        self.reduce = nn.Conv2d(ratio * channels, channels, 1)
        with torch.no_grad():
            for conv in (self.local, self.project_out, self.expand, self.reduce):
                _init(conv.weight, gain)
            _init(self.project_in.weight[-channels:], gain)  # values; before them queries and keys
            if heads:
                _init(self.project_in.weight[:-channels], 1.0)
        for layer in self.children():
            if isinstance(layer, nn.Conv2d):
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def _mix(self, x: Tensor) -> Tensor:
        """What the pixels around add: (N, C, H, W) -> (N, C, H, W)."""
        if self.norm is None or self.bias is None:
            value = self.project_in(x)
            return self.project_out(self.local(F.pad(value, (2, 2, 2, 2), mode="reflect")))
        y, scale, shift = self.norm(x)
        qkv = self.project_in(y)
        value = qkv[:, -x.shape[1] :]
        y = self.local(F.pad(value, (2, 2, 2, 2), mode="reflect"))
        y.add_(window_attention(qkv, self.bias(), self.shifted))
        return torch.addcmul(shift, self.project_out(y), scale)

    def forward(self, x: Tensor) -> Tensor:
        """Refine x: (N, C, H, W) -> (N, C, H, W)."""
        # What is overwritten is new, and no gradient needs it as it was.
        x = self._mix(x).add_(x)
        return self.reduce(F.relu(self.expand(x), inplace=True)).add_(x)
