"""HEIC files read by the optional package `pillow-heif`: samples of 8 or 16 bits, upright."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from deweather.errors import MissingExtraError, PictureError
from deweather.image.metadata import bare_exif, upright_exif, upright_xmp
from deweather.image.picture import Array, PictureInfo

_MODES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
_SRGB_PRIMARIES = 1  # of ITU-T H.273; 2 is unknown
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True)
class Heic:
    """What a file holds: colours (H, W, 3), alpha (H, W), as they are to be seen."""

    pixels: Array
    alpha: Array | None


def read_heic(file: BinaryIO, info: PictureInfo, check_size: Callable[[int, int], None]) -> Heic:
    """Read the main picture of a HEIC file; more than 8 bits come out as 16.

    The file's own turning and mirroring is applied, whatever its EXIF block says: the standard
    wants it so.

    Args:
        file: the file.
        info: takes up profile, EXIF, XMP and notes.
        check_size: called with width and height before anything is decoded.

    Raises:
        PictureError: `pillow-heif` is not there, or the file holds what is not supported.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise PictureError(
            f"HEIC is read by {MissingExtraError('pillow-heif', 'heic')}."
        ) from error
    file.seek(0)
    heic = pillow_heif.open_heif(file, convert_hdr_to_8bit=False, bgr_mode=False)
    picture = heic[heic.primary_index]
    check_size(*picture.size)
    if len(heic) > 1:
        info.note_several("The file holds several pictures; only the main one was read.")
    colours, _, deep = picture.mode.partition(";")
    if colours not in _MODES:
        raise PictureError(f"pixels of mode {picture.mode!r} are not supported. Save it as PNG.")
    facts: dict[str, Any] = picture.info
    samples = np.asarray(picture)
    samples = samples if samples.ndim == 3 else samples[..., None]
    if deep:
        samples = _full_range(samples, int(facts.get("bit_depth", 10)))
        info.bits = 16
    info.grey = _MODES[colours] < 3
    _keep_facts(facts, info)
    alpha = samples[..., -1].copy() if _MODES[colours] in (2, 4) else None
    if info.grey:
        return Heic(np.repeat(samples[..., :1], 3, axis=-1), alpha)
    pixels = np.ascontiguousarray(samples[..., :3])
    return Heic(pixels if pixels.flags.writeable else pixels.copy(), alpha)


def _full_range(samples: Array, bits: int) -> Array:
    """Values that stand in the upper bits of 16, with the same bits below them: white is 65535."""
    out = np.empty(samples.shape, np.uint16)
    for y in range(len(samples)):
        out[y] = samples[y] | (samples[y] >> np.uint16(bits))
    return out


def _keep_facts(found: dict[str, Any], info: PictureInfo) -> None:
    icc, xmp = found.get("icc_profile"), found.get("xmp")
    info.icc = icc if isinstance(icc, bytes) and icc else None
    info.xmp = upright_xmp(xmp) if isinstance(xmp, bytes) and xmp else None
    exif = bare_exif(found.get("exif"))
    info.exif = upright_exif(exif) if exif else None
    nclx = found.get("nclx_profile") or {}
    transfer = int(nclx.get("transfer_characteristics", 2))
    primaries = int(nclx.get("color_primaries", 2))
    if transfer in _HDR_TRANSFERS:
        name = _HDR_TRANSFERS[transfer]
        info.note(f"The picture is HDR ({name}); its values were taken as they are.")
    elif info.icc is None and primaries not in (_SRGB_PRIMARIES, 2):
        info.note(
            f"The colours have the primaries {primaries} of ITU-T H.273 and no profile; "
            "they were taken as sRGB."
        )
