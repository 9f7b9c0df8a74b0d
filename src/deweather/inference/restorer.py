"""The restorer: networks and a picture in, a restored picture of the same kind out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from deweather.errors import ConfigError, FramesError, PairError
from deweather.image import Picture, split_side_by_side
from deweather.image.frames import check_frames, from_frames, to_frames
from deweather.inference.convert import open_canvas
from deweather.inference.devices import pick_device
from deweather.inference.haze import dehaze
from deweather.inference.hooks import Hooks, IsCancelled, OnProgress
from deweather.inference.pictures import Restored
from deweather.inference.rain import derain
from deweather.models import Network
from deweather.weights.cards import find_weights
from deweather.weights.files import load_weights

Weather = Literal["auto", "haze", "rain"]
Pixels = NDArray[Any]
Source = TypeVar("Source", "str | PathLike[str]", Image.Image, NDArray[Any], Tensor)

DEFAULTS = {"rain": "stereoirr-small.rain", "haze": "stereoirr-small.haze"}
"""Bundled weights of each task, in the order in which `auto` runs them: the light met the haze first
and the rain last, so the rain comes off first."""


@dataclass(frozen=True)
class Stage:
    """One network and what it removes."""

    task: str
    network: Network


class Restorer:
    """Takes bad weather out of pictures and pairs. Holds no per-picture state: share it freely.

    Args:
        weather: "auto" takes off rain, then haze, and leaves pictures alone that hardly change by
            that; "haze" or "rain" does one of the two in any case.
        weights: bundled names or files to use instead of the bundled ones of their task.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps", or a torch device.
        tile: side of the tiles for rain, in pixels; None takes a default.

    Raises:
        ConfigError: no such weather or device, or weights for another weather.
        UnknownNameError: no such weights.
        WeightsError: a weights file that cannot be used.
    """

    def __init__(
        self,
        weather: Weather = "auto",
        *,
        weights: str | Path | Sequence[str | Path] = (),
        device: str | torch.device | None = "auto",
        tile: int | None = None,
    ) -> None:
        """Load the networks onto the device."""
        if weather not in get_args(Weather):
            valid = ", ".join(get_args(Weather))
            raise ConfigError(f"weather {weather!r}; expected one of {valid}.")
        if tile is not None and tile < 64:
            raise ConfigError(f"tile = {tile}; expected at least 64 pixels, or None.")
        self.device = pick_device(device)
        self.tile = tile
        self.skip_clear = weather == "auto"
        tasks = tuple(DEFAULTS) if weather == "auto" else (weather,)
        chosen: dict[str, Network] = {}
        for item in [weights] if isinstance(weights, str | Path) else weights:
            network, header = load_weights(find_weights(item))
            if header.task not in tasks:
                raise ConfigError(
                    f"weights {str(item)!r} are for {header.task}, not for {weather}."
                )
            if header.task in chosen:
                raise ConfigError(
                    f"weights {str(item)!r}: others for {header.task} were given, too."
                )
            chosen[header.task] = network
        self.stages = [
            Stage(t, (chosen.get(t) or load_weights(find_weights(DEFAULTS[t]))[0]).to(self.device))
            for t in tasks
        ]

    def restore(
        self,
        source: Source,
        out: str | PathLike[str] | None = None,
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
            array or tensor like the one given.

        Raises:
            PictureError: the file cannot be read or written.
            FramesError: an array or tensor of another shape, dtype or range.
            Cancelled: as asked for; no file was written, and what was given is untouched.
        """
        hooks = Hooks(progress, cancelled)
        if isinstance(source, Tensor):
            return self._restore_tensor(source, hooks)
        canvas = open_canvas(source)
        changed = self._restore([canvas.pixels], hooks)
        return canvas.close(out, changed=changed, overwrite=overwrite)

    def restore_pair(
        self,
        left: Source,
        right: Source,
        out: tuple[str | PathLike[str], str | PathLike[str]] | None = None,
        *,
        overwrite: bool = False,
        progress: OnProgress | None = None,
        cancelled: IsCancelled | None = None,
    ) -> tuple[Any, Any]:
        """Restore the two views of a rectified pair together; see `restore` for the kinds.

        Raises:
            PairError: the views differ in size or depth.
            PictureError, FramesError, Cancelled: as `restore`.
        """
        hooks = Hooks(progress, cancelled)
        if isinstance(left, Tensor) and isinstance(right, Tensor):
            if left.shape != right.shape:
                raise PairError(f"left is {tuple(left.shape)}, right {tuple(right.shape)}.")
            batch = left.ndim == 4
            pair = torch.stack([left, right], dim=1 if batch else 0)
            done = self._restore_tensor(pair if batch else pair[None], hooks)
            return (done[:, 0], done[:, 1]) if batch else (done[0, 0], done[0, 1])
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

    def _restore(self, views: Sequence[Pixels], hooks: Hooks) -> bool:
        changed = False
        for stage in self.stages:
            if stage.task == "haze":
                done = dehaze(
                    stage.network, views, self.device, skip_clear=self.skip_clear, hooks=hooks
                )
            else:
                done = derain(
                    stage.network,
                    views,
                    self.device,
                    tile=self.tile,
                    skip_clear=self.skip_clear,
                    hooks=hooks,
                )
            changed = changed or done
        hooks.check()  # the last moment before something is written
        return changed

    def _restore_tensor(self, frames: Tensor, hooks: Hooks) -> Tensor:
        shape = frames.shape
        if frames.ndim not in (3, 4, 5) or 0 in shape or shape[-3] != 3:
            raise FramesError(
                f"source has shape {tuple(shape)}; expected (3, H, W), (B, 3, H, W) or "
                "(B, V, 3, H, W), none of them 0."
            )
        five = frames.reshape(-1, 1, *shape[-3:]) if frames.ndim in (3, 4) else frames
        check_frames(five, views={1, 2}, name="source")
        out = []
        for sample in five:
            views = from_frames(sample[None], np.float32)
            self._restore(views, hooks)
            out.append(to_frames(views))
        return torch.cat(out).reshape(shape).to(frames)


def check_pair(left: Pixels, right: Pixels) -> None:
    """Raise PairError unless both views have the same size and dtype."""
    if left.shape != right.shape or left.dtype != right.dtype:
        raise PairError(
            f"left is {left.shape[1]}x{left.shape[0]} {left.dtype}, right {right.shape[1]}x"
            f"{right.shape[0]} {right.dtype}; the views of a rectified pair have one size and depth."
        )
