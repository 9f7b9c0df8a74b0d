"""`Picture` in, restored `Picture` out, and the file made of it."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from deweather.image import OutputFormat, Picture, copy_picture, output_name, write_picture


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
        source: str | PathLike[str] | None = None,
        format: OutputFormat = "keep",
        overwrite: bool = False,
    ) -> Path:
        """Write the picture; where nothing was changed and the format stays, the source is copied.

        Compressing such a picture once more would only make it worse. That nothing was removed is
        noted in `picture.info.notes`.

        Args:
            out: the file to write, see `deweather.image.write_picture`.
            source: the file that the picture was read from; without it nothing is copied.
            format: the format; the extension of `out` is changed to fit.
            overwrite: whether an existing file may be replaced.

        Returns:
            The path of the written file.

        Raises:
            PictureError: the file exists, cannot be written, or cannot hold the picture.
        """
        info = self.picture.info
        target = output_name(Path(out), format)
        if not self.changed and source is not None and _same_suffix(target, source):
            written = copy_picture(source, target, overwrite=overwrite)
            # Of the notes on reading one holds for a copy, too: further frames were not looked at.
            first = " Only the first of its pictures was looked at." if info.several else ""
            info.notes[:] = [f"Nothing was removed, the file is a copy.{first}"]
            return written
        written = write_picture(
            target, self.picture, self.picture.pixels, format=format, overwrite=overwrite
        )
        if not self.changed:
            info.note("Nothing was removed.")
        return written


def _same_suffix(target: Path, source: str | PathLike[str]) -> bool:
    return target.suffix.lower() == Path(source).suffix.lower()
