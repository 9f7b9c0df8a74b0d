"""DCMPNet's training: a dehazing and a depth network, each told where the other errs."""

from __future__ import annotations

import torch
from torch import Tensor

from deweather.data import PairBatch
from deweather.errors import ConfigError
from deweather.losses import difference_weights, l1, weighted_depth_l1
from deweather.models.dcmpnet import DCMPNet, DCMPNetDepth
from deweather.train.batches import Batch
from deweather.train.features import make_contrastive
from deweather.train.objectives.base import Objective, check_fit
from deweather.train.recipe import Recipe
from deweather.train.sections import DepthSection
from deweather.weather import Example
from deweather.weights.files import load


class DepthObjective(Objective):
    """L1 and contrast of the dehazed picture, L1 of the depth seen in it, each weighted by the other.

    Two terms of the released training are left out: features of a network that is never trained, of
    the clean and of the hazy picture, which are constants.
    """

    def __init__(self, recipe: Recipe) -> None:
        """Build the depth network beside the dehazing one; read teacher and features."""
        super().__init__(recipe)
        section = recipe.loss
        assert isinstance(section, DepthSection)
        self.section = section
        self.alternating = section.updates == "alternating"
        own = self.network.config if isinstance(self.network, DCMPNet) else None
        self.depth_net = DCMPNetDepth(own)
        data = recipe.data
        if section.truth == "measured" and (data.stereo_share < 1 or data.layered_share > 0):
            raise ConfigError(
                f"loss.truth = measured; set data.stereo_share to 1 (now {data.stereo_share:g}) and "
                f"data.layered_share to 0 (now {data.layered_share:g}), or use truth: scenes."
            )
        if section.teacher is not None:
            self._take_teacher(section.teacher)
        if section.contrastive:
            projections = section.random_projections
            self.freeze("contrastive", make_contrastive(section.features, projections=projections))

    def _take_teacher(self, weights: str) -> None:
        teacher = load(weights)
        check_fit(self.recipe, teacher)
        side = self.recipe.data.patch
        with torch.no_grad():
            seen = teacher(torch.zeros(1, 1, 3, side, side)).auxiliary
        if "depth" not in seen:
            raise ConfigError(
                f"loss.teacher = {weights}; {type(teacher).__name__} gives no depth. "
                "Use weights of dcmpnet."
            )
        self.freeze("teacher", teacher)

    def losses(self, example: Example, batch: Batch, step: int) -> dict[str, Tensor]:
        """`loss`, and the shares of it: `dehazing`, `depth`.

        Where updates alternate, even steps move the dehazing network and odd ones the depth network.
        """
        truth = self.truth(example, batch)
        if self.alternating and step % 2:
            with torch.no_grad():
                restored = self.run(self.network, example.degraded).image
            depth = self.look(restored)
            loss = self.depth_loss(depth, known(truth, depth), restored, example.target)
            return {"loss": loss, "depth": loss}
        restored = self.run(self.network, example.degraded).image
        depth = self.look(restored, learn=not self.alternating)
        truth = known(truth, depth)
        losses = {"dehazing": self.dehazing_loss(depth, truth, restored, example)}
        if not self.alternating:
            losses["depth"] = self.depth_loss(depth, truth, restored, example.target)
        return {"loss": torch.stack(list(losses.values())).sum(), **losses}

    def truth(self, example: Example, batch: Batch) -> Tensor:
        """What the depth network should see: (B, V, 1, H, W), nearness, at most 1, NaN if unknown.

        Raises:
            ConfigError: the batch says nothing of depth.
        """
        if "teacher" in self.frozen:
            with torch.no_grad():
                return self.run(self.frozen["teacher"], example.target).auxiliary["depth"]
        near = batch.samples.disparity
        if (
            near is None
            and isinstance(batch.samples, PairBatch)
            and batch.samples.depth is not None
        ):
            near = 1 / batch.samples.depth.clamp_min(1e-3)
        if near is None:
            raise ConfigError(
                f"loss.truth = {self.section.truth}; the data set has neither disparity nor depth. "
                "Use truth: teacher."
            )
        nearest = near.nan_to_num(0.0).amax((1, 2, 3, 4), keepdim=True)
        return near / nearest.clamp_min(1e-6)

    def look(self, restored: Tensor, *, learn: bool = True) -> Tensor:
        """The depth seen in restored frames, (B, V, 1, H, W); gradients always reach the frames."""
        h, w = restored.shape[-2:]
        self.depth_net.requires_grad_(learn)
        depth = self.run(self.depth_net, restored).auxiliary["depth"]
        self.depth_net.requires_grad_(True)
        return depth[..., :h, :w]

    def weights_of(self, mine: Tensor, right: Tensor) -> Tensor:
        """How much each pixel counts by how wrong a network is there."""
        released = self.section.weighting == "released"
        weights = difference_weights(mine, right, signed=released, normalised=not released)
        # Weights are told, not learned: else a network would seek errors that pay.
        return weights if released else weights.detach()

    def depth_loss(self, depth: Tensor, truth: Tensor, restored: Tensor, clean: Tensor) -> Tensor:
        """Plain L1, and L1 weighted by the errors of dehazing."""
        loss = l1(depth, truth)
        if self.section.dehazing_weighs_depth:
            loss = loss + weighted_depth_l1(depth, truth, self.weights_of(restored, clean))
        return loss

    def dehazing_loss(
        self, depth: Tensor, truth: Tensor, restored: Tensor, example: Example
    ) -> Tensor:
        """L1, L1 weighted by the errors of depth, L1 of depth, and contrast."""
        section, clean = self.section, example.target
        loss = l1(restored, clean)
        if section.depth_weighs_dehazing:
            weights = self.weights_of(depth, truth).detach()
            loss = loss + l1(weights * restored, weights * clean)
        loss = section.restoration * loss
        if section.depth:
            loss = loss + section.depth * l1(depth, truth)
        if section.contrastive:
            contrast = self.frozen["contrastive"](restored, clean, example.degraded)
            loss = loss + section.contrastive * contrast
        return loss


def known(truth: Tensor, depth: Tensor) -> Tensor:
    """The truth, and where it is not known the depth itself, which is no error there."""
    return torch.where(truth.isnan(), depth.detach(), truth)
