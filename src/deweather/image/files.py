"""Read a picture from a file, and write it back restored with all that came with it."""

from __future__ import annotations

import io
import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO, Literal

from deweather.atomic import replacing
from deweather.errors import PictureError
from deweather.image.decode import decode
from deweather.image.encode import encode
from deweather.image.formats import (
    EXTENSIONS,
    HEAD_SIZE,
    READ_ONLY,
    Kind,
    default_suffix,
    identify,
    promised_by,
)
from deweather.image.picture import Array, Picture
from deweather.image.pillow_warnings import ignore_pillow_warnings

MAX_PIXELS = 500_000_000
"""Default limit on width × height; beyond it a file is taken for a decompression bomb."""

OutputFormat = Literal["keep", "png", "jpg", "webp", "tiff"]

_KINDS: dict[str, Kind] = {"png": "png", "jpg": "jpeg", "webp": "webp", "tiff": "tiff"}


def source_name(source: object) -> str:
    """A path, the content of a file (bytes) or a stream in words, such as "<stdin>"."""
    if isinstance(source, bytes):
        return "<bytes>"
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    name = getattr(source, "name", None)  # a number where the stream was made from a descriptor
    return name if isinstance(name, str) else "<stream>"


def read_picture(
    source: str | os.PathLike[str] | bytes | BinaryIO,
    *,
    max_pixels: int = MAX_PIXELS,
    name: str | None = None,
) -> Picture:
    """Read a JPEG, PNG, WebP, TIFF, BMP, AVIF or HEIC file as upright RGB in sRGB.

    Args:
        source: the path of a file, its content, or a stream, which is read to its end. The content
            decides on the format; an extension of a path that names another format is an error.
        max_pixels: largest width × height to decode.
        name: what errors call the file; its path, "<bytes>" or the name of the stream by default.

    Raises:
        PictureError: whatever is wrong with the file; the message names it, the reason and what
            to do.
    """
    name = name or source_name(source)
    named = isinstance(source, str | os.PathLike)
    content = source if isinstance(source, str | os.PathLike | bytes) else read_stream(source)
    try:
        with _open(content) as file, ignore_pillow_warnings():
            head = file.read(HEAD_SIZE)
            if not head:
                raise PictureError("the file is empty. Copy or export it again.")
            kind = identify(head, name if named else "")
            return decode(file, kind, head, max_pixels)
    except PictureError as error:
        raise PictureError(f"{name}: {error}") from error
    except MemoryError as error:
        raise PictureError(f"{name}: the picture does not fit into memory.") from error
    except Exception as error:  # decoders fail in many ways on damaged files, all of which end here
        raise PictureError(f"{name}: {_decoder_complaint(error)}") from error


def read_stream(stream: BinaryIO) -> bytes:
    """All that a stream still holds; decoders go back and forth, which pipes do not allow.

    Raises:
        PictureError: it cannot be read.
    """
    try:
        return stream.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(
            f"{source_name(stream)}: cannot be read ({reason}). Open it anew."
        ) from error


def write_picture(
    path: str | os.PathLike[str],
    picture: Picture,
    pixels: Array,
    *,
    format: OutputFormat = "keep",
    overwrite: bool = False,
) -> Path:
    """Write restored pixels with the alpha, EXIF, ICC profile, resolution and depth of a picture.

    The file appears under its name only once it is complete. Grey pictures stay grey and 16 bits
    stay 16 bits where the format has them (PNG, TIFF). JPEG drops transparency; it takes over the
    quantisation of a source JPEG and is written at quality 95, 4:4:4, otherwise. All that is lost
    is noted in `picture.info.notes`.

    Args:
        path: the file to write; missing folders are made.
        picture: the picture as `read_picture` gave it.
        pixels: (H, W, 3) in sRGB, of the shape and dtype of `picture.pixels`.
        format: the format; the extension of `path` is changed to fit. With "keep" the extension
            of `path` decides, and the format of the source where the extension says nothing.
        overwrite: whether an existing file may be replaced.

    Returns:
        The path of the written file.

    Raises:
        PictureError: if the file exists, cannot be written, or cannot hold the picture.
    """
    target = output_name(Path(path), format)
    try:
        kind = output_kind(target, picture, format)
        _check_pixels(picture, pixels)
        if not overwrite and os.path.lexists(target):
            raise PictureError("the file exists. Choose another name or ask to overwrite it.")
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as file, ignore_pillow_warnings():
            encode(file, kind, picture, pixels)
    except PictureError as error:
        raise PictureError(f"{target}: {error}") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise PictureError(
            f"{target}: cannot be written ({reason}). Check the folder, its permissions and the "
            "free space."
        ) from error
    except (ValueError, MemoryError) as error:
        raise PictureError(f"{target}: cannot be written ({error}).") from error
    return target


