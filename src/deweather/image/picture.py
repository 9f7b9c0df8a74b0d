"""A picture in memory: its pixels as the networks see them, and what writing it back needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from deweather.image.colour import MatrixProfile
from deweather.image.formats import Kind

Array = NDArray[Any]


@dataclass(frozen=True)
class JpegHint:
    """How a JPEG was compressed, so that its successor has the same quality.

    Attributes:
        tables: quantisation tables by number, 64 entries each.
        subsampling: Pillow's number: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
        progressive: whether the file was progressive.
    """

    tables: dict[int, list[int]]
    subsampling: int
    progressive: bool


@dataclass(frozen=True)
class WideColour:
    """A picture in an RGB colour space other than sRGB, before it was converted.

    Attributes:
        profile: the space.
        original: the pixels in that space, (H, W, 3), same dtype as the picture.
    """

    profile: MatrixProfile
    original: Array


@dataclass
class PictureInfo:
    """What is known of a picture besides its pixels.

    Attributes:
        kind: file format it was read from.
        grey: stored with one colour channel; it is written that way too, where the format can.
        bits: per sample, 8 or 16, as in the arrays (1-bit and palette files count as 8).
        exif: EXIF block as it stands in the file (from its TIFF header on), orientation set to 1.
        icc: ICC profile of the file to be written; None where the pixels are plain sRGB.
        xmp: XMP packet.
        dpi: dots per inch, horizontal and vertical.
        jpeg: compression of a source JPEG.
        lossless: whether a source WebP was lossless.
        wide: the original of a picture that had to be converted to sRGB.
        several: whether the file holds further frames or pages, which were not read.
        notes: plain sentences on what was changed or lost, in reading and in writing.
    """

    kind: Kind
    grey: bool = False
    bits: int = 8
    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    jpeg: JpegHint | None = None
    lossless: bool = False
    wide: WideColour | None = None
    several: bool = False
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Add a sentence to the notes, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def note_several(self, sentence: str) -> None:
        """Note that the file holds more than the picture that was read."""
        self.several = True
        self.note(sentence)


@dataclass
class Picture:
    """A picture, upright, in sRGB.

    Attributes:
        pixels: (H, W, 3), uint8 or uint16, sRGB-encoded; grey pictures have three equal channels.
        alpha: (H, W) of the same dtype, or None; not premultiplied.
        info: what is needed to write it back.
    """

    pixels: Array
    alpha: Array | None
    info: PictureInfo


def band_starts(height: int, width: int, budget: int = 1 << 20) -> range:
    """First rows of horizontal bands of about `budget` pixels each; the step is the band's height.

    Work on bands keeps temporary arrays small beside pictures of a hundred megapixels.
    """
    return range(0, height, max(1, budget // max(1, width)))
