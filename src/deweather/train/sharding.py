"""Fully sharded training (FSDP2): every device keeps a part of each parameter and of its moments.

Checkpoints are gathered, so they are those of one device and any number of devices goes on from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from deweather.train.objectives import Objective


class ShardedStrategy(ModelParallelStrategy):
    """Shards the networks of a objective over all devices."""

    def __init__(self, count: int) -> None:
        """Take the number of devices of all machines."""
        super().__init__(self._shard_objective, data_parallel_size=count, tensor_parallel_size=1)

    def shard(self, network: nn.Module) -> None:
        """Shard one network in place."""
        # Parameters must lie in memory in the order of their axes; the activations still need not.
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        fully_shard(network, mesh=self.device_mesh["data_parallel"])

    def _shard_objective(self, objective: Objective, _: object) -> Objective:
        for name, module in objective.named_children():
            if name != "frozen":
                self.shard(module)
        return objective


def gathered(value: Any) -> Any:
    """A nested state with every sharded tensor whole; all devices must call this alike."""
    if isinstance(value, DTensor):
        return value.full_tensor()
    if isinstance(value, dict):
        return {key: gathered(inner) for key, inner in value.items()}
    return value


def _as(example: object, whole: Any) -> Any:
    """A whole tensor, sharded as the example is if that is sharded."""
    if isinstance(example, DTensor) and isinstance(whole, Tensor) and whole.shape == example.shape:
        return distribute_tensor(
            whole.to(example.device), example.device_mesh, list(example.placements)
        )
    return whole


def as_in(module: nn.Module, state: Mapping[str, Any]) -> dict[str, Any]:
    """A gathered state dict, sharded as the module's tensors are."""
    now = module.state_dict()
    return {name: _as(now.get(name), value) for name, value in state.items()}


def as_in_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """A gathered state of an optimizer, its moments sharded as the parameters are."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments = {
        i: {name: _as(parameters[i], value) for name, value in values.items()}
        for i, values in state["state"].items()
    }
    return {**state, "state": moments}
