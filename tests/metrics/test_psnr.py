"""PSNR by closed forms; reference figures are in test_protocols.py."""

import math

import pytest
import torch

from deweather.metrics import REPORT, psnr


def test_one_level_off_everywhere():
    clean = torch.full((1, 2, 3, 4, 5), 100 / 255)
    assert psnr(clean + 1 / 255, clean).item() == pytest.approx(20 * math.log10(255))


def test_views_are_averaged_in_decibels():
    clean = torch.full((1, 2, 3, 4, 5), 100 / 255)
    steps = torch.tensor([1.0, 16.0]).view(1, 2, 1, 1, 1) / 255
    expected = 20 * math.log10(255) - 10 * math.log10(16)
    assert psnr(clean + steps, clean).item() == pytest.approx(expected)


def test_an_equal_view_does_not_hide_the_other():
    clean = torch.full((1, 2, 3, 4, 5), 100 / 255)
    steps = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1, 1) / 255
    assert psnr(clean + steps, clean).item() == pytest.approx((100 + 20 * math.log10(255)) / 2)


def test_each_sample_has_its_own_score():
    clean = torch.full((3, 1, 3, 4, 5), 100 / 255)
    steps = torch.tensor([0.0, 1.0, 10.0]).view(3, 1, 1, 1, 1) / 255
    whole = 20 * math.log10(255)
    assert psnr(clean + steps, clean).tolist() == pytest.approx([REPORT.cap, whole, whole - 20])


def test_rounding_and_clipping_come_first():
    clean = torch.full((1, 1, 3, 4, 5), 100 / 255)
    assert psnr(clean + 0.49 / 255, clean).item() == REPORT.cap
    assert psnr(clean + 0.51 / 255, clean).item() == pytest.approx(20 * math.log10(255))
    assert psnr(torch.full_like(clean, 1.7), torch.ones_like(clean)).item() == REPORT.cap


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_every_eight_bit_level_survives_every_dtype(dtype):
    levels = torch.arange(256, dtype=torch.float64).view(1, 1, 1, 16, 16).expand(1, 1, 3, 16, 16)
    assert psnr((levels / 255).to(dtype), levels / 255).item() == REPORT.cap