def picture_bytes(picture: Picture, pixels: Array, format: OutputFormat = "keep") -> bytes:
    """The content of the file that `write_picture` would write.

    Args:
        picture: the picture as `read_picture` gave it.
        pixels: (H, W, 3) in sRGB, of the shape and dtype of `picture.pixels`.
        format: the format; "keep" is that of the source.

    Raises:
        PictureError: if the format cannot hold the picture.
    """
    kind = output_kind(None, picture, format)
    _check_pixels(picture, pixels)
    file = io.BytesIO()
    try:
        with ignore_pillow_warnings():
            encode(file, kind, picture, pixels)
    except (OSError, ValueError, MemoryError) as error:
        raise PictureError(f"the picture cannot be written ({error}).") from error
    return file.getvalue()


def copy_picture(
    source: str | os.PathLike[str] | bytes,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Path:
    """Copy a picture file (or its content) byte by byte: for a picture in which nothing was changed.

    Compressing it once more would only make it worse. The file appears under its name only once it
    is complete.

    Raises:
        PictureError: if the target exists, or source or target cannot be used.
    """
    target = Path(path)
    try:
        if not overwrite and os.path.lexists(target):
            raise PictureError("the file exists. Choose another name or ask to overwrite it.")
        target.parent.mkdir(parents=True, exist_ok=True)
        with _open(source) as original, replacing(target) as file:
            shutil.copyfileobj(original, file)
    except PictureError as error:
        raise PictureError(f"{target}: {error}") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise PictureError(f"{target}: cannot be written ({reason}).") from error
    return target


def output_name(path: Path, format: OutputFormat) -> Path:
    """A path with the extension that a format asks for; unchanged where it already fits.

    Extensions that are not those of a picture stay in the name: `v1.2` becomes `v1.2.png`.
    """
    if format == "keep":
        return path
    kind = _kind_of(format)
    suffix = path.suffix.lower()
    if EXTENSIONS.get(suffix) == kind:
        return path
    if promised_by(suffix) is not None:
        path = path.with_suffix("")
    return path.with_name(path.name + default_suffix(kind))


def output_kind(target: Path | None, picture: Picture, format: OutputFormat) -> Kind:
    """The format in which a picture is written to a file, or to something that has no name.

    Raises:
        PictureError: the extension is that of a format which cannot be written.
    """
    if format != "keep":
        return _kind_of(format)
    suffix = "" if target is None else target.suffix.lower()
    kind = EXTENSIONS.get(suffix)
    if kind is not None and kind not in READ_ONLY:
        return kind
    if (promised := promised_by(suffix)) is not None:
        valid = ", ".join(sorted(s for s, k in EXTENSIONS.items() if k not in READ_ONLY))
        raise PictureError(f"{promised} cannot be written. Use one of the extensions {valid}.")
    return "png" if picture.info.kind in READ_ONLY else picture.info.kind


def _kind_of(format: str) -> Kind:
    if format not in _KINDS:
        raise PictureError(f"unknown format {format!r}. Valid: keep, {', '.join(_KINDS)}.")
    return _KINDS[format]


def _check_pixels(picture: Picture, pixels: Array) -> None:
    expected = picture.pixels
    if pixels.shape != expected.shape or pixels.dtype != expected.dtype:
        raise PictureError(
            f"the restored pixels are {pixels.dtype} of shape {pixels.shape}, the picture is "
            f"{expected.dtype} of shape {expected.shape}. Give both alike."
        )


def _decoder_complaint(error: Exception) -> str:
    """A reason and a remedy, made of what a decoder said."""
    said = " ".join(str(error).split()) or type(error).__name__
    if "truncated" in said.lower():
        return "the file is truncated. Copy or export it again."
    if "not identified" in said or "cannot load this image" in said:
        return "the header is damaged or announces no pixels. Copy or export the file again."
    return (
        f"the file is damaged or of an unsupported kind ({said.rstrip('.')}). "
        "Copy it again, or open and save it in a picture editor."
    )


def _open(source: str | os.PathLike[str] | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else _open_regular(os.fsdecode(source))


def _open_regular(name: str) -> BinaryIO:
    """Open a file for reading unless it is a folder, a pipe or a device, which could block."""
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISDIR(mode):
            raise PictureError("this is a folder. Give a picture file.")
        if not stat.S_ISREG(mode):
            raise PictureError("this is no regular file but a pipe or device. Give a picture file.")
        return open(name, "rb")
    except FileNotFoundError as error:
        broken = os.path.islink(name)
        reason = "the link leads nowhere" if broken else "there is no such file"
        raise PictureError(f"{reason}. Check the path.") from error
    except PermissionError as error:
        raise PictureError("no permission to read the file. Change its permissions.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PictureError(f"the file cannot be opened ({reason}). Check the path.") from error
