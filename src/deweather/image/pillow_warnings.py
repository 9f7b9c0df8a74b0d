"""Keep Pillow's warnings about odd but readable files from reaching the caller."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_readers = 0
_saved: warnings.catch_warnings[None] | None = None


@contextmanager
def ignore_pillow_warnings() -> Iterator[None]:
    """Ignore warnings that are raised inside Pillow while the block runs.

    `warnings.catch_warnings` saves and restores a list that all threads share, so two threads
    that leave in another order than they came would restore the wrong one. The first reader in
    saves and the last one out restores. Warnings from outside of Pillow pass as ever.
    """
    if getattr(sys.flags, "context_aware_warnings", False):  # Python 3.14 without the GIL
        with warnings.catch_warnings():
            _ignore_pillow()
            yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _readers, _saved  # noqa: PLW0603
    with _lock:
        if _readers == 0:
            _saved = warnings.catch_warnings()
            _saved.__enter__()
            _ignore_pillow()
        _readers += 1


def _leave() -> None:
    global _readers, _saved  # noqa: PLW0603
    with _lock:
        _readers -= 1
        if _readers == 0 and _saved is not None:
            _saved.__exit__(None, None, None)
            _saved = None


def _ignore_pillow() -> None:
    warnings.filterwarnings("ignore", module=r"PIL\.")
