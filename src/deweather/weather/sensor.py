"""What the camera adds after the weather: blur, noise, JPEG."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from deweather.weather.operator import Degraded, Parameter, generators, per_picture
from deweather.weather.scene import Scene
from deweather.weather.streams import DrawStream

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)  # ITU-T T.81, table K.1
_CHROMA = (
    (17, 18, 24, 47),
    (18, 21, 26, 66),
    (24, 26, 56, 99),
    (47, 66, 99, 99),
)  # table K.2; the rest of its 8x8 entries are 99


class Sensor:
    """Blur, noise and JPEG of a camera, independent in each view.

    Args:
        noise: standard deviation of the noise at mid grey, sRGB units; it grows with the root of
            the signal, as photon noise does.
        blur: standard deviation of the Gaussian blur in pixels; 0 leaves it out.
        jpeg: JPEG quality, 1 to 100; values over 100 leave it out.
    """

    def __init__(
        self, noise: Parameter = 0.0, blur: Parameter = 0.0, jpeg: Parameter = 101.0
    ) -> None:
        """Keep the parameters."""
        self.noise, self.blur, self.jpeg = noise, blur, jpeg

    def __call__(self, scene: Scene, seed: int | Sequence[int] = 0) -> Degraded:
        """Take the picture. Records noise, blur and JPEG quality."""
        b = scene.frames.shape[0]
        noise = per_picture(self.noise, scene, "noise")
        blur = per_picture(self.blur, scene, "blur")
        jpeg = per_picture(self.jpeg, scene, "jpeg")
        frames = scene.frames
        if bool((blur > 0).any()):
            frames = _blur(frames, blur)
        if bool((noise > 0).any()):
            shape = frames.shape[1:]
            draws = [
                torch.randn(shape, generator=g)
                for g in generators(seed, b, DrawStream.SENSOR_NOISE)
            ]
            sigma = noise.view(b, 1, 1, 1, 1) * (frames.clamp_min(0.02) / 0.5).sqrt()
            frames = frames + torch.stack(draws).to(frames) * sigma
        frames = frames.clamp(0, 1)
        if bool((jpeg <= 100).any()):
            use = (jpeg <= 100).view(b, 1, 1, 1, 1)
            frames = torch.where(use, jpeg_roundtrip(frames, jpeg.clamp(1, 100)), frames)
        return Degraded(frames, {"sensor.noise": noise, "sensor.blur": blur, "sensor.jpeg": jpeg})


def _blur(frames: Tensor, sigma: Tensor) -> Tensor:
    """Blur each picture of (B, V, 3, H, W) by its own sigma (B,); replicated borders."""
    b, v, c, h, w = frames.shape
    reaches = (3 * sigma[:, None]).ceil().clamp_min(1)
    reach = int(reaches.max())
    x = torch.arange(-reach, reach + 1).to(frames)
    kernel = torch.exp(-0.5 * (x / sigma.clamp_min(1e-3)[:, None]) ** 2)
    # Each kernel ends at its own reach, or a picture would depend on its neighbours in the batch.
    kernel = torch.where(x.abs() <= reaches, kernel, 0.0)
    kernel = kernel / kernel.sum(1, keepdim=True)
    flat = frames.reshape(1, b * v * c, h, w)
    each = kernel.repeat_interleave(v * c, dim=0)[:, None]
    flat = F.pad(flat, (reach, reach, 0, 0), mode="replicate")
    flat = F.conv2d(flat, each[:, :, None, :], groups=b * v * c)
    flat = F.pad(flat, (0, 0, reach, reach), mode="replicate")
    flat = F.conv2d(flat, each[:, :, :, None], groups=b * v * c)
    return flat.view(frames.shape)


def jpeg_roundtrip(frames: Tensor, quality: Tensor) -> Tensor:
    """The loss of baseline JPEG (4:4:4, quantisation of ITU-T T.81 annex K scaled like libjpeg's).

    Args:
        frames: (B, V, 3, H, W), sRGB in [0, 1].
        quality: (B,), 1 to 100.
    """
    b, v, _, h, w = frames.shape
    x = frames.flatten(0, 1) * 255
    x = F.pad(x, (0, -w % 8, 0, -h % 8), mode="replicate")
    to_ycc = x.new_tensor(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    )
    ycc = torch.einsum("ij,njhw->nihw", to_ycc, x)
    ycc[:, 0] -= 128
    n, c, hh, ww = ycc.shape
    blocks = ycc.view(n, c, hh // 8, 8, ww // 8, 8).permute(0, 1, 2, 4, 3, 5)
    k = torch.arange(8, device=x.device, dtype=x.dtype)
    dct = torch.cos(math.pi / 8 * (k[None, :] + 0.5) * k[:, None]) * 0.5
    dct[0] *= math.sqrt(0.5)
    percent = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)
    luma = x.new_tensor(_LUMA)
    chroma = torch.full_like(luma, 99)
    chroma[:4, :4] = x.new_tensor(_CHROMA)
    tables = torch.stack([luma, chroma, chroma])
    step = ((tables[None] * percent.view(b, 1, 1, 1) + 50) / 100).floor().clamp(1, 255)
    step = step.repeat_interleave(v, 0)[:, :, None, None]
    coefficients = (dct @ blocks @ dct.T / step).round() * step
    blocks = dct.T @ coefficients @ dct
    ycc = blocks.permute(0, 1, 2, 4, 3, 5).reshape(n, c, hh, ww)
    ycc[:, 0] += 128
    rgb = torch.einsum("ij,njhw->nihw", torch.linalg.inv(to_ycc), ycc)
    rgb = (rgb.round() / 255).clamp(0, 1)
    return rgb[..., :h, :w].reshape(frames.shape)
