"""What tests of torch.export share."""

from __future__ import annotations

from torch import Tensor, nn


class PictureOnly(nn.Module):
    """What is exported: graphs return tensors, not a `Restoration`."""

    def __init__(self, network: nn.Module) -> None:
        """Take the network."""
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> Tensor:
        """The restored frames alone."""
        return self.network(frames).image
