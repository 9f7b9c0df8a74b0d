"""Choosing where to compute."""

from __future__ import annotations

import torch

from deweather.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str | torch.device | None = "auto") -> torch.device:
    """The device of a name; `auto` (or None) takes CUDA, then Apple's GPU, then the CPU.

    Raises:
        ConfigError: no such name (CUDA may carry a number, `cuda:1`), or this machine has no such
            device.
    """
    name = "auto" if name is None else str(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind = name.split(":", maxsplit=1)[0]
    if kind not in DEVICES:
        raise ConfigError(f"device {name!r}; expected one of {', '.join(DEVICES)} (or cuda:N).")
    missing = (kind == "cuda" and not torch.cuda.is_available()) or (
        kind == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        raise ConfigError(f"device {name!r} is not available here; use 'auto' or 'cpu'.")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r} is not a device name; use cuda or cuda:N.") from error
    if kind == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ConfigError(
            f"device {name!r}: there are only {count}; use cuda:0 to cuda:{count - 1}."
        )
    return device
