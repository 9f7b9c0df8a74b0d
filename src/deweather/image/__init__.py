"""Pixels in and out: picture files, folders of them, colour, stereo rigs.

The names here need numpy and Pillow. What needs torch is imported from its own file:
`deweather.image.frames` (arrays to tensors and back) and `deweather.image.transfer` (sRGB curve).
"""

from deweather.image.camera import Camera
from deweather.image.files import (
    MAX_PIXELS,
    OutputFormat,
    copy_picture,
    output_name,
    read_picture,
    write_picture,
)
from deweather.image.folders import (
    Found,
    FoundPair,
    find_pairs,
    find_pictures,
    match_pairs,
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
    "match_pairs",
    "output_name",
    "plan_outputs",
    "read_picture",
    "split_side_by_side",
    "write_picture",
]
