"""KA-Net's training: samples weighted so that features decorrelate, and a Gaussian contrastive loss.

The third of its ideas, several degradations at once, is weather: `weather.kind: photograph`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from deweather.errors import ConfigError
from deweather.losses import GaussianContrastive, fourier_functions, sample_weights
from deweather.models.kanet import KANet
from deweather.train.batches import Batch
from deweather.train.features import make_features
from deweather.train.objectives.base import Objective
from deweather.train.recipe import Recipe
from deweather.train.sections import ReweightedSection
from deweather.weather import Example


class ReweightedObjective(Objective):
    """(1/n) Σ w_i·(L1_i + contrastive_i), w from the pooled features `z` of the samples.

    A batch is a small sample, so features of earlier ones are remembered, as a running mean of what
    stood in the same place of their batches, with their weights.
    """

    features: Tensor
    weights: Tensor
    filled: Tensor

    def __init__(self, recipe: Recipe) -> None:
        """Check that the network gives features, and make room for the remembered ones."""
        super().__init__(recipe)
        if not isinstance(self.network, KANet):
            raise ConfigError(
                f"loss.kind = reweighted; {recipe.model.name} gives no pooled features. Use kanet."
            )
        section = recipe.loss
        assert isinstance(section, ReweightedSection)
        self.section = section
        if section.contrastive:
            self.freeze("contrastive", GaussianContrastive(make_features(section.features)))
        slots = max([recipe.data.batch_pictures, *(p.batch_pictures for p in recipe.data.phases)])
        channels = self.network.config.widths[-1]
        self.register_buffer("features", torch.zeros(slots, channels))
        self.register_buffer("weights", torch.ones(slots))
        self.register_buffer("filled", torch.zeros(slots, dtype=torch.bool))

    def losses(self, example: Example, batch: Batch, step: int) -> dict[str, Tensor]:
        """`loss`, its shares `l1` and `contrastive`, and `largest_weight`."""
        out = self.run(self.network, example.degraded)
        weights = out.image.new_ones(out.image.shape[0])
        if self.section.reweighting:
            weights = self.reweigh(out.auxiliary["z"].detach().mean(1), batch.number)
        l1 = (out.image - example.target).abs().mean((1, 2, 3, 4))
        losses = {"l1": (weights * l1).mean()}
        if self.section.contrastive:
            ratio = self.frozen["contrastive"](out.image, example.target, example.degraded)
            losses["contrastive"] = self.section.contrastive * (weights * ratio).mean()
        total = torch.stack(list(losses.values())).sum()
        return {"loss": total, **losses, "largest_weight": weights.max()}

    @torch.no_grad()
    def reweigh(self, features: Tensor, seed: int) -> Tensor:
        """Weights of samples by their features (n, C), mean 1, (n,); the memory moves on."""
        section, n = self.section, len(features)
        known = self.filled if section.memory else torch.zeros_like(self.filled)
        functions = fourier_functions(
            torch.cat([self.features[known], features]),
            functions=section.functions,
            dimensions=section.dimensions,
            generator=torch.Generator().manual_seed(seed),
        )
        weights = sample_weights(
            functions, self.weights[known], steps=section.inner_steps, penalty=section.penalty
        )
        kept = torch.where(self.filled[:n], section.memory, 0.0)
        self.features[:n] = kept[:, None] * self.features[:n] + (1 - kept[:, None]) * features
        self.weights[:n] = kept * self.weights[:n] + (1 - kept) * weights
        self.filled[:n] = True
        return weights
