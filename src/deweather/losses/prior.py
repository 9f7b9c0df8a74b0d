"""Losses that look at the restored picture alone: what clean pictures are like."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from deweather.errors import ConfigError, FramesError
from deweather.image.shapes import as_batch


def _steps(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of vertical and of horizontal neighbours."""
    pictures = as_batch(picture, "picture")
    if min(pictures.shape[-2:]) < 2:
        raise FramesError(
            f"picture has shape {tuple(picture.shape)}; total variation takes 2x2 pixels or more."
        )
    return pictures.diff(dim=-2), pictures.diff(dim=-1)


def total_variation(picture: Tensor) -> Tensor:
    """Mean absolute vertical difference plus mean absolute horizontal one.

    Args:
        picture: (..., C, H, W), 2x2 pixels or more.

    Returns:
        A scalar.

    Raises:
        FramesError: another shape.
    """
    down, across = _steps(picture)
    return down.abs().mean() + across.abs().mean()


def total_variation_squared(picture: Tensor) -> Tensor:
    """Twice the sum of the mean squared vertical and the mean squared horizontal difference.

    The factor is that of the form in common use, which APANet weighs with 5e-5 on real rain.

    Args:
        picture: (..., C, H, W), 2x2 pixels or more.

    Returns:
        A scalar.

    Raises:
        FramesError: another shape.
    """
    down, across = _steps(picture)
    return 2 * (down.square().mean() + across.square().mean())


def dark_channel_loss(picture: Tensor, window: int = 35, *, across_views: bool = False) -> Tensor:
    """Minus the mean of |1 - dark channel|: its minimum, -1, is a dark channel of zero everywhere.

    The dark channel of a pixel is the least value of any colour in a window around it, next to zero
    in clean outdoor pictures (He et al., TPAMI 2011). What lies outside of the picture is ignored.

    Args:
        picture: (..., C, H, W), C a multiple of 3 (views stacked as channels), values in [0, 1].
        window: side of the window in pixels, odd.
        across_views: also take three neighbouring channels that belong to two views, as APANet's
            released code does: its six channels give four dark channels, of which two mix
            left and right.

    Returns:
        A scalar.

    Raises:
        ConfigError: `window` is even or not positive.
        FramesError: the channels are no views of three.
    """
    if window < 1 or window % 2 == 0:
        raise ConfigError(f"window = {window}; expected an odd number of pixels.")
    pictures = as_batch(picture, "picture")
    if pictures.shape[1] % 3:
        raise FramesError(
            f"picture has shape {tuple(picture.shape)}; expected (..., C, H, W), C a multiple of 3."
        )
    colours = (1 - pictures).unfold(1, 3, 1 if across_views else 3).amax(-1)
    # A square maximum is one along rows, then one along columns: 2k comparisons, not k².
    rows = F.max_pool2d(colours, (1, window), stride=1, padding=(0, window // 2))
    return -F.max_pool2d(rows, (window, 1), stride=1, padding=(window // 2, 0)).abs().mean()
