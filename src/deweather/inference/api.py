"""The two functions of a first example: a picture or a pair in, restored by the bundled weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, overload

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from deweather.inference.networks import Weather
from deweather.inference.restorer import Restorer

Name = str | PathLike[str]
Weights = str | Path | Sequence[str | Path]
Kind = TypeVar("Kind", Image.Image, NDArray[Any], Tensor)


def _shared(
    weather: Weather, weights: Weights, device: str | torch.device, strength: float
) -> Restorer:
    """The restorer of an earlier call with the same choices and, of files, the same weights."""
    names = [weights] if isinstance(weights, str | Path) else weights
    stamps = tuple(_stamp(name) for name in names)
    return _made(weather, tuple(names), stamps, str(device), strength)


def _stamp(name: str | Path) -> int:
    path = Path(name)
    return path.stat().st_mtime_ns if path.is_file() else 0


@lru_cache(maxsize=4)
def _made(
    weather: Weather,
    weights: tuple[str | Path, ...],
    stamps: tuple[int, ...],
    device: str,
    strength: float,
) -> Restorer:
    return Restorer(weather, weights=weights, device=device, strength=strength)


@overload
def restore(
    source: Name,
    out: Name,
    *,
    weather: Weather = ...,
    weights: Weights = ...,
    device: str | torch.device = ...,
    strength: float = ...,
    overwrite: bool = ...,
) -> Path: ...


@overload
def restore(
    source: Name,
    out: None = ...,
    *,
    weather: Weather = ...,
    weights: Weights = ...,
    device: str | torch.device = ...,
    strength: float = ...,
    overwrite: bool = ...,
) -> Image.Image: ...


@overload
def restore(
    source: Kind,
    out: None = ...,
    *,
    weather: Weather = ...,
    weights: Weights = ...,
    device: str | torch.device = ...,
    strength: float = ...,
    overwrite: bool = ...,
) -> Kind: ...


def restore(
    source: Any,
    out: Name | None = None,
    *,
    weather: Weather = "auto",
    weights: Weights = (),
    device: str | torch.device = "auto",
    strength: float = 1.0,
    overwrite: bool = False,
) -> Any:
    """Restore one picture: a path, a PIL image, an array or a tensor; the same kind comes back.

    The networks are loaded at the first call and kept. For progress, cancel and networks in hand
    use a `Restorer`, whose method `restore` says more about the kinds.

    Args:
        source: the picture; or a tensor that holds a batch of pictures or pairs.
        out: where to write the restored file; only for a path.
        weather: "auto" leaves clear pictures alone; "haze", "rain" or "rain,haze" is taken out in
            any case.
        weights: bundled names (see `deweather.list_weights`) or files, for haze, for rain or both.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        strength: how much of what is found is taken out, from 0 (nothing) to 1.5; 1 is all of it.
        overwrite: replace `out` if it exists.

    Returns:
        For a path: the path written, or a PIL image if there is no `out`. Else a new PIL image,
        array or tensor like the one given.

    Raises:
        PictureError: the file cannot be read or written.
        FramesError: an array or tensor of another shape, dtype or range.
        ConfigError, UnknownNameError, WeightsError: as for `Restorer`.
    """
    restorer = _shared(weather, weights, device, strength)
    return restorer.restore(source, out, overwrite=overwrite)


@overload
def restore_pair(
    left: Name,
    right: Name,
    out: tuple[Name, Name],
    *,
    weather: Weather = ...,
    weights: Weights = ...,
    device: str | torch.device = ...,
    strength: float = ...,
    overwrite: bool = ...,
) -> tuple[Path, Path]: ...


@overload
def restore_pair(
    left: Name,
    right: Name,
    out: None = ...,
    *,
    weather: Weather = ...,
    weights: Weights = ...,
    device: str | torch.device = ...,
    strength: float = ...,
    overwrite: bool = ...,
) -> tuple[Image.Image, Image.Image]: ...


@overload
def restore_pair(
    left: Kind,
    right: Kind,
    out: None = ...,
    *,
    weather: Weather = ...,
    weights: Weights = ...,
    device: str | torch.device = ...,
    strength: float = ...,
    overwrite: bool = ...,
) -> tuple[Kind, Kind]: ...


def restore_pair(
    left: Any,
    right: Any,
    out: tuple[Name, Name] | None = None,
    *,
    weather: Weather = "auto",
    weights: Weights = (),
    device: str | torch.device = "auto",
    strength: float = 1.0,
    overwrite: bool = False,
) -> tuple[Any, Any]:
    """Restore the two views of a rectified pair together, so that they agree; see `restore`.

    Args:
        left: the left view.
        right: the right view, of the same kind, size and depth.
        out: where to write the two files; only for paths.
        weather: as for `restore`.
        weights: as for `restore`.
        device: as for `restore`.
        strength: as for `restore`.
        overwrite: replace files that exist.

    Raises:
        PairError: the views differ in size or depth.
        PictureError, FramesError, ConfigError, UnknownNameError, WeightsError: as `restore`.
    """
    restorer = _shared(weather, weights, device, strength)
    return restorer.restore_pair(left, right, out, overwrite=overwrite)
