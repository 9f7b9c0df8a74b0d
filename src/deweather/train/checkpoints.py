"""Checkpoints that survive a kill at any moment, a full disk and a damaged file."""

from __future__ import annotations

import errno
import io
import logging
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from deweather.atomic import replacing
from deweather.errors import ConfigError, TrainingError

logger = logging.getLogger(__name__)

FORMAT = 1
"""Of the checkpoints; another number is another program's."""


class Checkpoints:
    """The last two checkpoints of a run, `last.ckpt` and `previous.ckpt` in its folder."""

    def __init__(self, folder: Path) -> None:
        """Take the run's folder, which need not exist yet."""
        self.folder = folder
        self.last, self.previous = folder / "last.ckpt", folder / "previous.ckpt"
        self._next = folder / "next.ckpt"
        self._damaged: set[Path] = set()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._there())

    def _there(self) -> list[Path]:
        """The files that there are, newest first."""
        return [p for p in (self._next, self.last, self.previous) if p.exists()]

    def remove(self) -> None:
        """Remove all, to start over."""
        for path in self._there():
            path.unlink()

    def write(self, state: dict[str, Any]) -> None:
        """Write a state; what was last becomes the previous one, unless `read` found it damaged.

        There is a whole checkpoint under some name at any moment: the new one is `next.ckpt` until
        the two others have moved on.

        Raises:
            TrainingError: the disk is full; the checkpoints before stay.
        """
        memory = io.BytesIO()  # torch says a full disk in words of its own, a file does not
        torch.save({"format": FORMAT, **state}, memory)
        with explaining_full_disk(self.last), replacing(self._next) as file:
            file.write(memory.getbuffer())
        if self.last.exists() and self.last not in self._damaged:
            os.replace(self.last, self.previous)
        self._damaged.clear()
        os.replace(self._next, self.last)

    def read(self) -> dict[str, Any]:
        """The newest state that is whole.

        Raises:
            ConfigError: it is of another program.
            TrainingError: there is none, or all that there are are damaged.
        """
        for path in self._there():
            state = read_whole(path)
            if state is None:
                logger.warning("%s is damaged and left aside", path)
                self._damaged.add(path)
                continue
            if state.get("format") != FORMAT:
                raise ConfigError(
                    f"{path} was not written by this version; start over with --fresh."
                )
            return state
        raise TrainingError(f"{self.folder} holds no whole checkpoint; start over with --fresh.")


def read_whole(path: Path) -> dict[str, Any] | None:
    """A checkpoint, or None if the file is truncated or a byte of it has changed."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # zipfile, pickle and torch raise what they like on damage
        return None
    return state if isinstance(state, dict) else None


@contextmanager
def explaining_full_disk(path: Path) -> Iterator[None]:
    """Turn the system's word for a full disk into one that says what to do.

    Raises:
        TrainingError: the disk of `path` is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = shutil.disk_usage(path if path.is_dir() else path.parent).free >> 20
        raise TrainingError(
            f"{path}: the disk is full ({free} MiB are free). The files before are whole: free "
            "some space and give the same command again."
        ) from error


def steps_done(run: Path) -> int:
    """The step at which the checkpoint of a run's folder was written."""
    # Mapped and not read: of the file, which holds all weights, one number is wanted.
    saved = torch.load(run / "last.ckpt", map_location="cpu", weights_only=True, mmap=True)
    return int(saved["loop"]["step"])
