"""Images of any size and number -> what a network makes of them: padding, batches, precision, memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch
from torch import Tensor

from deweather.errors import ConfigError, FramesError, is_out_of_memory
from deweather.inference.hooks import NO_HOOKS, Hooks
from deweather.inference.sizes import padded_forward
from deweather.models import Network
from deweather.nn.inference import prepared
from deweather.nn.memory import reusing_memory

Precision = Literal["auto", "float32", "bfloat16"]

BATCH_PIXELS = {"cpu": 1 << 16, "mps": 1 << 19, "cuda": 1 << 21}
"""Pixels of one view that are worked on at once, by kind of device. On a CPU one picture of 256x256: of
two or four at once each takes up to a tenth longer. Less would leave a GPU idle."""


class Forward:
    """A network on a device, for images of any size and number. Safe to share between threads.

    Args:
        network: it is moved to the device and put into eval mode.
        device: where it runs.
        precision: "float32"; "bfloat16" (autocast), for networks that declare it sound; or "auto",
            which is bfloat16 on CUDA where it is sound, else float32.
        batch_pixels: pixels of one view that are worked on at once; None takes a default of the
            device. It is halved for good where memory runs out.

    Raises:
        ConfigError: a precision that is unknown, or that the network is not sound in; weights of
            another dtype than float32.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        *,
        precision: Precision = "auto",
        batch_pixels: int | None = None,
    ) -> None:
        kinds = {str(p.dtype) for p in network.parameters() if p.is_floating_point()}
        if kinds - {"torch.float32"}:
            raise ConfigError(
                f"the weights are {', '.join(sorted(kinds))}; give network.float() and, for less "
                "precision, precision='bfloat16'."
            )
        self.network = prepared(network.to(device).eval())
        self.device = device
        self.dtype = _dtype(network, device, precision)
        self.batch_pixels = batch_pixels or BATCH_PIXELS.get(device.type, BATCH_PIXELS["cpu"])

    def batch_size(self, height: int, width: int) -> int:
        """How many samples of this size are worked on at once, at least 1."""
        return max(1, self.batch_pixels // (height * width))

    def __call__(self, images: Tensor, hooks: Hooks = NO_HOOKS) -> Tensor:
        """Restore images (B, V, 3, H, W), sRGB in [0, 1], from 1x1 pixels up, in batches that fit.

        Args:
            images: on any device, of any floating-point dtype.
            hooks: asked before each batch whether to go on.

        Returns:
            The same shape, float32, on the device of the network; not clamped.

        Raises:
            Cancelled: the caller asked for it.
            FramesError: the network gives NaN.
            torch.OutOfMemoryError, MemoryError, RuntimeError: not even one sample fits.
        """
        with reusing_memory(self.device):
            return self._in_batches(images, hooks)

    def _in_batches(self, images: Tensor, hooks: Hooks) -> Tensor:
        done: list[Tensor] = []
        start = 0
        while start < len(images):
            hooks.check()
            count = self.batch_size(images.shape[-2], images.shape[-1])
            part = images[start : start + count]
            try:
                done.append(self._run(part))
                start += len(part)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if len(part) == 1 or not is_out_of_memory(error):
                    raise
                self.batch_pixels = len(part) // 2 * images.shape[-2] * images.shape[-1]
                count = 0
            if not count:  # outside of the except block, which holds on to what was in memory
                free_memory(self.device)
        return done[0] if len(done) == 1 else torch.cat(done)

    def _run(self, images: Tensor) -> Tensor:
        given = images.to(self.device, torch.float32)
        with torch.inference_mode(), self._autocast():
            out = padded_forward(self.network, given).float()
            if torch.isnan(out).any():
                raise FramesError("the network gives NaN; its weights or its input are broken.")
            return out

    def _autocast(self) -> AbstractContextManager[object]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)


def _dtype(network: Network, device: torch.device, precision: Precision) -> torch.dtype:
    if precision not in get_args(Precision):
        valid = ", ".join(get_args(Precision))
        raise ConfigError(f"precision {precision!r}; expected one of {valid}.")
    sound: Sequence[str] = network.needs.precisions
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" and "bfloat16" in sound else "float32"
    if precision not in sound:
        raise ConfigError(
            f"{type(network).__name__} is not sound in {precision}; use one of {', '.join(sound)}."
        )
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def free_memory(device: torch.device) -> None:
    """Give back to a GPU what torch keeps for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
