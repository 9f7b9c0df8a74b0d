from __future__ import annotations

import builtins
import os

import numpy as np
import pytest

from deweather.errors import PictureError
from deweather.jobs import memory


def test_free_memory_is_known():
    assert memory.free_memory() is None or memory.free_memory() > 1 << 20


def test_where_the_system_does_not_tell_nothing_is_refused(monkeypatch):
    def gone(*args, **kwargs):
        raise OSError

    monkeypatch.setattr(builtins, "open", gone)
    monkeypatch.setattr(os, "sysconf", gone)
    assert memory.free_memory() is None
    memory.check_memory([np.broadcast_to(np.uint8(0), (1 << 20, 1 << 20, 3))], 256)


def test_what_fits_is_taken_and_what_does_not_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2 * 6 * 8 * 100)
    views = [np.zeros((6, 8, 3), np.uint8)] * 2
    memory.check_memory(views, 100)
    with pytest.raises(PictureError, match=r"8x6 pixels in 2 views need about 0\.0 GiB"):
        memory.check_memory(views, 101)
