"""`Picture` in, restored `Picture` out, and the file made of it."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from deweather.image import (
    OutputFormat,
    Picture,
    copy_picture,
    output_kind,
    output_name,
    picture_bytes,
    write_picture,
)


@dataclass(frozen=True)
class Restored:
    """A picture after restoring.

    Attributes:
        picture: its pixels are the restored ones; all else is as it was read.
        changed: whether a pixel of it, or of the pair that it belongs to, was changed.
    """

    picture: Picture
    changed: bool

    def write(
        self,
        out: str | PathLike[str],
        *,
        source: str | PathLike[str] | bytes | None = None,
        format: OutputFormat = "keep",
        overwrite: bool = False,
    ) -> Path:
        """Write the picture; where nothing was changed and the format stays, the source is copied.

        Compressing such a picture once more would only make it worse. That nothing was removed is
        noted in `picture.info.notes`.

        Args:
            out: the file to write, see `deweather.image.write_picture`.
            source: the file that the picture was read from, or its content; without it nothing is
                copied.
            format: the format; the extension of `out` is changed to fit.
            overwrite: whether an existing file may be replaced.

        Returns:
            The path of the written file.

        Raises:
            PictureError: the file exists, cannot be written, or cannot hold the picture.
        """
        target = output_name(Path(out), format)
        if source is not None and self._keeps(target, source, format):
            written = copy_picture(source, target, overwrite=overwrite)
            self._note_copy()
            return written
        pixels = self.picture.pixels
        written = write_picture(target, self.picture, pixels, format=format, overwrite=overwrite)
        if not self.changed:
            self.picture.info.note("Nothing was removed.")
        return written

    def content(
        self,
        *,
        source: str | PathLike[str] | bytes | None = None,
        format: OutputFormat = "keep",
    ) -> bytes:
        """The bytes of the file that `write` would write; arguments as there.

        Raises:
            PictureError: the format cannot hold the picture.
        """
        if source is not None and self._keeps(None, source, format):
            self._note_copy()
            return source if isinstance(source, bytes) else Path(source).read_bytes()
        content = picture_bytes(self.picture, self.picture.pixels, format)
        if not self.changed:
            self.picture.info.note("Nothing was removed.")
        return content

    def _keeps(
        self, target: Path | None, source: str | PathLike[str] | bytes, format: OutputFormat
    ) -> bool:
        """Whether the source itself will do: nothing was changed, and the format stays."""
        if self.changed:
            return False
        if target is not None and not isinstance(source, bytes):
            return target.suffix.lower() == Path(source).suffix.lower()
        return output_kind(target, self.picture, format) == self.picture.info.kind

    def _note_copy(self) -> None:
        """Of the notes on reading one holds for a copy, too: further frames were not looked at."""
        info = self.picture.info
        first = " Only the first of its pictures was looked at." if info.several else ""
        info.notes[:] = [f"Nothing was removed, the file is a copy.{first}"]
