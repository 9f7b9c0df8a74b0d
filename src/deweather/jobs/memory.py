"""Free memory of this machine, and pictures refused that need more than that."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from deweather.errors import PictureError


def check_memory(views: Sequence[NDArray[Any]], bytes_per_pixel: int) -> None:
    """Refuse pictures that the machine has no memory for, before it begins to swap.

    Args:
        views: (H, W, 3) each, of one size.
        bytes_per_pixel: needed at the peak, for each pixel of each view.

    Raises:
        PictureError: it needs more than is free; the message says how much.
    """
    height, width = views[0].shape[:2]
    needed, free = bytes_per_pixel * len(views) * height * width, free_memory()
    if free is not None and needed > free:
        raise PictureError(
            f"{width}x{height} pixels in {len(views)} views need about {needed / 2**30:.1f} GiB of "
            f"memory, {free / 2**30:.1f} are free. Reduce the picture or crop it."
        )


def free_memory() -> int | None:
    """Bytes that can be taken without swapping; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            facts = dict(line.split(":", 1) for line in file)
        return int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
