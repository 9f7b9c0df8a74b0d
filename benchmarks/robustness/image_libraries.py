"""A trial of libraries in place of our own code for PNG and TIFF, decided by figures. Linux only.

    pip install 'pyvips[binary]' tifffile imagecodecs      # into an environment of its own
    python benchmarks/robustness/image_libraries.py [--megapixels 100] [--rounds 1] [--libraries NAME ...]

Each library does what our code does, behind the protocol of `image_backends.py`:

- exact: files of every channel count, depth and layout of `tests/image`, read and written, to the bit;
- kept: ICC profile, EXIF block, XMP packet and resolution of a file that is written and read again, and
  of TIFF whether the directories of EXIF and GPS are there for others (Pillow) to read;
- refused: damaged PNG and TIFF files of `tests/image/bad_files.py`, one process each; a file that is read
  as though it were whole counts against it, as does a crash or more than 20 seconds;
- read: odd files, which hold all their pixels;
- seconds and memory beyond what the process held before, reading and writing 16-bit RGB, and how large
  the files are. Seconds are the best of the rounds, ours measured in each of them.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import itertools
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from image_backends import BACKENDS, Array, Backend, Content

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from common import table, write

from tests.image import make, profiles
from tests.image.bad_files import BAD_FILES, ODD_FILES
from tests.image.test_reading import TIFF_LAYOUTS

SUFFIX = {"png": ".png", "tiff": ".tif"}
DEPTHS = (np.uint8, np.uint16)
LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 5, 8, 32946, 32773
COMPRESSIONS = (LZW, DEFLATE, OLD_DEFLATE, PACKBITS)
DAMAGE = ("truncated", "noise", "crc", "no_pixels", "strips", "directory", "larger_than")


def same(found: Content, data: Array) -> bool:
    """Whether colours and alpha are those of samples (H, W, S)."""
    colours = data[..., :3] if data.shape[-1] >= 3 else np.repeat(data[..., :1], 3, axis=-1)
    channels = found.samples.shape[-1]
    mine = found.samples if channels >= 3 else np.repeat(found.samples[..., :1], 3, axis=-1)
    alpha = found.samples[..., -1] if channels in (2, 4) else found.alpha
    wanted = data[..., -1] if data.shape[-1] % 2 == 0 else None
    if (alpha is None) != (wanted is None) or mine.dtype != data.dtype:
        return False
    return np.array_equal(mine[..., :3], colours) and (
        alpha is None or np.array_equal(alpha, wanted)
    )


def attempt(backend: Backend, path: Path, data: Array) -> bool:
    """Whether a file is read to the bit."""
    try:
        return same(backend.read(path), data)
    except Exception:
        return False


def png_files() -> list[tuple[Array, bytes]]:
    """Every depth and channel count, a transparent colour, and Adam7."""
    out = []
    for channels, dtype in itertools.product((1, 2, 3, 4), DEPTHS):
        data = make.samples(channels=channels, dtype=dtype)
        out.append((data, make.png(data)))
        if channels in (1, 3):
            key = data[3, 4]
            hidden = np.all(data == key, axis=-1, keepdims=True)
            alpha = np.where(hidden, 0, np.iinfo(dtype).max).astype(dtype)
            body = struct.pack(f">{channels}H", *key.tolist())
            encoded = make.png(data, make.png_chunk(b"tRNS", body))
            out.append((np.concatenate([data, alpha], axis=-1), encoded))
    data = make.samples(dtype=np.uint16)
    return [*out, (data, make.interlaced_png(data))]


def tiff_files() -> list[tuple[Array, bytes]]:
    """Every layout, depth and channel count uncompressed and deflated, and other compressions."""
    import cv2

    out = []
    for layout, channels, dtype in itertools.product(TIFF_LAYOUTS, (1, 2, 3, 4), DEPTHS):
        if dtype == np.uint8 and channels == 2 and layout["planar"]:
            continue  # nor do we
        data = make.samples(channels=channels, dtype=dtype)
        tags = {338: (3, [2])} if channels % 2 == 0 else {}
        for predictor in (1, 2) if layout["deflate"] else (1,):
            out.append((data, make.tiff(data, predictor=predictor, tags=tags, **layout)))
    for compression, predictor, dtype in itertools.product(COMPRESSIONS, (1, 2), DEPTHS):
        if compression != PACKBITS or predictor == 1:
            data = make.samples(60, 70, dtype=dtype)
            options = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
            options += [cv2.IMWRITE_TIFF_PREDICTOR, predictor]
            out.append((data, cv2.imencode(".tif", data[..., ::-1], options)[1].tobytes()))
    return out


def files_to_read(kind: str, folder: Path) -> list[tuple[Path, Array]]:
    """Files, and what is in them."""
    made = png_files() if kind == "png" else tiff_files()
    out = []
    for number, (data, encoded) in enumerate(made):
        path = folder / f"{number}{SUFFIX[kind]}"
        path.write_bytes(encoded)
        out.append((path, data))
    return out


def exact(backend: Backend, kind: str, folder: Path) -> dict[str, str]:
    """Files read and written to the bit, of how many."""
    from deweather.image import read_picture

    files = files_to_read(kind, folder)
    read = sum(attempt(backend, path, data) for path, data in files)
    written, path = 0, folder / f"written{SUFFIX[kind]}"
    for channels, dtype in itertools.product((1, 2, 3, 4), DEPTHS):
        data = make.samples(channels=channels, dtype=dtype)
        try:
            backend.write(path, kind, Content(data))
            picture = read_picture(path)
            written += same(Content(picture.pixels, picture.alpha), data)
        except Exception:
            continue
    return {"read": f"{read}/{len(files)}", "written": f"{written}/8"}


def rich_exif() -> bytes:
    """A block with the directories of EXIF and GPS."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x0110] = "Camera 1"
    exif.get_ifd(0x8769)[0x829A] = 0.25
    exif.get_ifd(0x8825)[0x0001] = "N"
    return exif.tobytes().removeprefix(b"Exif\0\0")


