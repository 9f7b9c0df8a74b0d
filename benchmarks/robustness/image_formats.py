"""Which library reads AVIF, HEIC and JPEG XL as `read_picture` must. Linux only.

    pip install 'pyvips[binary]' imagecodecs pillow-heif pillow-jxl-plugin   # an environment of its own
    python benchmarks/robustness/image_formats.py

- exact: a lossless picture of 8 bits comes back to the bit, and how far one of 12 (AVIF), 10 (HEIC) or 16
  bits (JPEG XL) is off, in steps of its own depth;
- profile, EXIF: the ICC profile and the maker are there;
- limit: MiB that are taken for a picture of 100 megapixels and one colour before its size is known. A
  small file may announce a picture that fills the memory; whoever decodes first cannot refuse it.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from image_backends import Array
from image_libraries import status
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from common import table, write

from tests.image import make, profiles

ICC, EXIF = profiles.rgb_profile("sRGB"), b"Exif\0\0" + make.exif()
DEEP = {"avif": 12, "heic": 10, "jxl": 16}
Read = tuple[Array, bytes | None, bytes | None]
"""Samples, profile, EXIF."""


def by_pillow(data: bytes) -> Read:
    """Pillow's own AVIF."""
    image = Image.open(io.BytesIO(data))
    return np.asarray(image), image.info.get("icc_profile"), image.info.get("exif")


def by_pillow_heif(data: bytes) -> Read:
    """pillow-heif, more than 8 bits as 16."""
    import pillow_heif

    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    return np.asarray(file), file.info.get("icc_profile"), file.info.get("exif")


def by_pillow_jxl(data: bytes) -> Read:
    """pillow-jxl-plugin."""
    import pillow_jxl  # noqa: F401

    return by_pillow(data)


def by_vips(data: bytes) -> Read:
    """Libvips."""
    import pyvips

    image = pyvips.Image.new_from_buffer(data, "")
    fields = set(image.get_fields())
    facts = [image.get(f) if f in fields else None for f in ("icc-profile-data", "exif-data")]
    return image.numpy(), facts[0], facts[1]


def by_imagecodecs(data: bytes) -> Read:
    """imagecodecs: samples alone."""
    import imagecodecs

    decode = imagecodecs.avif_decode if data[4:8] == b"ftyp" else imagecodecs.jpegxl_decode
    return decode(data), None, None


READERS: dict[str, tuple[Callable[[bytes], Read], tuple[str, ...]]] = {
    "pillow": (by_pillow, ("avif",)),
    "pyvips": (by_vips, ("avif", "heic", "jxl")),
    "imagecodecs": (by_imagecodecs, ("avif", "jxl")),
    "pillow-heif": (by_pillow_heif, ("heic",)),
    "pillow-jxl-plugin": (by_pillow_jxl, ("jxl",)),
}


def encoded(kind: str, data: Array) -> bytes:
    """A file without loss; deep ones hold the upper bits of 16."""
    import imagecodecs
    import pillow_heif

    deep = data.dtype == np.uint16
    if kind == "jxl":
        return imagecodecs.jpegxl_encode(data, lossless=True)
    if kind == "avif":
        options = {"level": 100, "pixelformat": "444"}
        if deep:
            return imagecodecs.avif_encode(data >> 4, bitspersample=12, **options)
        return imagecodecs.avif_encode(data, **options)
    buffer = io.BytesIO()
    size = (data.shape[1], data.shape[0])
    file = pillow_heif.from_bytes("RGB;16" if deep else "RGB", size, data.tobytes())
    file.save(buffer, quality=-1, chroma=444, matrix_coefficients=0)
    return buffer.getvalue()


def with_facts(kind: str) -> bytes:
    """A file with profile and EXIF."""
    buffer, image = io.BytesIO(), Image.fromarray(make.samples(40, 50))
    if kind == "heic":
        import pillow_heif

        file = pillow_heif.from_pillow(image)
        file.save(buffer, exif=EXIF, icc_profile=ICC)
        return buffer.getvalue()
    if kind == "jxl":
        import pillow_jxl  # noqa: F401
    options = {"use_container": True} if kind == "jxl" else {}
    image.save(buffer, kind.upper(), exif=EXIF, icc_profile=ICC, **options)
    return buffer.getvalue()


def measure(name: str, kind: str, folder: str) -> dict[str, Any]:
    """Everything about one reader and format."""
    read, _ = READERS[name]
    data, bits = make.samples(40, 50), DEEP[kind]
    out: dict[str, Any] = {"exact": bool(np.array_equal(read(encoded(kind, data))[0], data))}
    deep = make.samples(40, 50, dtype=np.uint16)
    found = read(encoded(kind, deep))[0]
    given = (deep >> (16 - bits)).astype(int)
    lift = 16 if found.max() >= 1 << bits else bits  # in the upper bits of 16, or as they are
    seen = found.astype(int) << (bits - 8) if found.dtype == np.uint8 else found >> (lift - bits)
    out["deep error"] = int(np.abs(seen - given).max())
    try:
        _, icc, exif = read(with_facts(kind))
        out["profile"], out["exif"] = icc == ICC, exif is not None and b"Deweather" in exif
    except Exception as error:
        out["profile"] = out["exif"] = f"{type(error).__name__}"
    path = Path(folder, kind)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    held = status("VmRSS")
    out["size"] = size_of(name, path.read_bytes())
    out["limit MiB"] = round((status("VmHWM") - held) / 2**20)
    return out


def size_of(name: str, data: bytes) -> tuple[int, int]:
    """Width and height with as little work as the library allows."""
    if name == "pyvips":
        import pyvips

        image = pyvips.Image.new_from_buffer(data, "")
        return image.width, image.height
    if name == "pillow-heif":
        import pillow_heif

        return pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False).size
    if name.startswith("pillow"):
        return Image.open(io.BytesIO(data)).size
    samples = READERS[name][0](data)[0]
    return samples.shape[1], samples.shape[0]


def child(name: str, kind: str, folder: str) -> dict[str, Any] | None:
    """Measure in a process of its own; None where the library does not read the format at all."""
    command = [sys.executable, __file__, name, kind, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def main() -> None:
    """Measure, print the table, write the result file."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(*sys.argv[1:])))
        return
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in DEEP:
            data = encoded(kind, np.full((10_000, 10_000, 3), 130, np.uint8))
            Path(folder, kind).write_bytes(data)
            for name, (_, kinds) in READERS.items():
                if kind in kinds:
                    cases.append(
                        {"format": kind, "library": name, "found": child(name, kind, folder)}
                    )
                    print(cases[-1], flush=True)
    rows = [[c["format"], c["library"], *(c["found"] or {"": "not read"}).values()] for c in cases]
    head = ["format", "library", "exact", "deep error", "profile", "EXIF", "size", "limit MiB"]
    print(table(head, rows))
    write("image_formats", {"cases": cases})


if __name__ == "__main__":
    main()
