"""Decoded pictures kept in memory, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


class ArrayCache:
    """Keeps the arrays last asked for; what does not fit is loaded again.

    Each process that loads data has its own: a copy that is sent to another process is empty.
    """

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` bytes."""
        self.limit, self.size = limit, 0
        self._arrays: OrderedDict[Hashable, Array] = OrderedDict()

    def get(self, key: Hashable, load: Callable[[], Array]) -> Array:
        """The array of this key, read-only; loaded if it is not there."""
        if key in self._arrays:
            self._arrays.move_to_end(key)
            return self._arrays[key]
        array = load()
        array.setflags(write=False)
        if array.nbytes <= self.limit:
            self._arrays[key] = array
            self.size += array.nbytes
            while self.size > self.limit:
                self.size -= self._arrays.popitem(last=False)[1].nbytes
        return array

    def __getstate__(self) -> dict[str, Any]:
        return {"limit": self.limit, "size": 0, "_arrays": OrderedDict()}
