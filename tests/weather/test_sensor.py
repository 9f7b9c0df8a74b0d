"""Blur, noise and JPEG of a camera."""

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deweather.weather import Sensor
from deweather.weather.sensor import jpeg_roundtrip

from .make import batch_of, photo, scene


def frames_of(picture):
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None, None].float() / 255


def grey(h, w, level=0.5, b=1, v=1):
    s = scene(b=b, v=v, h=h, w=w)
    return s.with_frames(torch.full_like(s.frames, level))


def pillow(picture, quality):
    """The same picture through libjpeg, without chroma subsampling."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=0)
    return frames_of(np.asarray(Image.open(buffer).convert("RGB")))


def decibels(a, b):
    return (-10 * torch.log10((a - b).square().mean())).item()


def test_a_perfect_camera_is_the_identity():
    s = scene(v=2)
    assert torch.equal(Sensor()(s).frames, s.frames)


@pytest.mark.parametrize(("level", "factor"), [(0.5, 1.0), (0.125, 0.5), (0.0, 0.2)])
def test_noise_is_as_strong_as_it_says_at_mid_grey_and_grows_with_the_root(level, factor):
    s = grey(100, 100, level)
    # Shot noise at black is clipped at 0: measure it on the upper side.
    noise = Sensor(noise=0.05)(s, 1).frames - level
    measured = (2 * noise.clamp_min(0).square().mean()).sqrt().item()
    assert measured == pytest.approx(0.05 * factor, rel=0.03)


def test_noise_is_independent_between_views_and_pixels():
    noise = Sensor(noise=0.05)(grey(60, 60, v=2), 1).frames[0] - 0.5
    left, right = noise.flatten(1)
    correlation = (left @ right) / (left.norm() * right.norm())
    assert abs(correlation.item()) < 4 / math.sqrt(left.numel())
    beside = (noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean()
    assert abs(beside.item()) < 4 / math.sqrt(noise.numel())


@pytest.mark.parametrize("sigma", [0.7, 1.5, 2.6])
def test_blur_of_a_point_is_a_gaussian(sigma):
    s = grey(41, 41, 0.0)
    s.frames[..., 20, 20] = 1.0
    spot = Sensor(blur=sigma)(s).frames[0, 0, 1].double()
    x = torch.arange(-20, 21, dtype=torch.float64)
    assert spot.sum().item() == pytest.approx(1, abs=1e-5)
    variance = (spot.sum(0) * x * x).sum().item()
    assert variance == pytest.approx(sigma**2, rel=0.05)
    torch.testing.assert_close(spot, spot.T, rtol=0, atol=1e-7)


def test_blur_keeps_flat_pictures_to_the_border():
    s = grey(12, 10, 0.3)
    torch.testing.assert_close(Sensor(blur=2.0)(s).frames, s.frames)


@pytest.mark.parametrize("quality", [10, 25, 30, 49, 50, 75, 90, 95])
def test_jpeg_of_grey_is_what_libjpeg_does(quality):
    picture = photo(64, 80)
    picture = np.repeat(picture[..., :1], 3, axis=2)
    ours = jpeg_roundtrip(frames_of(picture), torch.tensor([float(quality)]))
    theirs = pillow(picture, quality)
    loss = decibels(theirs, frames_of(picture))
    # Wrong steps of quantisation would lose more or less, and elsewhere.
    assert decibels(ours, frames_of(picture)) == pytest.approx(loss, abs=0.05)
    assert decibels(ours, theirs) > loss + 6


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_jpeg_of_colour_loses_as_libjpeg_does(quality):
    picture = photo(64, 80)
    ours = jpeg_roundtrip(frames_of(picture), torch.tensor([float(quality)]))
    loss = decibels(pillow(picture, quality), frames_of(picture))
    assert decibels(ours, frames_of(picture)) == pytest.approx(loss, abs=0.2)


def test_best_jpeg_is_nearly_the_identity():
    picture = frames_of(photo(64, 80))
    out = jpeg_roundtrip(picture, torch.tensor([100.0]))
    assert (out - picture).abs().max() * 255 <= 2.01
    assert decibels(out, picture) > 52


@settings(derandomize=True, max_examples=20, deadline=None)
@given(h=st.integers(1, 20), w=st.integers(1, 20), quality=st.integers(1, 100))
def test_jpeg_takes_every_size_and_keeps_flat_colours(h, w, quality):
    flat = torch.full((1, 1, 3, h, w), 128 / 255)
    out = jpeg_roundtrip(flat, torch.tensor([float(quality)]))
    assert out.shape == flat.shape
    torch.testing.assert_close(out, flat, rtol=0, atol=1e-6)


def test_jpeg_over_100_is_left_out_for_that_picture_only():
    s = scene(b=2, h=16, w=16)
    out = Sensor(jpeg=torch.tensor([101.0, 60.0]))(s).frames
    assert torch.equal(out[0], s.frames[0])
    assert not torch.allclose(out[1], s.frames[1], atol=1e-2)


def test_a_batch_is_its_singles():
    singles = [scene(v=2, h=24, w=30, seed=i) for i in range(3)]
    noise, blur, jpeg = torch.tensor([[0.02, 0.0, 0.05], [1.0, 2.2, 0.0], [101, 80, 30.0]])
    together = Sensor(noise, blur, jpeg)(batch_of(singles), 5).frames
    for i, s in enumerate(singles):
        alone = Sensor(noise[i : i + 1], blur[i : i + 1], jpeg[i : i + 1])(s, 5 + i).frames
        difference = (together[i] - alone[0]).abs()
        # Rounding may tip a coefficient of JPEG over; nothing else may differ.
        assert (difference > 1e-5).float().mean() < (0.01 if jpeg[i] <= 100 else 1e-9)


def test_the_record_says_what_was_done():
    record = Sensor(0.01, 0.5, 90.0)(scene(b=2)).record
    found = {k: v.tolist() for k, v in record.items()}
    assert found["sensor.noise"] == pytest.approx([0.01] * 2)
    assert found["sensor.blur"] == [0.5] * 2
    assert found["sensor.jpeg"] == [90.0] * 2
