"""What the memory allocator does with the large tensors of networks."""

from __future__ import annotations

import torch


def keep_freed_memory() -> None:
    """Let the C library reuse the memory of tensors up to 32 MiB instead of giving it back.

    glibc returns what is freed above a limit to the system, and every page that is taken again costs
    a fault: up to a quarter of a network's time on a CPU. The limit follows the largest block that
    was freed, up to 32 MiB. A tensor just below that, never written and so without cost, is all it
    takes; other C libraries do not mind.
    """
    torch.empty((32 << 20) - (1 << 14), dtype=torch.uint8, device="cpu")
