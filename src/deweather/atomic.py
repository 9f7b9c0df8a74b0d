"""Files that appear under their name whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


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
