"""KA-Net's removal block: a feature map -> the map without the marks of haze.

Random Fourier features feed the first of three dilated branches; each branch is gated by channels and
by pixels, and the block weighs the three by their means. After the released code of KA-Net (TPAMI
2024), see `deweather.models.kanet`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deweather.nn.conv import ConvNormReLU

_DILATIONS = (1, 3, 5)


def draw_fourier(before: int, after: int, seed: int) -> tuple[Tensor, Tensor]:
    """Frequencies (after, before), normal, and phases (after,), uniform in [0, 2π); on the CPU."""
    draws = torch.Generator("cpu").manual_seed(seed)
    frequencies = torch.randn(after, before, generator=draws, device="cpu", dtype=torch.float32)
    phases = torch.rand(after, generator=draws, device="cpu", dtype=torch.float32)
    return frequencies, phases * 2 * math.pi


class FourierFeatures(nn.Module):
    """√(2/C) cos(Ω f + φ), Ω normal and φ uniform in [0, 2π), for the channels f of every pixel."""

    def __init__(self, before: int, after: int, seed: int, redraw: bool) -> None:
        super().__init__()
        self.redraw = redraw
        self.frequencies: Tensor
        self.phases: Tensor
        for name, drawn in zip(
            ("frequencies", "phases"), draw_fourier(before, after, seed), strict=True
        ):
            self.register_buffer(name, torch.empty(drawn.shape).copy_(drawn))

    def forward(self, x: Tensor) -> Tensor:
        """(N, c, H, W) -> (N, C, H, W)."""
        frequencies, phases = self.frequencies, self.phases
        if self.redraw:
            frequencies = torch.randn_like(frequencies)
            phases = torch.rand_like(phases) * 2 * math.pi
        angles = F.conv2d(x, frequencies[:, :, None, None], phases)
        return math.sqrt(2 / len(phases)) * torch.cos(angles)


def open_gate(layer: nn.Module) -> None:
    """Make a fresh layer in front of a narrow ReLU positive.

    The released code draws both signs. Its gates have one or three hidden values, made of means that
    are mostly positive, so many a gate starts shut and no gradient would ever open it.
    """
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0, 1 / math.sqrt(layer.weight.shape[1]))  # type: ignore


class DualAttention(nn.Module):
    """Gates a map by channels and by pixels, and joins both."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(channels // 16, 8)
        self.pooled_gate = nn.Sequential(
            nn.Linear(channels, squeezed, bias=False),
            nn.ReLU(),
            nn.Linear(squeezed, channels, bias=False),
        )
        self.local_gate = nn.Sequential(
            nn.Conv2d(channels, squeezed, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(squeezed, channels, 3, padding=1, bias=False),
        )
        self.summary = nn.Conv2d(channels, 1, 1)
        self.pixel_gate = nn.Sequential(nn.Conv2d(2, 1, 1), nn.ReLU(), nn.Conv2d(1, 1, 1))
        open_gate(self.pixel_gate[0])
        self.join = ConvNormReLU(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        pooled = self.pooled_gate(x.mean((2, 3)))[:, :, None, None]
        by_channel = x * torch.sigmoid(pooled * self.local_gate(x))
        summaries = torch.cat([x.mean(1, keepdim=True), self.summary(x)], dim=1)
        by_pixel = x * torch.sigmoid(self.pixel_gate(summaries))
        return self.join(torch.cat([by_channel, by_pixel], dim=1))


class DilatedBranch(nn.Module):
    """Two dilated convolutions whose results are joined, gated and added to what came in."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.near = ConvNormReLU(channels, channels, 3, dilation)
        self.far = ConvNormReLU(channels, channels, 3, dilation)
        self.join = ConvNormReLU(2 * channels, channels, 1)
        self.attention = DualAttention(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        near = self.near(x)
        joined = self.join(torch.cat([near, self.far(near)], dim=1))
        return self.attention(joined) + x


class DegradationRemoval(nn.Module):
    """The degradation removal block: dilated branches, the first of them on Fourier features."""

    def __init__(self, channels: int, seed: int, redraw: bool) -> None:
        super().__init__()
        c = channels
        self.conv1 = nn.Conv2d(c, c, 3, padding=1)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1)
        self.squeeze = ConvNormReLU(c, c // 8, 1)
        self.fourier = FourierFeatures(c // 8, c, seed, redraw)
        self.branches = nn.ModuleList(DilatedBranch(c, d) for d in _DILATIONS)
        n = len(_DILATIONS)
        self.gate = nn.Sequential(
            nn.Linear(n, n, bias=False), nn.ReLU(), nn.Linear(n, n, bias=False), nn.Sigmoid()
        )
        open_gate(self.gate[0])
        self.join = ConvNormReLU(c, c, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The encoder's map (N, C, H, W) -> (N, C, H, W)."""
        u = self.conv2(F.relu(self.conv1(x)) + x)
        inputs = (self.fourier(self.squeeze(u)), u, u)
        outs = [branch(y) for branch, y in zip(self.branches, inputs, strict=True)]
        gates = self.gate(torch.stack([out.mean((1, 2, 3)) for out in outs], dim=1))
        mixed = sum(
            out * gate[:, None, None, None] for out, gate in zip(outs, gates.unbind(1), strict=True)
        )
        return self.join(mixed) + u + x
