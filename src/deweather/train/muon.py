"""Muon: gradients of matrices and convolutions, made orthogonal, as steps; AdamW for all else.

Momentum of a weight (out, in·kh·kw) is replaced by the nearest orthogonal matrix, found by five
Newton-Schulz steps (Jordan et al., "Muon: an optimizer for hidden layers", 2024), and scaled so that
its entries are as large as those of an Adam step (Liu et al., "Muon is scalable for LLM training",
arXiv 2502.16982), so the rates of Adam serve. Depthwise convolutions, biases and scales are vectors and
take Adam's steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5
_ADAM_RMS = 0.2  # of the entries of an Adam step, relative to the rate
_SMALLEST = 8  # rows and columns; smaller matrices gain nothing


def orthogonalised(matrix: Tensor) -> Tensor:
    """The orthogonal matrix near (rows, columns): its singular values become about 1."""
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for weights with a matrix in them, AdamW for the rest.

    Args:
        params: all parameters of a network.
        lr: rate of both, as for Adam.
        betas: of AdamW; the first one is Muon's momentum, at least 0.9.
        weight_decay: decoupled, of both.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(list(params), {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; parameters without gradient stay."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if is_matrix(parameter):
                    change = _muon(parameter.grad, state, max(0.9, group["betas"][0]))
                else:
                    change = _adam(parameter.grad, state, group["betas"])
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(change, alpha=-group["lr"])
        return loss


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter mixes channels: (out, in, ...) with more than a few of both."""
    if parameter.ndim < 2:
        return False
    rows = parameter.shape[0]
    return min(rows, parameter.numel() // max(rows, 1)) >= _SMALLEST and parameter.shape[1] > 1


def _muon(gradient: Tensor, state: dict[str, Any], momentum: float) -> Tensor:
    if "momentum" not in state:
        state["momentum"] = torch.zeros_like(gradient)
    mean = state["momentum"]
    mean.lerp_(gradient, 1 - momentum)
    nesterov = torch.lerp(gradient, mean, momentum)
    matrix = nesterov.reshape(nesterov.shape[0], -1)
    scale = _ADAM_RMS * max(matrix.shape) ** 0.5
    return (orthogonalised(matrix) * scale).view(gradient.shape)


def _adam(gradient: Tensor, state: dict[str, Any], betas: tuple[float, float]) -> Tensor:
    if "step" not in state:
        state["step"] = 0
        state["mean"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
    state["step"] += 1
    state["mean"].lerp_(gradient, 1 - betas[0])
    state["square"].lerp_(gradient.square(), 1 - betas[1])
    mean = state["mean"] / (1 - betas[0] ** state["step"])
    square = state["square"] / (1 - betas[1] ** state["step"])
    change: Tensor = mean / (square.sqrt() + 1e-8)
    return change
