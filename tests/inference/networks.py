"""Small real networks whose answer is known or whose weights are random."""

from __future__ import annotations

import torch
from torch import Tensor

from deweather.models import Needs, Network, Restoration, create_model
from deweather.weights.files import save_weights


class Pointwise(Network):
    """Maps each pixel alone, so that tiles must agree exactly; may fail on large inputs."""

    def __init__(self, factor: float = 1.0, offset: float = 0.0, limit: int | None = None) -> None:
        super().__init__()
        self.factor, self.offset, self.limit = factor, offset, limit
        self.sizes: list[tuple[int, int]] = []

    @property
    def needs(self) -> Needs:
        return Needs(8, 8, tile_overlap=16, whole_rows=True)

    def forward(self, frames: Tensor) -> Restoration:
        self.check(frames)
        h, w = frames.shape[-2:]
        self.sizes.append((h, w))
        if self.limit is not None and h * w > self.limit:
            raise torch.OutOfMemoryError("out of memory")
        return Restoration(frames * self.factor + self.offset)


def shaken(name: str, seed: int = 0, size: float = 0.15) -> Network:
    """A network with random weights whose zero-initialised scales are not zero."""
    torch.manual_seed(seed)
    network = create_model(name)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, size)
    return network.eval()


def weights_file(folder, task: str, seed: int = 0):
    """A weights file of a shaken tiny network."""
    path = folder / f"{task}.safetensors"
    network = shaken("stereoirr-tiny-local", seed)
    save_weights(path, network, model="stereoirr-tiny-local", switches={}, task=task)
    return path
