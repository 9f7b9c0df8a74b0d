"""Scores and picture panels of the averaged weights, on scenes that a run does not train on."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from deweather.metrics import psnr
from deweather.train.batches import Batch
from deweather.train.tasks import Task

_SEED = 900_000_000  # of the weather of panels, far from that of training
_CLEAR = 45.0  # dB; pictures that come in above it have no weather to take off
_MOST = 60.0  # dB; equal pictures would spoil a mean


class Panel:
    """A fixed set of batches and what a network makes of them."""

    def __init__(self, batches: list[Batch]) -> None:
        """Take batches; their weather is drawn anew."""
        self.batches = [
            replace(b, seeds=tuple(range(_SEED + 100 * i, _SEED + 100 * i + len(b.seeds))))
            for i, b in enumerate(batches)
        ]

    @torch.no_grad()
    def score(self, task: Task, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Mean PSNR (`psnr_rgb_uint8_rounded`) in and out, dB, at most 60 a picture.

        `psnr_before_in_weather`, `psnr_gain_in_weather` and `psnr_in_clear_air` take the two kinds of
        pictures apart; a kind that is not there is left out.
        """
        before, after, sheets = [], [], []
        for batch in self.batches:
            example = task.example(batch.to(device))
            restored = task.run(network, example.degraded).image.clamp(0, 1)
            before.append(psnr(example.degraded, example.target))
            after.append(psnr(restored, example.target))
            rows = [example.degraded, restored, example.target]
            sheets.append(torch.cat([_row(frames) for frames in rows], dim=1))
        came, went = (torch.cat(scores).clamp_max(_MOST) for scores in (before, after))
        self.sheet = _stack(sheets)
        bad = came < _CLEAR
        out = {"psnr_before": float(came.mean()), "psnr": float(went.mean())}
        if bad.any():
            out["psnr_before_in_weather"] = float(came[bad].mean())
            out["psnr_gain_in_weather"] = float((went - came)[bad].mean())
        if not bad.all():
            out["psnr_in_clear_air"] = float(went[~bad].mean())
        return out

    sheet: Tensor
    """(3, H, W): degraded, restored and target pictures of the last score, in rows."""


def _row(frames: Tensor) -> Tensor:
    """Up to eight pictures of frames (B, V, 3, H, W), side by side: (3, H, W')."""
    return torch.cat(list(frames.flatten(0, 1)[:8].cpu()), dim=2)


def _stack(sheets: list[Tensor]) -> Tensor:
    """Sheets one below the other, black where one is narrower than another."""
    width = max(sheet.shape[2] for sheet in sheets)
    wide = [nn.functional.pad(sheet, (0, width - sheet.shape[2])) for sheet in sheets]
    return torch.cat(wide, dim=1)
