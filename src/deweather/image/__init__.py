"""Pixels in and out: picture files, folders of them, colour, cameras.

The names here need numpy and Pillow. What needs torch is imported from its own file:
`deweather.image.frames` (arrays to tensors and back) and `deweather.image.transfer` (sRGB curve).

Why PNG and TIFF are code of our own (`png`, `tiff`, `tiff_write`): Pillow has no colours of 16 bits,
and of the libraries that were tried none passes for reading and writing. pyvips writes EXIF blocks anew
and none to TIFF; tifffile writes no directories of EXIF and GPS and needs the 80 MiB of imagecodecs for
LZW; OpenCV reads half of the layouts of TIFF; imagecodecs has no metadata. `docs/formats.md` has the
figures. AVIF is read by Pillow, HEIC by the extra `heic`; no reader of JPEG XL knows a picture's size
before it decodes, or gives its profile.
"""

from typing import TYPE_CHECKING

from deweather.errors import names_of_earlier_versions
from deweather.image.camera import Camera
from deweather.image.files import (
    MAX_PIXELS,
    OutputFormat,
    copy_picture,
    output_kind,
    output_name,
    picture_bytes,
    read_picture,
    read_stream,
    source_name,
    write_picture,
)
from deweather.image.folders import (
    Found,
    FoundPair,
    find_pairs,
    find_pictures,
    plan_outputs,
    split_side_by_side,
)
from deweather.image.formats import EXTENSIONS
from deweather.image.picture import Picture, PictureInfo

__all__ = [
    "EXTENSIONS",
    "MAX_PIXELS",
    "Camera",
    "Found",
    "FoundPair",
    "OutputFormat",
    "Picture",
    "PictureInfo",
    "copy_picture",
    "find_pairs",
    "find_pictures",
    "output_kind",
    "output_name",
    "picture_bytes",
    "plan_outputs",
    "read_picture",
    "read_stream",
    "source_name",
    "split_side_by_side",
    "write_picture",
]

if not TYPE_CHECKING:  # a type checker would take any name for known
    __getattr__ = names_of_earlier_versions(__name__, {"match_pairs": "find_pairs"})
