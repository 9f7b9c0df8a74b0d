"""Arrays to tensors and back, and the sRGB curve on tensors."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from deweather.errors import FramesError
from deweather.image.frames import check_frames, from_frames, to_frames
from deweather.image.transfer import linear_to_srgb, srgb_to_linear

from . import make


@pytest.mark.parametrize(("dtype", "count"), [(np.uint8, 16), (np.uint16, 256)])
def test_every_value_survives(dtype, count):
    ramp = np.arange(count * count, dtype=dtype).reshape(count, count)
    views = [np.stack([ramp, ramp.T, ramp[::-1]], axis=-1), np.stack([ramp] * 3, axis=-1)]
    frames = to_frames(views)
    assert frames.shape == (1, 2, 3, count, count)
    assert frames.dtype == torch.float32
    assert frames.min() == 0
    assert frames.max() == 1
    for before, after in zip(views, from_frames(frames, dtype), strict=True):
        assert np.array_equal(before, after)
        assert after.flags.c_contiguous


def test_views_of_arrays_are_fine():
    """Halves of a side-by-side picture, upside down and read-only."""
    data = make.samples(6, 10)
    data.flags.writeable = False
    frames = to_frames([data[::-1, :5], data[::-1, 5:]])
    left, right = from_frames(frames)
    assert np.array_equal(np.concatenate([left, right], axis=1), data[::-1])


def test_floats_pass():
    data = np.random.default_rng(0).random((4, 5, 3))
    (back,) = from_frames(to_frames([data]), np.float32)
    assert back == pytest.approx(data, abs=1e-7)


def test_rounds_half_to_even_and_clips():
    values = torch.tensor(
        [0.5 / 255, 1.5 / 255, 2.5 / 255, -3.0, 7.0, torch.inf], dtype=torch.float64
    )
    frames = values.reshape(1, 1, 1, 1, 6).expand(1, 1, 3, 1, 6)
    assert from_frames(frames)[0][0, :, 0].tolist() == [0, 2, 2, 0, 255, 255]


def test_order_of_several_frames():
    frames = torch.arange(6).reshape(3, 2, 1, 1, 1).expand(3, 2, 3, 4, 5) / 255.0
    assert [array[0, 0, 0] for array in from_frames(frames)] == [0, 1, 2, 3, 4, 5]


def test_half_precision_and_gradients():
    frames = torch.full((1, 1, 3, 2, 2), 0.5, dtype=torch.bfloat16, requires_grad=True)
    assert from_frames(frames)[0][0, 0, 0] == 128


@pytest.mark.parametrize(
    "views",
    [
        [],
        [np.zeros((4, 5), np.uint8)],
        [np.zeros((4, 5, 4), np.uint8)],
        [np.zeros((0, 5, 3), np.uint8)],
        [np.zeros((4, 5, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)],
        [np.zeros((4, 5, 3), np.int32)],
        [np.full((4, 5, 3), np.nan)],
    ],
    ids=["none", "grey", "alpha", "empty", "sizes", "int32", "nan"],
)
def test_wrong_views(views):
    with pytest.raises(FramesError):
        to_frames(views)


def test_check_frames():
    good = torch.zeros(2, 1, 3, 4, 5)
    check_frames(good)
    check_frames(good, views={1, 2})
    with pytest.raises(FramesError, match=r"hazy has shape \(1, 3, 4, 5\); expected \(B, V, 3,"):
        check_frames(good[0], name="hazy")
    with pytest.raises(FramesError, match=r"V = 1 views; expected .* V = 2"):
        check_frames(good, views={2})
    with pytest.raises(FramesError, match=r"dtype torch\.uint8"):
        check_frames(good.to(torch.uint8))
    with pytest.raises(FramesError):
        check_frames(good[:, :, :2])


def test_nan_from_a_network_is_an_error():
    with pytest.raises(FramesError, match="NaN"):
        from_frames(torch.full((1, 1, 3, 2, 2), torch.nan))
    with pytest.raises(FramesError, match="int32"):
        from_frames(torch.zeros(1, 1, 3, 2, 2), np.int32)


def test_srgb_curve_by_the_book():
    """IEC 61966-2-1: mid grey 0.5 is 21.4 % of the light; the knee, black and white."""
    encoded = torch.tensor([0.0, 0.04045, 0.5, 1.0], dtype=torch.float64)
    linear = torch.tensor([0.0, 0.0031308, 0.21404114, 1.0], dtype=torch.float64)
    assert torch.allclose(srgb_to_linear(encoded), linear, atol=1e-7)
    assert torch.allclose(linear_to_srgb(linear), encoded, atol=1e-6)


def test_srgb_curve_inverts_and_has_finite_gradients():
    values = torch.linspace(-0.2, 1.2, 1001, dtype=torch.float64, requires_grad=True)
    there_and_back = linear_to_srgb(srgb_to_linear(values))
    assert torch.allclose(there_and_back, values, atol=1e-7)
    for curve in (srgb_to_linear, linear_to_srgb):
        zero = torch.tensor([0.0, -1.0, 1e-12], requires_grad=True)
        curve(zero).sum().backward()
        assert torch.isfinite(zero.grad).all()


def test_importing_the_room_stays_light():
    code = (
        "import sys, deweather.image.files, deweather.image as i; "
        "assert i.read_picture; "
        "assert not {'torch', 'cv2'} & set(sys.modules), 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
