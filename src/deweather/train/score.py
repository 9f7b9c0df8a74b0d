"""Scores and picture panels of the averaged weights, on scenes that a run does not train on."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from deweather.metrics import REPORT, psnr, summarise
from deweather.train.batches import Batch
from deweather.train.objectives import Objective

_SEED = 900_000_000  # of the weather of panels, far from that of training


class Panel:
    """A fixed set of batches and what a network makes of them."""

    def __init__(self, batches: list[Batch]) -> None:
        """Take batches; their weather is drawn anew."""
        self.batches = [
            replace(b, seeds=tuple(range(_SEED + 100 * i, _SEED + 100 * i + len(b.seeds))))
            for i, b in enumerate(batches)
        ]

    @torch.no_grad()
    def score(
        self, objective: Objective, network: nn.Module, device: torch.device
    ) -> dict[str, float]:
        """Mean PSNR in and out by the protocol `rgb_uint8_rounded`, dB.

        `psnr_before_in_weather`, `psnr_gain_in_weather` and `psnr_in_clear_air` take the two kinds of
        pictures apart, see `Summary`; a kind that is not there is left out.
        """
        before: list[float] = []
        after: list[float] = []
        sheets = []
        for batch in self.batches:
            example = objective.example(batch.to(device))
            restored = objective.run(network, example.degraded).image.clamp(0, 1)
            before += psnr(example.degraded, example.target, REPORT).tolist()
            after += psnr(restored, example.target, REPORT).tolist()
            rows = [example.degraded, restored, example.target]
            sheets.append(torch.cat([_row(frames) for frames in rows], dim=1))
        self.sheet = _stack(sheets)
        means = summarise(before, after)
        scores = {
            "psnr_before": means.before,
            "psnr": means.after,
            "psnr_before_in_weather": means.before_in_weather,
            "psnr_gain_in_weather": means.gain_in_weather,
            "psnr_in_clear_air": means.in_clear_air,
        }
        return {name: value for name, value in scores.items() if value is not None}

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
