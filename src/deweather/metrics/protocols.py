"""Protocols: what a score is measured on (colours, rounding, border, window) and its largest value.

Two scores compare only if their protocol is the same: that of luma alone differs by 2.8 dB from that of
RGB on the same pictures, and the two ranges of luma by 1.3 dB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deweather.errors import FramesError, UnknownNameError
from deweather.image.shapes import check_frames, check_same_shape

Colour = Literal["rgb", "y_studio", "y_full"]
Rounding = Literal["nearest", "down", "none"]
Padding = Literal["inside", "zero", "reflect"]

_LUMA: dict[Colour, tuple[tuple[float, float, float], float]] = {
    "y_studio": ((65.481 / 255, 128.553 / 255, 24.966 / 255), 16 / 255),
    "y_full": ((0.299, 0.587, 0.114), 0.0),
}


@dataclass(frozen=True)
class Window:
    """The neighbourhood that structural similarity looks at.

    Attributes:
        side: pixels, odd.
        sigma: standard deviation of a Gaussian, pixels; None weighs all pixels alike.
        sample: divide variances by n - 1 and not by n.
    """

    side: int = 11
    sigma: float | None = 1.5
    sample: bool = False


GAUSSIAN = Window()
"""The window of Wang et al., TIP 2004."""

UNIFORM = Window(7, None, sample=True)
"""What scikit-image takes where nothing else is asked for."""


@dataclass(frozen=True)
class Protocol:
    """How two pictures are compared.

    Attributes:
        name: goes with every score, behind the name of the metric: see `of`.
        title: the same in words.
        colour: RGB; or luma of ITU-R BT.601, Y in [16, 235] / 255 (`y_studio`) or [0, 1] (`y_full`).
        rounding: of both pictures to 8 bit before anything else; `nearest` is half to even.
        border: pixels left out at every side.
        cap: largest PSNR of a view in dB, which equal pictures get; else they would spoil a mean.
        window: of SSIM.
        padding: of SSIM: windows that lie `inside` the picture; or all windows, with black (`zero`)
            or the mirrored picture (`reflect`) beyond the border.
        reduce_to: for SSIM, pictures are first reduced by the whole factor that brings the shorter
            side nearest to so many pixels; None leaves them.
    """

    name: str
    title: str
    colour: Colour = "rgb"
    rounding: Rounding = "nearest"
    border: int = 0
    cap: float = 100.0
    window: Window = GAUSSIAN
    padding: Padding = "inside"
    reduce_to: int | None = None

    def of(self, metric: str) -> str:
        """The full name of a score, such as `psnr_rgb_uint8_rounded`."""
        return f"{metric}_{self.name}"

    def prepare(self, restored: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Both pictures as they are compared.

        Args:
            restored: (B, V, 3, H, W), sRGB in [0, 1]; values outside are clipped.
            clean: the same shape.

        Returns:
            Two tensors (B, V, C, H', W'), float64, in [0, 1]; C is 3, or 1 of luma.

        Raises:
            FramesError: other shapes or dtypes, or nothing is left within the border.
        """
        for name, pictures in (("restored", restored), ("clean", clean)):
            check_frames(pictures, name=name)
        check_same_shape(restored=restored, clean=clean)
        if 2 * self.border >= min(restored.shape[-2:]):
            raise FramesError(
                f"pictures of {restored.shape[-2]}x{restored.shape[-1]} pixels have nothing within "
                f"a border of {self.border}; use another protocol."
            )
        return self._prepared(restored), self._prepared(clean)

    def _prepared(self, pictures: Tensor) -> Tensor:
        pictures = pictures.clamp(0, 1).double()
        if self.rounding != "none":
            levels = pictures * 255
            pictures = (levels.round() if self.rounding == "nearest" else levels.floor()) / 255
        if self.colour != "rgb":
            weights, offset = _LUMA[self.colour]
            weight = torch.tensor(weights, dtype=torch.float64, device=pictures.device)
            pictures = (pictures * weight[:, None, None]).sum(2, keepdim=True) + offset
        n = self.border
        return pictures[..., n : pictures.shape[-2] - n, n : pictures.shape[-1] - n]


REPORT = Protocol("rgb_uint8_rounded", "RGB, both pictures rounded to 8 bit")
"""What this project reports where nothing else is said."""

PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        REPORT,
        Protocol("rgb_float", "RGB, not rounded", rounding="none"),
        Protocol(
            "y_studio",
            "luma of BT.601 in [16, 235], of RGB that was rounded to 8 bit",
            colour="y_studio",
        ),
        Protocol(
            "y_full",
            "luma of BT.601 in [0, 255], of RGB that was rounded to 8 bit",
            colour="y_full",
        ),
        Protocol("psidnet", "as PSIDNet's authors: RGB cut off to 8 bit", rounding="down"),
        Protocol(
            "dcmpnet",
            "as DCMPNet's authors: RGB, not rounded; SSIM of reduced pictures, black beyond the border",
            rounding="none",
            padding="zero",
            reduce_to=256,
        ),
        Protocol(
            "kanet",
            "as KA-Net's authors: RGB, not rounded; SSIM in even windows of 7 pixels",
            rounding="none",
            window=UNIFORM,
        ),
    )
}
"""The protocols known, by name."""


def find_protocol(name: str) -> Protocol:
    """The protocol of this name.

    Raises:
        UnknownNameError: there is none; lists those that there are.
    """
    if name not in PROTOCOLS:
        raise UnknownNameError("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
