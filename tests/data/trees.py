"""Small folders of pictures for the tests of layouts."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..weather.make import photo

# A PNG of 200000x200000 pixels of 16 bits, by its header.
VAST = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200030d4000030d4010000000008cc00b95"
    "000000004944415435af061e0000000049454e44ae426082"
)


def save(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def pair(height=60, width=90, shift=6, seed=0):
    """A rectified pair (left, right) of a wall at one disparity, (H, W, 3), uint8."""
    wide = photo(height, width + shift, seed=seed)
    return wide[:, :width], wide[:, shift:]


def touch(root, names):
    """Empty files."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def paired(root, count=3, height=40, width=50):
    """`count` noisy and clean pictures in `input` and `target`; the green of both tells the row."""
    rng = np.random.default_rng(0)
    for number in range(count):
        clean = photo(height, width, seed=number)
        clean[..., 1] = (np.arange(height, dtype=np.uint8) * 2)[:, None]
        noisy = clean.copy()
        noisy[..., 0] = rng.integers(0, 255, (height, width))
        save(root / "input" / f"{number}.png", noisy)
        save(root / "target" / f"{number}.png", clean)
    return root


def scenes(root, count=2, shift=6, disparity=True):
    """Clear pairs in `scene/left.png`, `right.png`, and their disparity."""
    for number in range(count):
        left, right = pair(shift=shift, seed=number)
        save(root / f"scene{number}" / "left.png", left)
        save(root / f"scene{number}" / "right.png", right)
        if disparity:
            known = np.full(left.shape[:2], shift, np.float32)
            np.savez(root / f"scene{number}" / "disparity.npz", disparity=known)
    return root


def clear_scenes(root, shift=6):
    """Three photographs, a pair with disparity that has holes, and one without, as trained on."""
    for number, size in enumerate([(70, 90), (90, 70), (64, 64)]):
        save(root / "mono" / f"{number}.png", photo(*size, seed=number))
    (root / "mono" / "readme.txt").write_text("no picture")
    for name in ("stereo_gt/a", "stereo/b"):
        left, right = pair(60, 100, shift, seed=7)
        save(root / name / "left.png", left)
        save(root / name / "right.png", right)
    known = np.full((60, 100), shift, np.float32)
    known[20:30, 40:50] = np.nan
    np.savez_compressed(root / "stereo_gt/a/disparity.npz", disparity=known)
    (root / "stereo" / "notes.md").write_text("no folder")
    return root
