"""A clean scene with its geometry: what weather is put into."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from deweather.errors import FramesError
from deweather.image.camera import Camera
from deweather.image.shapes import check_frames

FAR = 10_000.0
"""Distance in metres at which zero disparity (sky, unknown) is put; every haze is opaque there."""


@dataclass(frozen=True)
class Scene:
    """Frames of a rectified rig (or of one camera) with a disparity for every pixel.

    Attributes:
        frames: (B, V, 3, H, W), sRGB in [0, 1].
        disparity: (B, V, 1, H, W), pixels, >= 0; 0 is infinitely far. View 1 sees a point of view 0
            `disparity` pixels further left. A single camera has the disparity to an imagined
            second.
        focal_length: (B,), pixels.
        baseline: (B,), metres.
    """

    frames: Tensor
    disparity: Tensor
    focal_length: Tensor
    baseline: Tensor

    def __post_init__(self) -> None:
        """Check the shapes."""
        check_frames(self.frames)
        b, v, _, h, w = self.frames.shape
        if tuple(self.disparity.shape) != (b, v, 1, h, w):
            raise FramesError(
                f"disparity has shape {tuple(self.disparity.shape)}; expected {(b, v, 1, h, w)}."
            )
        if bool((self.disparity < 0).any()):
            least = float(self.disparity.min())
            raise FramesError(f"disparity goes down to {least:g} pixels; it is never negative.")
        for name in ("focal_length", "baseline"):
            shape = tuple(getattr(self, name).shape)
            if shape != (b,):
                raise FramesError(f"{name} has shape {shape}; expected {(b,)}.")

    @classmethod
    def of(cls, frames: Tensor, disparity: Tensor, camera: Camera) -> Scene:
        """Make a scene whose pictures all come from the same camera or rig."""
        b = frames.shape[0]
        return cls(
            frames,
            disparity,
            frames.new_full((b,), camera.focal_length),
            frames.new_full((b,), camera.baseline),
        )

    def with_frames(self, frames: Tensor) -> Scene:
        """The same geometry under other frames of the same shape."""
        return replace(self, frames=frames)

    def mirrored(self) -> Scene:
        """The scene in a mirror. Views swap places, so a rectified pair is one again."""
        swapped = (self.frames, self.disparity)
        frames, disparity = (maps.flip(1).flip(-1) for maps in swapped)
        return replace(self, frames=frames, disparity=disparity)

    def scaled(self, factor: float) -> Scene:
        """The same scene in pictures `factor` times as large: disparity and focal length scale.

        Depth stays as it is. Sizes are rounded, and the scale is that of the rounded width.

        Raises:
            FramesError: a factor that leaves no pixel, or that is not a positive number.
        """
        b, v, _, h, w = self.frames.shape
        if not 0 < factor < float("inf") or min(h, w) * factor < 0.5:
            raise FramesError(f"scale factor {factor!r} for {w}x{h} pixels; give a larger number.")
        size = (max(1, round(h * factor)), max(1, round(w * factor)))
        ratio = size[1] / w
        frames = F.interpolate(
            self.frames.flatten(0, 1), size, mode="bilinear", align_corners=False, antialias=True
        )
        # Interpolation would invent depths between near and far at the edges of things.
        disparity = F.interpolate(self.disparity.flatten(0, 1), size, mode="nearest-exact")
        return replace(
            self,
            frames=frames.view(b, v, 3, *size).clamp(0, 1),
            disparity=disparity.view(b, v, 1, *size) * ratio,
            focal_length=self.focal_length * ratio,
        )

    def to(self, device: torch.device | str) -> Scene:
        """The scene on another device."""
        return Scene(
            self.frames.to(device),
            self.disparity.to(device),
            self.focal_length.to(device),
            self.baseline.to(device),
        )

    def depth(self) -> Tensor:
        """Depth Z = f·B/d along the optical axis: (B, V, 1, H, W) metres, at most FAR."""
        fb = (self.focal_length * self.baseline).view(-1, 1, 1, 1, 1)
        return (fb / self.disparity.clamp_min(1e-9)).clamp_max(FAR)

    def rays(self) -> Tensor:
        """Direction of each pixel with unit depth, ((x-cx)/f, (y-cy)/f, 1): (B, 1, 3, H, W).

        The principal point is the centre of the picture.
        """
        b, _, _, h, w = self.frames.shape
        device, dtype = self.frames.device, self.frames.dtype
        f = self.focal_length.view(b, 1, 1)
        x = (torch.arange(w, device=device, dtype=dtype) - (w - 1) / 2) / f
        y = (torch.arange(h, device=device, dtype=dtype) - (h - 1) / 2).view(1, h, 1) / f
        x, y = x.expand(b, h, w), y.expand(b, h, w)
        return torch.stack([x, y, torch.ones_like(x)], dim=1).unsqueeze(1)

    def centres(self) -> Tensor:
        """Position of each camera in metres; the left one is the origin: (B, V, 3, 1, 1)."""
        b, v = self.frames.shape[:2]
        centres = self.frames.new_zeros(b, v, 3, 1, 1)
        centres[:, :, 0, 0, 0] = torch.arange(v).to(centres) * self.baseline.unsqueeze(1)
        return centres
