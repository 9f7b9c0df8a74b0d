"""Base of all objectives: a network, weather put into batches, precision, and the state to be kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from deweather.data import PairBatch
from deweather.errors import ConfigError
from deweather.models import Network, Restoration, create_model
from deweather.train.batches import Batch
from deweather.train.recipe import Recipe
from deweather.weather import Example, Shares, random_haze, random_photograph, random_rain
from deweather.weather.varied import framed, varied_haze, varied_rain
from deweather.weights.cards import find_weights
from deweather.weights.files import fill

_DTYPES = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class Objective(nn.Module):
    """Computes the losses of a batch. Subclasses say which.

    Attributes:
        network: what is trained, and what the weights of a run are of.
        frozen: teachers and feature networks; they stay in eval mode and out of checkpoints.
    """

    def __init__(self, recipe: Recipe) -> None:
        """Build the network from the recipe, with the same weights for the same seed."""
        super().__init__()
        self.recipe = recipe
        torch.manual_seed(recipe.seed)
        network = create_model(recipe.model.name, **recipe.model.switches)
        # torch's stubs know no memory_format
        self.network: Network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.frozen = nn.ModuleDict()
        check_fit(recipe, self.network)

    def freeze(self, name: str, module: nn.Module) -> None:
        """Take in a module that is not trained."""
        self.frozen[name] = module.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Objective:
        """Leave the frozen modules in eval mode."""
        super().train(mode)
        self.frozen.eval()
        return self

    def start_from(self, weights: str) -> None:
        """Take the weights of a file, or bundled ones, instead of random ones."""
        fill(self.network, find_weights(weights), self.recipe.model.name)

    def forward(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """The losses of a batch by name; `loss` is what is minimised. All are scalars.

        `step` counts the steps that are done.
        """
        with self._autocast(batch.device, enabled=False):
            with torch.no_grad():
                example = self.example(batch)
            return self.losses(example, batch, step)

    def losses(self, example: Example, batch: Batch, step: int) -> dict[str, Tensor]:
        """The losses of an example; subclasses define them."""
        raise NotImplementedError

    def run(self, network: nn.Module, frames: Tensor) -> Restoration:
        """What a network makes of frames, in the precision of the recipe; float32 comes out."""
        with self._autocast(frames.device, enabled=self.recipe.precision != "32-true"):
            out: Restoration = network(frames)
        return Restoration(
            out.image.float(), {name: value.float() for name, value in out.auxiliary.items()}
        )

    def _autocast(self, device: torch.device, *, enabled: bool) -> AbstractContextManager[None]:
        return torch.autocast(device.type, _DTYPES[self.recipe.precision], enabled=enabled)

    def example(self, batch: Batch) -> Example:
        """Put the recipe's weather into a batch of clean scenes; pairs stay as they are."""
        if isinstance(batch.samples, PairBatch):
            clean = batch.samples.clean
            assert clean is not None  # sets without truth are not trained on
            return Example(batch.samples.degraded, clean, {})
        scene, weather, seeds = batch.samples, self.recipe.weather, batch.seeds
        if weather.kind == "haze":
            return random_haze(scene, seeds, clear_share=weather.clear_share)
        if weather.kind == "photograph":
            shares = Shares(clear=weather.clear_share)
            return random_photograph(scene, seeds, shares, keep_light=weather.keep_light)
        if weather.kind == "rain":
            return random_rain(
                scene, seeds, clear_share=weather.clear_share, keep_veil=weather.keep_veil
            )
        if weather.kind == "varied rain":
            example = varied_rain(
                scene, seeds, clear_share=weather.clear_share, keep_veil=weather.keep_veil
            )
        else:
            example = varied_haze(
                scene, seeds, clear_share=weather.clear_share, keep_light=weather.keep_light
            )
        return framed(example, seeds, weather.framed_share) if weather.framed_share else example

    def trained_state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint keeps: parameters and buffers that are not frozen."""
        return {k: v for k, v in self.state_dict().items() if not k.startswith("frozen.")}

    def load_trained_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `trained_state_dict` gave.

        Raises:
            RuntimeError: names or shapes are of another objective.
        """
        frozen = {k: v for k, v in self.state_dict().items() if k.startswith("frozen.")}
        self.load_state_dict(frozen | dict(state))


def check_fit(recipe: Recipe, network: Network) -> None:
    """Raise ConfigError unless the network takes the recipe's crops and precision."""
    needs, data = network.needs, recipe.data
    patches = {"data.patch": data.patch}
    patches |= {f"data.phases.{i}.patch": p.patch for i, p in enumerate(data.phases)}
    for name, patch in patches.items():
        if patch % needs.multiple or patch < needs.minimum:
            raise ConfigError(
                f"{name} = {patch}; {recipe.model.name} takes multiples of {needs.multiple} "
                f"from {needs.minimum} up."
            )
    kind = {"bf16-mixed": "bfloat16", "16-mixed": "float16"}.get(recipe.precision, "float32")
    # Where bfloat16 is sound, so is float16 with scaled gradients and a float32 copy of the weights.
    if kind != "float32" and "bfloat16" not in needs.precisions:
        raise ConfigError(
            f"precision = {recipe.precision}; {recipe.model.name} is sound in "
            f"{', '.join(needs.precisions)} alone. Use 32-true."
        )
