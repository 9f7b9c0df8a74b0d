"""SHA-256 of what the bundled networks make of a fixed set of odd pictures, before and after a change.

    OMP_NUM_THREADS=1 python benchmarks/robustness/same_pictures.py --name same_pictures
    OMP_NUM_THREADS=1 python benchmarks/robustness/same_pictures.py --check same_pictures

The first command writes the result file, the second compares with it.

The inputs are made from seeds and from scikit-image's motorcycle pair, without any weather of this
package, so that only a change in restoring (or in reading and writing) can change the hashes. They are
files of 16 kinds and sizes, a pair, arrays, PIL images, and tensors; each is restored for "auto", "haze"
and "rain". Of tensors, which are floating point, the report also says how far 64 sampled values moved.
The hashes hold for one machine, one torch and one number of threads: compare on the machine that wrote
the file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from deweather import Restorer
from deweather.checksum import sha256
from deweather.image import read_picture

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from common import RESULTS, table, write
from plain_weather import hazy, rainy, scenes

from tests.image.make import exif, png, tiff
from tests.image.profiles import cmyk_profile, rgb_profile

Array = NDArray[Any]
WEATHERS = ("auto", "haze", "rain")
SAMPLED = 64  # values of each tensor that are kept


def eight(picture: Array) -> Array:
    """As uint8."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def sixteen(picture: Array) -> Array:
    """As uint16."""
    return np.rint(np.clip(picture, 0, 1) * 65535).astype(np.uint16)


def make_files(folder: Path) -> dict[str, Path]:
    """Write the 16 odd files, by what is odd about them."""
    made: dict[str, Path] = {}

    def save(label: str, name: str, image: Image.Image | bytes, **options: Any) -> None:
        made[label] = folder / name
        if isinstance(image, bytes):
            made[label].write_bytes(image)
        else:
            image.save(made[label], **options)

    small = scenes(67, 101)[0]
    bad = eight(rainy(hazy(small)))
    ramp = np.tile(np.linspace(0, 255, 101, dtype=np.uint8), (67, 1))
    inked = 255 - np.dstack([bad, ramp])
    p3, ink = rgb_profile("Display P3"), cmyk_profile()
    save("1x1", "pixel.png", Image.fromarray(bad[:1, :1]))
    save("17x33", "tiny.png", Image.fromarray(eight(hazy(scenes(33, 17)[0]))))
    save("odd jpeg", "odd.jpg", Image.fromarray(bad), quality=80)
    save("grey", "grey.png", Image.fromarray(bad[..., 1]))
    save("grey 16 bit", "grey16.png", png(sixteen(rainy(small))[..., 1:2]))
    save("16 bit", "rgb16.png", png(sixteen(hazy(small))))
    save(
        "16 bit alpha", "rgba16.png", png(np.dstack([sixteen(hazy(small)), ramp * np.uint16(257)]))
    )
    save("tiff 16 bit", "rgb16.tif", tiff(sixteen(rainy(hazy(small)))))
    save("alpha", "rgba.png", Image.fromarray(np.dstack([bad, ramp])))
    save("palette", "palette.png", Image.fromarray(bad).quantize(64), transparency=3)
    save("cmyk", "cmyk.jpg", Image.frombytes("CMYK", (101, 67), inked.tobytes()), icc_profile=ink)
    save("turned", "turned.jpg", Image.fromarray(bad), exif=b"Exif\0\0" + exif(6), quality=85)
    save("wide colours", "p3.jpg", Image.fromarray(bad), icc_profile=p3, quality=90)
    save("flat strip", "strip.png", Image.fromarray(eight(rainy(scenes(5, 1511)[0]))))
    save("clear webp", "clear.webp", Image.fromarray(eight(scenes(120, 90)[0])), lossless=True)
    save("large", "large.jpg", Image.fromarray(eight(rainy(hazy(scenes(830, 900)[0]), 3))))
    return made


def digest(*arrays: Array) -> str:
    """SHA-256 of shapes, dtypes and bytes."""
    out = hashlib.sha256()
    for array in arrays:
        out.update(f"{array.shape} {array.dtype}".encode())
        out.update(np.ascontiguousarray(array).tobytes())
    return out.hexdigest()


def of_file(path: Path) -> dict[str, str]:
    """Hash of a picture file and of the pixels in it."""
    picture = read_picture(path)
    planes = [picture.pixels] if picture.alpha is None else [picture.pixels, picture.alpha]
    return {"file": sha256(path), "pixels": digest(*planes)}


