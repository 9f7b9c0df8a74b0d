"""APANet's second stage: a student of pairs learns real rain from a teacher of single pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from deweather.errors import ConfigError
from deweather.losses import dark_channel_loss, ssim_loss, total_variation_squared
from deweather.train.batches import Batch
from deweather.train.features import make_contrastive
from deweather.train.objectives.base import Objective, check_fit
from deweather.train.recipe import Recipe
from deweather.train.sections import DistillationSection
from deweather.weather import Example
from deweather.weights.files import load


class DistillationObjective(Objective):
    """1 - SSIM on synthetic pairs; smooth, dark and near the teacher on real ones.

    The teacher sees the views one by one. The contrastive term draws the student's answer towards the
    teacher's and away from the rainy picture.
    """

    def __init__(self, recipe: Recipe) -> None:
        """Read the teacher and the features if the contrastive term, which asks them, is wanted."""
        super().__init__(recipe)
        section = recipe.loss
        assert isinstance(section, DistillationSection)
        self.section = section
        if section.dark_window % 2 == 0:
            raise ConfigError(f"loss.dark_window = {section.dark_window}; give an odd number.")
        if section.contrastive:
            teacher = load(section.teacher)
            check_fit(recipe, teacher)
            self.freeze("teacher", teacher)
            self.freeze("contrastive", make_contrastive(section.features))

    def losses(self, example: Example, batch: Batch, step: int) -> dict[str, Tensor]:
        """`loss`, and the shares of it: `ssim`, and the terms on real pictures that are not off."""
        restored = self.run(self.network, example.degraded).image
        losses = {"ssim": ssim_loss(restored, example.target)}
        real = batch.real
        assert real is not None  # the run reads what the section names
        if any(self.real_weights.values()):
            losses |= self.real_losses(real)
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}

    @property
    def real_weights(self) -> dict[str, float]:
        """The weights of the terms on real pictures."""
        section = self.section
        return {
            "total_variation": section.total_variation,
            "dark_channel": section.dark_channel,
            "contrastive": section.contrastive,
        }

    def real_losses(self, real: Tensor) -> dict[str, Tensor]:
        """The weighted terms on real pictures (B, V, 3, H, W), without those that are off."""
        restored = self.run(self.network, real).image
        channels = restored.flatten(1, 2)  # views as channels, as the terms were published
        across, window = self.section.dark_across_views, self.section.dark_window
        losses = {}
        if weight := self.section.total_variation:
            losses["total_variation"] = weight * total_variation_squared(channels)
        if weight := self.section.dark_channel:
            dark = dark_channel_loss(channels, window, across_views=across)
            losses["dark_channel"] = weight * dark
        if weight := self.section.contrastive:
            taught = self.teach(real)
            losses["contrastive"] = weight * self.frozen["contrastive"](restored, taught, real)
        return losses

    @torch.no_grad()
    def teach(self, real: Tensor) -> Tensor:
        """The teacher's answer to frames (B, V, 3, H, W), each view for itself."""
        views = real.flatten(0, 1).unsqueeze(1)
        return self.run(self.frozen["teacher"], views).image.view_as(real)
