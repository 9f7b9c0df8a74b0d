"""Objectives that compare a restored picture with the clean one and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from deweather.errors import ConfigError
from deweather.losses import charbonnier, frequency_l1, l1_and_frequency, ssim_loss
from deweather.models import Restoration
from deweather.models.psidnet import PSIDNet
from deweather.train.batches import Batch
from deweather.train.objectives.base import Objective
from deweather.train.recipe import Recipe
from deweather.train.sections import CharbonnierSection, StagesSection
from deweather.weather import Example


class CharbonnierObjective(Objective):
    """Charbonnier plus weighted frequency L1 (StereoIRR, our reading), and what made the haze."""

    def losses(self, example: Example, batch: Batch, step: int) -> dict[str, Tensor]:
        """`loss` of both views; `transmission` and `airlight` where they are asked for."""
        weights = self.recipe.loss
        assert isinstance(weights, CharbonnierSection)
        out = self.run(self.network, example.degraded)
        restored = out.image
        loss = charbonnier(restored, example.target, weights.charbonnier_eps)
        if weights.frequency_weight:
            loss = loss + weights.frequency_weight * frequency_l1(restored, example.target)
        if not (weights.transmission_weight or weights.airlight_weight):
            return {"loss": loss}
        hazy = self.recipe.weather.task == "haze" and "haze.transmission" in example.record
        if "transmission" not in out.auxiliary or not hazy:
            raise ConfigError(
                f"loss.transmission_weight = {weights.transmission_weight}; it needs a network with "
                "switch output: scattering, and scenes that haze is put into. Set it to 0."
            )
        parts = scattering_losses(out, example)
        loss = (
            loss
            + weights.transmission_weight * parts["transmission"]
            + weights.airlight_weight * parts["airlight"]
        )
        return {"loss": loss, **parts}


def scattering_losses(out: Restoration, example: Example) -> dict[str, Tensor]:
    """L1 of transmission and airlight against those that made the haze.

    The airlight counts by the share of the light that it has in a picture: without haze there is none.
    """
    truth = example.record["haze.transmission"].mean(2, keepdim=True)
    air = example.record["haze.airlight"]
    air = air if air.ndim == 5 else air[:, None, :, None, None]
    hidden = (1 - truth).mean((1, 2, 3, 4), keepdim=True)
    return {
        "transmission": (out.auxiliary["transmission"] - truth).abs().mean(),
        "airlight": (hidden * (out.auxiliary["airlight"] - air).abs()).mean(),
    }


class SsimObjective(Objective):
    """1 - SSIM (APANet on synthetic rain)."""

    def losses(self, example: Example, batch: Batch, step: int) -> dict[str, Tensor]:
        """`loss` of both views, not clamped."""
        restored = self.run(self.network, example.degraded).image
        return {"loss": ssim_loss(restored, example.target)}


class StagesObjective(Objective):
    """L1 plus weighted frequency L1 of the pictures of all stages, summed over stages (PSIDNet).

    Quarters come as upper and lower halves, so a pair has four first-stage pictures, two of the
    second stage and two final ones; each counts alike.
    """

    def __init__(self, recipe: Recipe) -> None:
        """Check that there are stages to supervise."""
        super().__init__(recipe)
        if not isinstance(self.network, PSIDNet):
            raise ConfigError(
                f"loss.kind = stages; {recipe.model.name} has no stages. Use psidnet, or charbonnier."
            )

    def losses(self, example: Example, batch: Batch, step: int) -> dict[str, Tensor]:
        """`loss`, and the shares of it: `stage1`, `stage2`, `final`."""
        section = self.recipe.loss
        assert isinstance(section, StagesSection)
        weight, clean = section.frequency_weight, example.target
        out = self.run(self.network, example.degraded)
        views = range(clean.shape[1])
        losses = {
            "final": sum_of(l1_and_frequency(out.image[:, v], clean[:, v], weight) for v in views)
        }
        if section.early_stages:
            losses |= early_losses(out, clean, weight)
        return {"loss": sum_of(losses.values()), **losses}


def early_losses(out: Restoration, clean: Tensor, weight: float) -> dict[str, Tensor]:
    """The losses of PSIDNet's first and second stage against clean frames (B, V, 3, H, W)."""
    half = clean.shape[-2] // 2
    stage1, stage2 = [], []
    for v, side in enumerate(("left", "right")[: clean.shape[1]]):
        truth = clean[:, v]
        top, bottom = out.auxiliary[f"stage1_{side}_top"], out.auxiliary[f"stage1_{side}_bottom"]
        stage1.append(l1_and_frequency(top, truth[..., :half, :], weight))
        stage1.append(l1_and_frequency(bottom, truth[..., half:, :], weight))
        stage2.append(l1_and_frequency(out.auxiliary[f"stage2_{side}"], truth, weight))
    return {"stage1": sum_of(stage1), "stage2": sum_of(stage2)}


def sum_of(terms: Iterable[Tensor]) -> Tensor:
    """The sum of scalars, at least one."""
    return torch.stack(list(terms)).sum()
