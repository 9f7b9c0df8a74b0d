"""The training step: clean scene in, weather made on the device, loss out."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from deweather.losses import charbonnier, frequency_l1
from deweather.models import Network, create_model
from deweather.train.recipe import Recipe
from deweather.weather import Example, Scene, random_haze, random_rain
from deweather.weights.cards import find_weights
from deweather.weights.files import fill


class RestorationTask(lightning.LightningModule):
    """Trains one network by a recipe; its averaged weights are what a run is for."""

    def __init__(self, recipe: Recipe) -> None:
        """Build the network and its average from the recipe."""
        super().__init__()
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        network = create_model(recipe.model.name, **recipe.model.switches)
        # torch's stubs know no memory_format and leave the average untyped
        self.network: Network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(self.network, multi_avg_fn=average)

    def start_from(self, weights: str) -> None:
        """Take the weights of a file, or bundled ones, instead of random ones."""
        for network in (self.network, self.average.module):
            fill(network, find_weights(weights), self.recipe.model.name)

    def example(self, scene: Scene, seed: int) -> Example:
        """Put the recipe's weather into a batch of clean scenes."""
        weather = self.recipe.weather
        if weather.kind == "haze":
            return random_haze(scene, seed, clear_share=weather.clear_share)
        return random_rain(
            scene, seed, clear_share=weather.clear_share, keep_veil=weather.keep_veil
        )

    def training_step(self, scene: Scene, index: int) -> Tensor:
        """One step on one batch; the weather's seed follows from the step."""
        views = self.recipe.data.views
        seed = (self.recipe.seed << 40) + self.global_step * views
        with torch.no_grad():
            example = self.example(scene, seed)
        restored = self.network(example.degraded).image
        weights = self.recipe.loss
        loss = charbonnier(restored, example.target, weights.charbonnier_eps)
        if weights.frequency_weight:
            loss = loss + weights.frequency_weight * frequency_l1(restored, example.target)
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then move the averaged weights."""
        super().optimizer_step(*args, **kwargs)
        self.average.update_parameters(self.network)

    def configure_optimizers(self) -> Any:
        """AdamW; the rate is a function of the step."""
        o, steps = self.recipe.optimizer, self.recipe.steps
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=o.rate, betas=o.betas, weight_decay=o.weight_decay
        )

        def rate(step: int) -> float:
            if step < o.warmup:
                return (step + 1) / o.warmup
            done = min(1.0, (step - o.warmup) / max(1, steps - o.warmup))
            least = o.final_rate / o.rate
            return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * done))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
