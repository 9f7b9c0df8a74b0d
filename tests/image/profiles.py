"""ICC profiles built from published primaries, since none may be taken from disk."""

from __future__ import annotations

import struct

import numpy as np

# D50-adapted primaries (columns R, G, B) and a gamma; None stands for the sRGB curve.
SPACES: dict[str, tuple[list[list[float]], float | None]] = {
    "sRGB": (
        [
            [0.43607, 0.38515, 0.14307],
            [0.22249, 0.71687, 0.06061],
            [0.01392, 0.09708, 0.71410],
        ],
        None,
    ),
    "Display P3": (
        [
            [0.51512, 0.29198, 0.15710],
            [0.24120, 0.69225, 0.06657],
            [-0.00105, 0.04189, 0.78407],
        ],
        None,
    ),
    "Adobe RGB": (
        [
            [0.60974, 0.20528, 0.14919],
            [0.31111, 0.62567, 0.06322],
            [0.01947, 0.06087, 0.74457],
        ],
        2.19921875,
    ),
    "ProPhoto": (
        [[0.79767, 0.13519, 0.03134], [0.28804, 0.71188, 0.00009], [0.0, 0.0, 0.82491]],
        1.8,
    ),
}
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))


def curve(kind: str, gamma: float | None) -> bytes:
    """A tone curve: "para" (types 0 and 3), "table" of 1024 values or "gamma" (one number)."""
    if kind == "para":
        if gamma is None:
            return b"para" + bytes(4) + struct.pack(">HH", 3, 0) + fixed(*_SRGB_CURVE)
        return b"para" + bytes(4) + struct.pack(">HH", 0, 0) + fixed(gamma)
    if kind == "gamma":
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round((gamma or 2.2) * 256))
    x = np.linspace(0, 1, 1024)
    if gamma is None:
        y = np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0.04045) + 0.055) / 1.055) ** 2.4)
    else:
        y = x**gamma
    table = np.rint(y * 65535).astype(">u2").tobytes()
    return b"curv" + bytes(4) + struct.pack(">I", 1024) + table


def text(words: str) -> bytes:
    body = words.encode("ascii") + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(body)) + body + bytes(78)


def assemble(space: bytes, connection: bytes, tags: dict[bytes, bytes], cls=b"mntr") -> bytes:
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", start + len(data), bytes(4), 0x02400000, cls, space, connection
    )
    head += bytes(12) + b"acsp" + bytes(24 + 4) + fixed(0.9642, 1.0, 0.82491)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def rgb_profile(name: str, kind: str = "para") -> bytes:
    matrix, gamma = SPACES[name]
    tags = {b"desc": text(name), b"cprt": text("none"), b"wtpt": xyz(0.9642, 1.0, 0.82491)}
    for index, letter in enumerate("rgb"):
        column = [row[index] for row in matrix]
        tags[f"{letter}XYZ".encode()] = xyz(*column)
        tags[f"{letter}TRC".encode()] = curve(kind, gamma)
    return assemble(b"RGB ", b"XYZ ", tags)


def grey_profile() -> bytes:
    tags = {b"desc": text("grey"), b"cprt": text("none"), b"wtpt": xyz(0.9642, 1.0, 0.82491)}
    return assemble(b"GRAY", b"XYZ ", {**tags, b"kTRC": curve("gamma", 2.2)})


def cmyk_profile() -> bytes:
    """Ink to Lab through a table with two points per ink: L falls with ink, C turns blue."""
    grid = np.stack(np.meshgrid(*[[0.0, 1.0]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    c, m, y, k = grid.T
    lightness = 100 * (1 - 0.3 * c) * (1 - 0.3 * m) * (1 - 0.1 * y) * (1 - k)
    a = (60 * m - 30 * c) * (1 - k)
    b = (60 * y - 40 * c) * (1 - k)
    lab = np.stack([lightness * 2.55, a + 128, b + 128], axis=-1)
    ramp = bytes(range(256))
    body = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    body += ramp * 4 + np.clip(np.rint(lab), 0, 255).astype(np.uint8).tobytes() + ramp * 3
    tags = {b"desc": text("cmyk"), b"cprt": text("none"), b"wtpt": xyz(0.9642, 1.0, 0.82491)}
    return assemble(b"CMYK", b"Lab ", {**tags, b"A2B0": body, b"A2B1": body}, cls=b"prtr")


def xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + fixed(*values)