def of_tensor(tensor: torch.Tensor) -> dict[str, Any]:
    """Hash of the values, of the values in 8 bits, and a sample of them."""
    values = tensor.numpy()
    places = np.random.default_rng(0).integers(0, values.size, SAMPLED)
    sample = [float(f"{v:.9g}") for v in values.reshape(-1)[places]]
    return {"values": digest(values), "eight": digest(eight(values)), "sample": sample}


def tensors() -> dict[str, torch.Tensor]:
    """Batches of single pictures and of pairs; among them one in clear air, which auto leaves alone."""
    clear, right = scenes(90, 122)
    pair = [np.stack([hazy(clear), hazy(right)]), np.stack([rainy(clear, 1), rainy(right, 2)])]
    singles = np.stack([hazy(clear), clear, rainy(clear, 5, 0.01)])
    large = hazy(scenes(560, 600)[0])[None]  # more pixels than a haze network is shown

    def frames(x: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, -3), np.float32))

    return {"singles": frames(singles), "pairs": frames(np.stack(pair)), "large": frames(large)}


def objects() -> dict[str, Any]:
    """Arrays and PIL images of several kinds."""
    bad = rainy(hazy(scenes(67, 101)[0]))
    return {
        "float32 array": bad.astype(np.float32),
        "float64 grey array": bad[..., 1].astype(np.float64),
        "uint16 array with alpha": np.dstack([sixteen(bad), sixteen(bad[..., 0])]),
        "PIL LA": Image.fromarray(eight(bad)).convert("LA"),
        "PIL I;16": Image.fromarray(sixteen(bad)[..., 1]),
    }


def cases(folder: Path, restorer: Restorer, label: str) -> dict[str, dict[str, Any]]:
    """Restore everything and hash what comes out."""
    out: dict[str, dict[str, Any]] = {}
    for name, path in make_files(folder).items():
        target = Path(restorer.restore(path, folder / f"out-{path.name}", overwrite=True))
        image = np.asarray(restorer.restore(path))
        out[f"{label}/{name}"] = {"input": of_file(path)["file"], **of_file(target),
                                  "image": digest(image)}  # fmt: skip
    views = [folder / "left.png", folder / "right.png"]
    for seed, (view, scene) in enumerate(zip(views, scenes(300, 260), strict=True)):
        Image.fromarray(eight(rainy(hazy(scene), seed))).save(view)
    targets = [folder / f"out-{view.name}" for view in views]
    restorer.restore_pair(*views, tuple(targets), overwrite=True)
    for view, target in zip(views, targets, strict=True):
        out[f"{label}/pair {view.stem}"] = {"input": of_file(view)["file"], **of_file(target)}
    for name, thing in objects().items():
        given, made = np.asarray(thing), np.asarray(restorer.restore(thing))
        out[f"{label}/{name}"] = {"input": digest(given), "pixels": digest(made)}
    for name, tensor in tensors().items():
        given = digest(tensor.numpy())
        out[f"{label}/tensor {name}"] = {"input": given, **of_tensor(restorer.restore(tensor))}
    return out


def compare(now: dict[str, Any], before: dict[str, Any]) -> list[list[str]]:
    """Rows (case, what is not as it was); of tensors also how far the sampled values moved."""
    rows = []
    for name in sorted({*now, *before}):
        if name not in now or name not in before:
            rows.append([name, "only before" if name in before else "only now"])
            continue
        a, b = now[name], before[name]
        if a["input"] != b["input"]:
            rows.append([name, "the input is another: libraries differ"])
            continue
        other = [key for key in a if key != "sample" and a[key] != b.get(key)]
        if other:
            said = ", ".join(other)
            if "sample" in a:
                moved = np.abs(np.subtract(a["sample"], b["sample"])).max()
                said += f" (samples moved by {moved:.1e} at most)"
            rows.append([name, said])
    return rows


def main() -> int:
    """Hash everything; write it down, or compare it with what was written down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--name", help="Write benchmarks/results/NAME.json.")
    parser.add_argument("--check", help="Compare with benchmarks/results/CHECK.json.")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    now: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for weather in WEATHERS:
            now |= cases(Path(folder), Restorer(weather, device="cpu"), weather)
    if args.name:
        write(args.name, {"cases": now})
    if not args.check:
        return 0
    path = RESULTS / f"{Path(args.check).stem}.json"
    rows = compare(now, json.loads(path.read_text(encoding="utf-8"))["cases"])
    if rows:
        print(table(["case", "not as before"], rows))
    print(f"{len(now) - len(rows)} of {len(now)} cases are the same bytes as in {path.name}.")
    return int(bool(rows))


if __name__ == "__main__":
    sys.exit(main())