def kept(backend: Backend, kind: str, folder: Path) -> dict[str, bool]:
    """What comes back as it went in."""
    from PIL import Image

    path = folder / f"kept{SUFFIX[kind]}"
    icc, block = profiles.rgb_profile("sRGB"), rich_exif()
    data = make.samples(dtype=np.uint16)
    given = Content(data, icc=icc, exif=block, xmp=make.XMP, dpi=(300.0, 200.0))
    try:
        backend.write(path, kind, given)
    except Exception:  # some write no metadata at all, and say so by failing
        return {}
    found = backend.read(path)
    with Image.open(path) as image:
        seen = image.getexif()
        directories = seen.get(0x0110) == "Camera 1" and bool(seen.get_ifd(0x8769).get(0x829A))
        directories &= seen.get_ifd(0x8825).get(0x0001) == "N"
    dpi = found.dpi
    out = {
        "icc": found.icc == icc,
        "xmp": found.xmp == make.XMP,
        "dpi": dpi is not None and np.allclose(dpi, (300, 200), rtol=1e-3),
        "exif readable": bool(directories),
    }
    if kind == "png":
        out["exif to the byte"] = found.exif == block
    return {name: bool(value) for name, value in out.items()}


def fate(backend: Backend, path: Path) -> str:
    """What a process does with a file: "read", "refused", "died" or "stuck"."""
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        signal.alarm(20)
        try:
            backend.read(path)
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "stuck" if os.WTERMSIG(status) == signal.SIGALRM else "died"
    return "refused" if os.WEXITSTATUS(status) else "read"


def is_kind(path: Path, kind: str) -> bool:
    """Whether a file begins like one of a format."""
    from deweather.image.formats import sniff

    return path.is_file() and sniff(path.read_bytes()[:512]) == kind


def robust(backend: Backend, kind: str, folder: Path) -> dict[str, Any]:
    """Damaged files refused, odd files read."""
    fates: dict[str, str] = {}
    for name, maker in BAD_FILES.items():
        if any(word in name for word in DAMAGE):
            path = maker(folder)
            if is_kind(path, kind):
                fates[name] = fate(backend, path)
    odd = [maker(folder) for maker in ODD_FILES.values()]
    odd = [path for path in odd if is_kind(path, kind)]
    read = sum(fate(backend, path) == "read" for path in odd)
    return {
        "refused": f"{sum(f == 'refused' for f in fates.values())}/{len(fates)}",
        "not refused": {name: f for name, f in fates.items() if f != "refused"},
        "odd read": f"{read}/{len(odd)}",
    }


