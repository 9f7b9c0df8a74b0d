"""The transformer block of pyramid vision transformers, on tokens that stay in their grid.

Tokens are (N, H, W, C), which is a channels-last map (N, C, H, W) seen from the other side: linear
layers and norms take the one, convolutions the other, and nothing is copied in between. The parts
are those of PVT and SegFormer (arXiv 2102.12122, 2105.15203).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deweather.nn.pointwise import Pointwise


def to_nhwc(x: Tensor) -> Tensor:
    """A map (N, C, H, W) as tokens (N, H, W, C), without a copy."""
    return x.permute(0, 2, 3, 1)


def to_nchw(x: Tensor) -> Tensor:
    """Tokens (N, H, W, C) as a map (N, C, H, W), without a copy."""
    return x.permute(0, 3, 1, 2)


def attend(query: Tensor, key_value: Tensor, heads: int) -> Tensor:
    """softmax(Q Kᵀ / √d) V by heads, each of neighbouring channels; the map is never stored.

    Args:
        query: (N, L, C).
        key_value: (N, M, 2C), keys before values.
        heads: number of heads; d = C / heads.

    Returns:
        (N, L, C).
    """
    n, _, c = query.shape
    q = query.reshape(n, -1, heads, c // heads).transpose(1, 2)
    k, v = key_value.reshape(n, -1, 2, heads, c // heads).permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


class ReducedAttention(nn.Module):
    """Every token attends to keys, of which squares of `reduction` x `reduction` tokens make one."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Pointwise(channels, channels)
        self.reduce: nn.Conv2d | None = None
        if reduction > 1:
            self.reduce = nn.Conv2d(channels, channels, reduction, stride=reduction)
            self.norm = nn.LayerNorm(channels)
        self.key_value = Pointwise(channels, 2 * channels)
        self.project = Pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Mix tokens: (N, H, W, C) -> (N, H, W, C); H and W are at least `reduction`."""
        source = x if self.reduce is None else self.norm(to_nhwc(self.reduce(to_nchw(x))))
        query = self.query(x).flatten(1, 2)
        out = attend(query, self.key_value(source).flatten(1, 2), self.heads)
        return self.project(out.view(x.shape))


class TokenMLP(nn.Module):
    """Two linear layers; in between a depthwise 3x3 convolution and a GELU."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.expand = Pointwise(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.project = Pointwise(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Refine tokens: (N, H, W, C) -> (N, H, W, C)."""
        return self.project(F.gelu(to_nhwc(self.depthwise(to_nchw(self.expand(x))))))


class DropPath(nn.Module):
    """Leaves a branch out for a share of the samples in training (arXiv 1603.09382)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Branch x (N, ...): in training zero or scaled up to keep the mean, else as it is."""
        if not self.training or self.share == 0:
            return x
        kept = torch.rand((len(x),) + (1,) * (x.ndim - 1), device=x.device) >= self.share
        return x * kept.to(x.dtype) / (1 - self.share)


class TransformerBlock(nn.Module):
    """Attention, then an MLP, each on normalised tokens and added to them.

    Args:
        channels: C of the tokens.
        attention: takes tokens (N, H, W, C) and gives such.
        ratio: hidden width of the MLP in units of C.
        drop_path: share of the samples for which a branch is left out in training.
    """

    def __init__(
        self, channels: int, attention: nn.Module, ratio: int, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attention = attention
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = TokenMLP(channels, ratio * channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Refine tokens: (N, H, W, C) -> (N, H, W, C)."""
        x = x + self.drop_path(self.attention(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class TransformerStage(nn.Module):
    """A strided convolution into tokens (`embed`), then transformer blocks and a norm (`refine`)."""

    def __init__(
        self, channels: tuple[int, int], kernel: int, stride: int, blocks: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        before, after = channels
        self.proj = nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2)
        self.proj_norm = nn.LayerNorm(after)
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(after, eps=1e-6)

    def embed(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, ⌈H/stride⌉, ⌈W/stride⌉, C')."""
        return self.proj_norm(to_nhwc(self.proj(x)))

    def refine(self, x: Tensor) -> Tensor:
        """(N, H, W, C') -> (N, C', H, W)."""
        return to_nchw(self.norm(self.blocks(x)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', ⌈H/stride⌉, ⌈W/stride⌉)."""
        return self.refine(self.embed(x))


def fresh_transformer(module: nn.Module) -> None:
    """Draw a module's fresh weights as PVT does; for `Module.apply`.

    Linear layers get a truncated normal of 0.02, convolutions He's normal by fan-out, biases 0.
    """
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]
