"""PSNR against reference figures of its protocol and closed forms."""

import math

import pytest
import torch

from deweather.errors import FramesError
from deweather.metrics import PSNR_PROTOCOL, psnr

from ..formula import image

# By an independent implementation: batch, height, width, mean over the batch in dB, tolerance. Of
# the large pictures, that implementation rounds a few pixels next to a half in float32.
REFERENCE = [
    (1, 48, 64, 24.6260666896, 1e-9),
    (2, 37, 53, 24.6415696736, 1e-9),
    (1, 384, 400, 24.5992380067, 1e-5),
    (1, 400, 520, 24.599219198, 1e-5),
]


def pictures(batch, height, width):
    clean = image(batch, 3, height, width)
    axes = (torch.arange(n, dtype=torch.float64) for n in (3, height, width))
    ch, y, x = torch.meshgrid(*axes, indexing="ij")
    return clean + 0.08 * torch.sin(0.7 * x + 1.1 * y + ch) + 0.02, clean


@pytest.mark.parametrize(("batch", "height", "width", "expected", "tolerance"), REFERENCE)
def test_reference_figures(batch, height, width, expected, tolerance):
    restored, clean = (x[:, None] for x in pictures(batch, height, width))
    assert psnr(restored, clean).mean().item() == pytest.approx(expected, abs=tolerance)
    assert PSNR_PROTOCOL == "psnr_rgb_uint8_rounded"


def test_one_level_off_everywhere():
    clean = torch.full((1, 2, 3, 4, 5), 100 / 255)
    assert psnr(clean + 1 / 255, clean).item() == pytest.approx(20 * math.log10(255))


def test_views_are_averaged_in_decibels():
    clean = torch.full((1, 2, 3, 4, 5), 100 / 255)
    steps = torch.tensor([1.0, 16.0]).view(1, 2, 1, 1, 1) / 255
    expected = 20 * math.log10(255) - 10 * math.log10(16)
    assert psnr(clean + steps, clean).item() == pytest.approx(expected)


def test_each_sample_has_its_own_score():
    clean = torch.full((3, 1, 3, 4, 5), 100 / 255)
    steps = torch.tensor([0.0, 1.0, 10.0]).view(3, 1, 1, 1, 1) / 255
    whole = 20 * math.log10(255)
    assert psnr(clean + steps, clean).tolist() == pytest.approx([math.inf, whole, whole - 20])


def test_rounding_and_clipping_come_first():
    clean = torch.full((1, 1, 3, 4, 5), 100 / 255)
    assert psnr(clean + 0.49 / 255, clean).item() == math.inf
    assert psnr(clean + 0.51 / 255, clean).item() == pytest.approx(20 * math.log10(255))
    assert psnr(torch.full_like(clean, 1.7), torch.ones_like(clean)).item() == math.inf


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_every_eight_bit_level_survives_every_dtype(dtype):
    levels = torch.arange(256, dtype=torch.float64).view(1, 1, 1, 16, 16).expand(1, 1, 3, 16, 16)
    assert psnr((levels / 255).to(dtype), levels / 255).item() == math.inf


def test_what_is_refused():
    frames = torch.zeros(1, 1, 3, 4, 5)
    with pytest.raises(FramesError, match=r"\(1, 1, 3, 4, 5\).*\(1, 2, 3, 4, 5\)"):
        psnr(frames, torch.zeros(1, 2, 3, 4, 5))
    with pytest.raises(FramesError, match=r"\(B, V, 3, H, W\)"):
        psnr(frames[0], frames[0])
    with pytest.raises(FramesError, match="uint8"):
        psnr(frames.byte(), frames.byte())
