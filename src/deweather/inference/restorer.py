"""The restorer: networks and a picture in, a restored picture of the same kind out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from deweather.errors import ConfigError, PairError
from deweather.image import Picture, split_side_by_side
from deweather.inference.convert import open_canvas
from deweather.inference.devices import pick_device
from deweather.inference.forward import Forward, Precision
from deweather.inference.haze import HazeStage
from deweather.inference.hooks import Hooks, IsCancelled, OnProgress
from deweather.inference.networks import Weather, choose_networks
from deweather.inference.pictures import Restored
from deweather.inference.rain import RainStage
from deweather.inference.tensors import as_images
from deweather.models import Network
from deweather.nn.memory import reusing_memory

Pixels = NDArray[Any]
Name = str | PathLike[str]
Kind = TypeVar("Kind", Image.Image, NDArray[Any], Tensor)

STRONGEST = 1.5
"""Largest strength: beyond it colours break."""


class Restorer:
    """Takes bad weather out of pictures and pairs. Holds no per-picture state: share it freely.

    Args:
        weather: "auto" takes off rain, then haze, and leaves pictures alone that hardly change by
            that; "haze", "rain" or "rain,haze" (both) does it in any case.
        weights: bundled names or files to use instead of the bundled ones of their task.
        networks: networks in hand instead: one, or by "haze" and "rain". They are moved to the
            device and put into eval mode.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps", or a torch device.
        tile: side of the tiles for rain, in pixels; None takes a default.
        strength: how much of what is found is taken out, from 0 (nothing) to 1.5; 1 is all of it.
        precision: "float32"; "bfloat16", for networks that are sound in it; or "auto", which is
            bfloat16 on CUDA where it is sound, else float32.

    Raises:
        ConfigError: no such weather, device, strength or precision, or weights or networks for
            another weather.
        UnknownNameError: no such weights.
        WeightsError: a weights file that cannot be used.
    """

    def __init__(
        self,
        weather: Weather = "auto",
        *,
        weights: str | Path | Sequence[str | Path] = (),
        networks: Network | Mapping[str, Network] | None = None,
        device: str | torch.device | None = "auto",
        tile: int | None = None,
        strength: float = 1.0,
        precision: Precision = "auto",
    ) -> None:
        if tile is not None and tile < 64:
            raise ConfigError(f"tile = {tile}; expected at least 64 pixels, or None.")
        if not (math.isfinite(strength) and 0 <= strength <= STRONGEST):
            raise ConfigError(f"strength = {strength}; expected 0 to {STRONGEST}, 1 is all of it.")
        self.device = pick_device(device)
        skip_clear = weather == "auto"
        self.stages: list[RainStage | HazeStage] = []
        for task, network in choose_networks(weather, weights, networks).items():
            forward = Forward(network, self.device, precision=precision)
            if task == "rain":
                self.stages.append(
                    RainStage(forward, skip_clear=skip_clear, strength=strength, tile=tile)
                )
            else:
                self.stages.append(HazeStage(forward, skip_clear=skip_clear, strength=strength))

    @overload
    def restore(
        self,
        source: Name,
        out: Name,
        *,
        overwrite: bool = ...,
        progress: OnProgress | None = ...,
        cancelled: IsCancelled | None = ...,
    ) -> Path: ...

    @overload
    def restore(
        self,
        source: Name,
        out: None = ...,
        *,
        overwrite: bool = ...,
        progress: OnProgress | None = ...,
        cancelled: IsCancelled | None = ...,
    ) -> Image.Image: ...

    @overload
    def restore(
        self,
        source: Kind,
        out: None = ...,
        *,
        overwrite: bool = ...,
        progress: OnProgress | None = ...,
        cancelled: IsCancelled | None = ...,
    ) -> Kind: ...

    def restore(
        self,
        source: Any,
        out: Name | None = None,
        *,
        overwrite: bool = False,
        progress: OnProgress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Any:
        """Restore one picture and return the kind that was given.

        Args:
            source: a path; a PIL image; an array (H, W), (H, W, 3) or (H, W, 4), uint8, uint16 or
                floating in [0, 1]; or a tensor (3, H, W), (B, 3, H, W) or (B, V, 3, H, W), floating
                in [0, 1], where V = 2 are pairs.
            out: where to write the restored file; only for a path.
            overwrite: replace `out` if it exists.
            progress: called after each step with the `Progress` of a stage.
            cancelled: asked before each step, at least once a tile; True ends the call.

        Returns:
            For a path: the path written, or a PIL image if there is no `out`. Else a new PIL image,
            array or tensor like the one given, a tensor on the same device.

        Raises:
            PictureError: the file cannot be read or written.
            FramesError: an array or tensor of another shape, dtype or range.
            ConfigError: an `out` for something that is no path.
            Cancelled: as asked for; no file was written, and what was given is untouched.
        """
        hooks = Hooks(progress, cancelled)
        if isinstance(source, Tensor):
            return self._restore_images(as_images(source), hooks).reshape(source.shape)
        canvas = open_canvas(source)
        changed = self._restore([canvas.pixels], hooks)
        return canvas.close(out, changed=changed, overwrite=overwrite)

    @overload
    def restore_pair(
        self,
        left: Name,
        right: Name,
        out: tuple[Name, Name],
        *,
        overwrite: bool = ...,
        progress: OnProgress | None = ...,
        cancelled: IsCancelled | None = ...,
    ) -> tuple[Path, Path]: ...

    @overload
    def restore_pair(
        self,
        left: Name,
        right: Name,
        out: None = ...,
        *,
        overwrite: bool = ...,
        progress: OnProgress | None = ...,
        cancelled: IsCancelled | None = ...,
    ) -> tuple[Image.Image, Image.Image]: ...

    @overload
    def restore_pair(
        self,
        left: Kind,
        right: Kind,
        out: None = ...,
        *,
        overwrite: bool = ...,
        progress: OnProgress | None = ...,
        cancelled: IsCancelled | None = ...,
    ) -> tuple[Kind, Kind]: ...

    def restore_pair(
        self,
        left: Any,
        right: Any,
        out: tuple[Name, Name] | None = None,
        *,
        overwrite: bool = False,
        progress: OnProgress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> tuple[Any, Any]:
        """Restore the two views of a rectified pair together; see `restore` for the kinds.

        Raises:
            PairError: the views differ in size or depth.
            PictureError, FramesError, ConfigError, Cancelled: as `restore`.
        """
        hooks = Hooks(progress, cancelled)
        if isinstance(left, Tensor) and isinstance(right, Tensor):
            if left.shape != right.shape:
                raise PairError(f"left is {tuple(left.shape)}, right {tuple(right.shape)}.")
            pair = as_images(torch.cat([as_images(left), as_images(right)], dim=1))
            done = self._restore_images(pair, hooks)
            return done[:, 0].reshape(left.shape), done[:, 1].reshape(right.shape)
        canvases = [open_canvas(left), open_canvas(right)]
        check_pair(canvases[0].pixels, canvases[1].pixels)
        changed = self._restore([c.pixels for c in canvases], hooks)
        done_left, done_right = (
            c.close(o, changed=changed, overwrite=overwrite)
            for c, o in zip(canvases, out or (None, None), strict=True)
        )
        return done_left, done_right

    def restore_pictures(
        self,
        pictures: Sequence[Picture],
        *,
        side_by_side: bool = False,
        progress: OnProgress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> list[Restored]:
        """Restore a picture that was read, or the two of a pair together, in its own memory.

        Args:
            pictures: one, or the left and the right one of a rectified pair; their pixels become
                the result.
            side_by_side: whether the one picture holds the left and the right view.
            progress: as for `restore`.
            cancelled: as for `restore`.

        Returns:
            The same pictures, each with whether anything was changed; `Restored.write` makes files
            of them.

        Raises:
            PairError: the views differ in size or depth, or the one picture has an odd width.
            Cancelled: as asked for; the pixels may be half done.
        """
        views = [picture.pixels for picture in pictures]
        if side_by_side:
            views = list(split_side_by_side(views[0]))
        elif len(views) == 2:
            check_pair(views[0], views[1])
        changed = self._restore(views, Hooks(progress, cancelled))
        return [Restored(picture, changed) for picture in pictures]

    def restore_views(
        self,
        views: Sequence[Pixels],
        *,
        progress: OnProgress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> list[Pixels]:
        """Restore one picture, or the two views of a pair, as arrays.

        Args:
            views: one or two arrays (H, W, 3), uint8, uint16 or floating in [0, 1]; never changed.
            progress: as for `restore`.
            cancelled: as for `restore`.

        Returns:
            New arrays of the same shapes and dtypes.

        Raises:
            MemoryError: it ran out.
            Cancelled: as asked for.
        """
        restored = [np.array(view, order="C") for view in views]
        self._restore(restored, Hooks(progress, cancelled))
        return restored

    def restore_in_place(
        self,
        views: Sequence[Pixels],
        *,
        progress: OnProgress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> bool:
        """Restore one picture, or the two views of a pair, where they lie: half the memory.

        Args:
            views: as for `restore_views`; they become the result.
            progress: as for `restore`.
            cancelled: as for `restore`.

        Returns:
            Whether a pixel changed.

        Raises:
            MemoryError: it ran out; the views may be half done.
            Cancelled: as asked for; the views may be half done.
        """
        return self._restore(views, Hooks(progress, cancelled))

    @torch.no_grad()
    def _restore(self, views: Sequence[Pixels], hooks: Hooks) -> bool:
        with reusing_memory(self.device):
            changed = [stage.restore(views, hooks) for stage in self.stages]
        hooks.check()  # the last moment before something is written
        return any(changed)

    @torch.no_grad()
    def _restore_images(self, images: Tensor, hooks: Hooks) -> Tensor:
        """New images of the same shape, dtype and device, worked on in batches that fit."""
        out = torch.empty_like(images)
        size = (images.shape[-2], images.shape[-1])
        count = min(stage.forward.batch_size(*size) for stage in self.stages)
        with reusing_memory(self.device):
            for start in range(0, len(images), count):
                batch = images[start : start + count].to(self.device, torch.float32).clamp(0, 1)
                for stage in self.stages:
                    hooks.check()
                    batch = stage.restore_images(batch, hooks)
                    hooks.report(stage.task, start + len(batch), len(images))
                out[start : start + count] = batch
        hooks.check()
        return out


def check_pair(left: Pixels, right: Pixels) -> None:
    """Raise PairError unless both views have the same size and dtype."""
    if left.shape != right.shape or left.dtype != right.dtype:
        raise PairError(
            f"left is {left.shape[1]}x{left.shape[0]} {left.dtype}, right {right.shape[1]}x"
            f"{right.shape[0]} {right.dtype}; the views of a rectified pair have one size and depth."
        )
