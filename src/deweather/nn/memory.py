"""Large tensors on a CPU: freed memory that is used again instead of given back to the system.

glibc takes blocks above a limit straight from the system and gives them back when they are freed, and
every page that is taken again costs a fault: half of the time of a network on a picture of 768x768
pixels. While a network runs nothing is given back. Afterwards the limits are those that glibc itself
comes to in any process that has freed a block of 32 MiB, and what lies idle goes back. Other C
libraries are left alone, and so is glibc where its user has tuned it.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # names of options in malloc.h
_LARGEST_INT = 2**31 - 1

_MOST_KEPT = 256 << 20
"""Bytes that may lie idle after a block; more is given back at once."""


@contextmanager
def reusing_memory(device: torch.device) -> Iterator[None]:
    """Let the allocator keep what is freed within the block, if that runs on a CPU.

    The allocator is one for all threads of the process. Blocks may be nested, and may overlap in
    several threads: the first to begin sets the limits, the last to end takes them back.
    """
    allocator = _allocator() if device.type == "cpu" else None
    if allocator is None:
        yield
        return
    allocator.enter()
    try:
        yield
    finally:
        allocator.leave()


@cache
def _allocator() -> _Glibc | None:
    """That of the C library, if it is glibc's and nobody has tuned it."""
    tuned = any(name.startswith("MALLOC_") for name in os.environ)
    if sys.platform != "linux" or tuned or "malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return None
    library = ctypes.CDLL(None)
    return _Glibc(library) if hasattr(library, "mallinfo2") else None  # glibc 2.33 and later


class _Glibc:
    """The options of glibc's allocator, and how many blocks want it to keep memory."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        self.library.mallinfo2.restype = _Mallinfo2
        self.library.malloc_trim.argtypes = [ctypes.c_size_t]
        self.lock, self.blocks = threading.Lock(), 0

    def enter(self) -> None:
        with self.lock:
            self.blocks += 1
            if self.blocks == 1:
                self.library.mallopt(_MMAP_MAX, 0)
                self.library.mallopt(_TRIM_THRESHOLD, _LARGEST_INT)

    def leave(self) -> None:
        with self.lock:
            self.blocks -= 1
            if self.blocks == 0:
                self.library.mallopt(_MMAP_MAX, 65536)
                self.library.mallopt(_MMAP_THRESHOLD, 32 << 20)
                self.library.mallopt(_TRIM_THRESHOLD, 64 << 20)
                if self.library.mallinfo2().fordblks > _MOST_KEPT:
                    self.library.malloc_trim(_MOST_KEPT)


class _Mallinfo2(ctypes.Structure):
    """`struct mallinfo2` of malloc.h; `fordblks` are the bytes that are free but not given back."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip
