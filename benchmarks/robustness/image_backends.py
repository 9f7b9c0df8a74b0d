"""Libraries that could read and write PNG and TIFF in place of our own code, behind one protocol."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass
class Content:
    """What a file holds.

    Attributes:
        samples: (H, W, S), S = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; or colours alone.
        alpha: (H, W) where it is not in the samples.
        icc: profile.
        exif: block from its TIFF header on.
        xmp: packet.
        dpi: resolution.
    """

    samples: Array
    alpha: Array | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None


class Backend(Protocol):
    """A library."""

    kinds: tuple[str, ...]
    packages: tuple[str, ...]

    def read(self, path: Path) -> Content:
        """Decode a file; raises whatever the library raises."""
        ...

    def write(self, path: Path, kind: str, content: Content) -> None:
        """Encode as "png" or "tiff" (Deflate, horizontal prediction) with all that comes along."""
        ...


class Own:
    """Our own code, on Pillow and OpenCV."""

    kinds = ("png", "tiff")
    packages = ()

    def read(self, path: Path) -> Content:
        """As `read_picture` does."""
        from deweather.image import read_picture

        picture = read_picture(path)
        info = picture.info
        return Content(picture.pixels, picture.alpha, info.icc, info.exif, info.xmp, info.dpi)

    def write(self, path: Path, kind: str, content: Content) -> None:
        """As `write_picture` does."""
        from deweather.image.metadata import tags_of_exif
        from deweather.image.png import write_png
        from deweather.image.tiff_write import write_tiff

        facts = {"icc": content.icc, "xmp": content.xmp, "dpi": content.dpi}
        with path.open("wb") as file:
            if kind == "png":
                write_png(file, content.samples, exif=content.exif, **facts)
                return
            tags = tags_of_exif(content.exif) if content.exif else None
            alpha = content.samples.shape[-1] in (2, 4)
            write_tiff(file, content.samples, alpha=alpha, tags=tags, **facts)


_VIPS = {"icc": "icc-profile-data", "exif": "exif-data", "xmp": "xmp-data"}


class Vips:
    """libvips."""

    kinds = ("png", "tiff")
    packages = ("pyvips", "pyvips_binary", "pyvips_binary.libs", "cffi", "pycparser")

    def read(self, path: Path) -> Content:
        """Decode at once, in order, failing on any damage."""
        import pyvips

        image = pyvips.Image.new_from_file(str(path), access="sequential", fail_on="warning")
        samples = image.numpy()
        samples = samples if samples.ndim == 3 else samples[..., None]
        present = set(image.get_fields())
        facts = {k: image.get(f) for k, f in _VIPS.items() if f in present}
        if facts.get("exif"):
            facts["exif"] = facts["exif"].removeprefix(b"Exif\0\0")
        return Content(samples, dpi=(image.xres * 25.4, image.yres * 25.4), **facts)

    def write(self, path: Path, kind: str, content: Content) -> None:
        """Adaptive filters for PNG, as ours."""
        import pyvips

        image = pyvips.Image.new_from_array(content.samples)
        deep, grey = content.samples.dtype == np.uint16, content.samples.shape[-1] < 3
        space = ("grey16" if deep else "b-w") if grey else ("rgb16" if deep else "srgb")
        x, y = content.dpi or (25.4, 25.4)
        image = image.copy(interpretation=space, xres=x / 25.4, yres=y / 25.4)
        for name, field in _VIPS.items():
            body = getattr(content, name)
            if body is not None:
                body = b"Exif\0\0" + body if name == "exif" else body
                image.set_type(pyvips.GValue.blob_type, field, body)
        if kind == "png":
            image.pngsave(str(path), compression=6, filter="all")
        else:
            image.tiffsave(str(path), compression="deflate", predictor="horizontal")


class Pillow:
    """Pillow, which is a dependency already, without what we put around it."""

    kinds = ("png", "tiff")
    packages = ()

    def read(self, path: Path) -> Content:
        """Decode in the mode that the file has, palettes and colour keys expanded."""
        from PIL import Image

        with Image.open(path) as opened:
            info, image = opened.info, opened
            if "transparency" in info:
                image = opened.convert("LA" if opened.mode == "L" else "RGBA")
            samples = np.asarray(image)
        facts = {"icc": info.get("icc_profile"), "dpi": info.get("dpi"), "xmp": info.get("xmp")}
        if info.get("exif"):
            facts["exif"] = info["exif"].removeprefix(b"Exif\0\0")
        return Content(samples if samples.ndim == 3 else samples[..., None], **facts)

    def write(self, path: Path, kind: str, content: Content) -> None:
        """Encode; colours have 8 bits."""
        from PIL import Image, PngImagePlugin

        samples = content.samples
        image = Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples)
        options = {"icc_profile": content.icc, "dpi": content.dpi, "exif": content.exif}
        if kind == "tiff":
            options |= {"compression": "tiff_adobe_deflate", "xmp": content.xmp}
        elif content.xmp:
            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", content.xmp.decode())
        present = {name: value for name, value in options.items() if value is not None}
        image.save(path, kind.upper(), **present)


class OpenCV:
    """OpenCV, which is a dependency already."""

    kinds = ("png", "tiff")
    packages = ()

    def read(self, path: Path) -> Content:
        """Decode; OpenCV gives no resolution."""
        import cv2

        data = np.frombuffer(path.read_bytes(), np.uint8)
        samples, kinds, bodies = cv2.imdecodeWithMetadata(data, cv2.IMREAD_UNCHANGED)
        if samples is None:
            raise ValueError("OpenCV reads nothing")
        samples = samples if samples.ndim == 3 else samples[..., None]
        if samples.shape[-1] >= 3:
            code = cv2.COLOR_BGR2RGB if samples.shape[-1] == 3 else cv2.COLOR_BGRA2RGBA
            cv2.cvtColor(samples, code, dst=samples)
        names = {cv2.IMAGE_METADATA_EXIF: "exif", cv2.IMAGE_METADATA_XMP: "xmp"}
        names[cv2.IMAGE_METADATA_ICCP] = "icc"
        facts = {names[k]: bytes(b) for k, b in zip(kinds, bodies, strict=True) if k in names}
        return Content(samples, **facts)

    def write(self, path: Path, kind: str, content: Content) -> None:
        """Encode to memory."""
        import cv2

        samples = content.samples
        if samples.shape[-1] == 2:
            raise ValueError("no grey with alpha")
        if samples.shape[-1] >= 3:
            code = cv2.COLOR_RGB2BGR if samples.shape[-1] == 3 else cv2.COLOR_RGBA2BGRA
            samples = cv2.cvtColor(samples, code)
        pairs = [
            (cv2.IMAGE_METADATA_EXIF, content.exif),
            (cv2.IMAGE_METADATA_XMP, content.xmp),
            (cv2.IMAGE_METADATA_ICCP, content.icc),
        ]
        kinds = [k for k, body in pairs if body is not None]
        bodies = [np.frombuffer(body, np.uint8) for _, body in pairs if body is not None]
        if kind == "png":
            options = [cv2.IMWRITE_PNG_COMPRESSION, 6, cv2.IMWRITE_PNG_FILTER, 0xF8]
        else:
            options = [cv2.IMWRITE_TIFF_COMPRESSION, 8, cv2.IMWRITE_TIFF_PREDICTOR, 2]
        suffix = {"png": ".png", "tiff": ".tif"}[kind]
        if kinds:
            done, data = cv2.imencodeWithMetadata(suffix, samples, kinds, bodies, options)
        else:
            done, data = cv2.imencode(suffix, samples, options)
        if not done:
            raise ValueError("OpenCV writes nothing")
        path.write_bytes(data.data)


class ImageCodecs:
    """imagecodecs, libpng without metadata."""

    kinds = ("png",)
    packages = ("imagecodecs", "imagecodecs.libs")

    def read(self, path: Path) -> Content:
        """Decode."""
        import imagecodecs

        samples = imagecodecs.png_decode(path.read_bytes())
        return Content(samples if samples.ndim == 3 else samples[..., None])

    def write(self, path: Path, kind: str, content: Content) -> None:
        """Encode to memory."""
        import imagecodecs

        del kind
        path.write_bytes(imagecodecs.png_encode(content.samples, level=6, filter=0xF8))


class TiffFile:
    """tifffile, with the codecs of imagecodecs."""

    kinds = ("tiff",)
    packages = ("tifffile", "imagecodecs", "imagecodecs.libs")

    def read(self, path: Path) -> Content:
        """Decode the first page; the EXIF directory is no block any more."""
        import tifffile

        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            samples = page.asarray()
            if samples.ndim == 3 and page.planarconfig == 2:
                samples = np.ascontiguousarray(np.moveaxis(samples, 0, -1))
            tags = page.tags
            xmp = tags[700].value if 700 in tags else None
            dpi = None
            if 282 in tags and 283 in tags:
                dpi = tuple(n / d for n, d in (tags[282].value, tags[283].value))
            icc = tags[34675].value if 34675 in tags else None
        samples = samples if samples.ndim == 3 else samples[..., None]
        return Content(samples, icc=icc, xmp=xmp, dpi=dpi)

    def write(self, path: Path, kind: str, content: Content) -> None:
        """One page in strips of a megabyte; directories below a directory cannot be written."""
        import tifffile

        del kind
        samples = content.samples
        height, width, channels = samples.shape
        options: dict[str, Any] = {}
        if channels in (2, 4):
            options["extrasamples"] = ["unassalpha"]
        if content.dpi:
            options |= {"resolution": content.dpi, "resolutionunit": "INCH"}
        if content.xmp:
            options["extratags"] = [(700, 1, len(content.xmp), content.xmp, True)]
        if content.icc:
            options["iccprofile"] = content.icc
        tifffile.imwrite(
            path,
            samples[..., 0] if channels == 1 else samples,
            photometric="rgb" if channels >= 3 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            compression="zlib",
            predictor=True,
            rowsperstrip=max(1, min(height, (1 << 20) // (width * channels * samples.itemsize))),
            metadata=None,
            **options,
        )


class TiffFileAlone(TiffFile):
    """tifffile as scikit-image brings it, without imagecodecs."""

    packages = ("tifffile",)

    def __init__(self) -> None:
        sys.modules["imagecodecs"] = None  # type: ignore[assignment]


BACKENDS: dict[str, Callable[[], Backend]] = {
    "own": Own,
    "pillow": Pillow,
    "pyvips": Vips,
    "opencv": OpenCV,
    "imagecodecs": ImageCodecs,
    "tifffile": TiffFile,
    "tifffile alone": TiffFileAlone,
}
