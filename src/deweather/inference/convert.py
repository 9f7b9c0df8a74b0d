"""Between what a caller has (path, PIL image, array) and the arrays that restoring works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deweather.errors import ConfigError, FramesError
from deweather.image import read_picture
from deweather.image.bit_depth import to_8_bit
from deweather.inference.pictures import Restored

Pixels = NDArray[Any]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass
class Canvas:
    """Pixels to restore in place, and the way back to the caller's kind.

    Attributes:
        pixels: (H, W, 3), uint8, uint16 or floating in [0, 1]; nobody else's.
        finish: makes the caller's kind of the restored pixels.
        write: writes them to a file, told whether they changed and whether to overwrite; None where
            the source was no file.
    """

    pixels: Pixels
    finish: Callable[[Pixels], Any]
    write: Callable[[str | PathLike[str], bool, bool], Any] | None = None

    def close(self, out: str | PathLike[str] | None, *, changed: bool, overwrite: bool) -> Any:
        """The pixels as the caller's kind, or written to `out`; `changed` since they were read?"""
        if out is None:
            return self.finish(self.pixels)
        if self.write is None:
            raise ConfigError(
                f"out = {str(out)!r} goes with a path; save the returned picture instead."
            )
        return self.write(out, changed, overwrite)


def open_canvas(source: str | PathLike[str] | Image.Image | NDArray[Any]) -> Canvas:
    """Take a picture of any kind in.

    Raises:
        PictureError: a file that cannot be read.
        FramesError: an array or image of a shape, mode or dtype that is no picture.
    """
    if isinstance(source, str | PathLike):
        return _from_file(source)
    if isinstance(source, Image.Image):
        return _from_pil(source)
    if isinstance(source, np.ndarray):
        return _from_array(source)
    raise FramesError(
        f"cannot restore a {type(source).__name__}; give a path, a PIL image, an array or a tensor."
    )


def _from_file(path: str | PathLike[str]) -> Canvas:
    picture = read_picture(path)

    def write(out: str | PathLike[str], changed: bool, overwrite: bool) -> Any:
        return Restored(picture, changed).write(out, source=path, overwrite=overwrite)

    def finish(restored: Pixels) -> Image.Image:
        image = Image.fromarray(to_8_bit(restored))
        if picture.alpha is not None:
            image.putalpha(Image.fromarray(to_8_bit(picture.alpha)))
        return image

    return Canvas(picture.pixels, finish, write)


def _from_pil(image: Image.Image) -> Canvas:
    if image.mode.startswith("I;16"):
        inner = _from_array(np.asarray(image).astype(np.uint16))
        return Canvas(inner.pixels, lambda r: Image.fromarray(inner.finish(r)))
    if image.mode not in (
        "1",
        "L",
        "LA",
        "P",
        "PA",
        "RGB",
        "RGBA",
        "RGBX",
        "CMYK",
        "YCbCr",
        "HSV",
        "LAB",
    ):
        raise FramesError(f"cannot restore a PIL image of mode {image.mode!r}; convert it to RGB.")
    alpha = "A" in image.mode or "transparency" in image.info
    grey = image.mode in ("1", "L", "LA")
    array = np.asarray(image.convert("RGBA" if alpha else "RGB"))
    info = {k: v for k, v in image.info.items() if k != "transparency"}

    def finish(restored: Pixels) -> Image.Image:
        out = Image.fromarray(np.dstack([restored, array[..., 3]]) if alpha else restored)
        if grey:
            out = out.convert("LA" if alpha else "L")
        out.info.update(info)
        return out

    return Canvas(np.array(array[..., :3], order="C"), finish)


def _from_array(array: NDArray[Any]) -> Canvas:
    shape, dtype = array.shape, array.dtype
    floating = np.issubdtype(dtype, np.floating)
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)) or 0 in shape:
        raise FramesError(
            f"array has shape {shape}; expected (H, W), (H, W, 3) or (H, W, 4), none of them 0."
        )
    if dtype not in (np.uint8, np.uint16) and not floating:
        raise FramesError(f"array has dtype {dtype}; expected uint8, uint16 or floating in [0, 1].")
    if floating and not np.isfinite(array).all():
        raise FramesError("array has values that are nan or infinite; remove them.")
    if floating and not (array.min() >= 0 and array.max() <= 1):
        raise FramesError(
            f"array has values from {array.min()} to {array.max()}; floating pictures are in [0, 1]."
        )
    grey = array.ndim == 2 or shape[2] == 1
    colour = np.repeat(array.reshape(*shape[:2], 1), 3, axis=2) if grey else array[..., :3]

    def finish(restored: Pixels) -> Pixels:
        if grey:
            luma = restored.astype(np.float32) @ _LUMA
            return (luma if floating else np.rint(luma)).astype(dtype).reshape(shape)
        if shape[2] == 4:
            restored = np.dstack([restored, array[..., 3]])
        return restored.astype(dtype, copy=False)

    return Canvas(np.array(colour, np.float32 if floating else dtype, order="C"), finish)
