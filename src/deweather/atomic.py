"""Files that appear under their name whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

TEMPORARY = re.compile(r"\.dw-[0-9a-f]{12}\.tmp")
"""Names under which files are built before they are complete."""


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `target` once the block ends well, and vanishes if not.

    A killed run leaves either the old file or the new one, and perhaps one called `.dw-….tmp` beside
    it. That name is short, so that a target whose name has the greatest length allowed still works.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = target.with_name(f".dw-{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            # The disk may take the new name before the bytes: a power cut would leave an empty file.
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_whole(target: Path, data: bytes) -> None:
    """Write a file of these bytes; see `replacing`."""
    with replacing(target) as file:
        file.write(data)


def remove_leftovers(folders: Collection[Path], before: float) -> None:
    """Remove the incomplete files that killed runs left in folders.

    Args:
        folders: the folders; what lies deeper stays.
        before: seconds since the epoch, as `time.time` tells them. What was written later stays:
            another run may be at work on it.
    """
    for folder in folders:
        with contextlib.suppress(OSError):
            for path in folder.iterdir():
                if TEMPORARY.fullmatch(path.name) and path.stat().st_mtime < before:
                    path.unlink(missing_ok=True)