def photograph(megapixels: float) -> Array:
    """(H, W, 3) uint16: smooth shapes with the noise of a sensor."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    out = np.empty((height, width, 3), np.uint16)
    rng = np.random.default_rng(0)
    x = np.arange(width, dtype=np.float32)[None, :, None]
    phase = np.array([0.0, 0.7, 1.9], np.float32)
    for y in range(0, height, 256):
        row = np.arange(y, min(height, y + 256), dtype=np.float32)[:, None, None]
        waves = np.sin(x / 173 + phase) * np.cos(row / 131 - phase) + 0.3 * np.sin(x * row / 9e5)
        noise = rng.standard_normal(waves.shape, np.float32) * 150
        out[y : y + 256] = np.clip(32000 + 20000 * waves + noise, 0, 65535)
    return out


def status(field: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at most."""
    found = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) * 1024 if found else 0


def cost(backend: Backend, kind: str, task: str, file: Path, megapixels: float) -> dict[str, Any]:
    """Seconds and memory of one task in this process."""
    small = file.with_name(f"small{SUFFIX[kind]}")
    backend.write(small, kind, Content(make.samples(dtype=np.uint16)))
    backend.read(small)  # libraries are loaded
    content = Content(photograph(megapixels)) if task == "write" else None
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    held, start = status("VmRSS"), time.perf_counter()
    if content is None:
        found = backend.read(file)
        count = found.samples.shape[0] * found.samples.shape[1]
    else:
        backend.write(file, kind, content)
        count = content.samples.shape[0] * content.samples.shape[1]
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "bytes_a_pixel": (status("VmHWM") - held) / count,
            "file_bytes": file.stat().st_size}  # fmt: skip


def child(*words: str) -> Any:
    """Run a part of this script in a process of its own."""
    command = [sys.executable, __file__, "--child", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def in_child(words: list[str]) -> Any:
    """What a child was asked for."""
    task, name, kind, *rest = words
    backend = BACKENDS[name]()
    if task in ("read", "write"):
        return cost(backend, kind, task, Path(rest[0]), float(rest[1]))
    measure = {"exact": exact, "kept": kept, "robust": robust}[task]
    with tempfile.TemporaryDirectory() as folder:
        return measure(backend, kind, Path(folder))


def installed(backend: str) -> dict[str, Any]:
    """Versions, and the MiB that the packages of a library take."""
    root = Path(next(iter(importlib.util.find_spec("numpy").submodule_search_locations))).parent  # type: ignore
    size, versions = 0, {}
    for package in BACKENDS[backend].packages:  # type: ignore[attr-defined]
        for base in {root, *(Path(p) for p in sys.path if p.endswith("site-packages"))}:
            size += sum(f.stat().st_size for f in (base / package).rglob("*") if f.is_file())
        if not package.endswith(".libs"):
            versions[package] = importlib.metadata.version(package)
    return {"versions": versions, "mebibytes": size / 2**20}


def main() -> None:
    """Measure, print a table for each format, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=100.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--libraries", nargs="+", default=list(BACKENDS), choices=BACKENDS)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(in_child(args.child)))
        return
    result: dict[str, Any] = {"megapixels": args.megapixels, "libraries": {}, "formats": {}}
    for name in args.libraries:
        result["libraries"][name] = installed(name)
    for kind, suffix in SUFFIX.items():
        names = [n for n in args.libraries if kind in BACKENDS[n].kinds]  # type: ignore[attr-defined]
        rows = {n: {t: child(t, n, kind) for t in ("exact", "kept", "robust")} for n in names}
        with tempfile.TemporaryDirectory() as folder:
            for _, task in itertools.product(range(args.rounds), ("write", "read")):
                for name in names:
                    file = Path(folder, f"{name}{suffix}")
                    found = child(task, name, kind, str(file), str(args.megapixels))
                    before = rows[name].get(task)
                    if found and (not before or found["seconds"] < before["seconds"]):
                        rows[name][task] = found
                    print(kind, task, name, found, flush=True)
        result["formats"][kind] = rows
        figures = [[n, t, json.dumps(v)] for n, r in rows.items() for t, v in r.items()]
        print(table(["library", "task", "figures"], figures))
    write("image_libraries", result)


if __name__ == "__main__":
    main()
