"""Light, optics, sensor and transport against what they are defined by."""

import math

import pytest
import torch

from deweather.errors import ConfigError
from deweather.image.transfer import linear_to_srgb, srgb_to_linear
from deweather.weather import Compose, Illumination, Optics, RawNoise, Transport
from deweather.weather.sensor import jpeg_roundtrip

from .make import batch_of, scene


def even(level, h=120, w=120, v=1):
    s = scene(v=v, h=h, w=w)
    light = torch.full_like(s.frames, level)
    return s.with_frames(linear_to_srgb(light))


@pytest.mark.parametrize(
    "operator", [Illumination(), Optics(), RawNoise(), Transport()], ids=lambda o: type(o).__name__
)
def test_each_is_the_identity_by_default(operator):
    s = scene(v=2)
    torch.testing.assert_close(operator(s, 3).frames, s.frames, rtol=0, atol=1e-6)


def test_gamma_is_a_power_of_light():
    s = scene(v=2)
    out = srgb_to_linear(Illumination(gamma=2.5)(s).frames)
    torch.testing.assert_close(out, srgb_to_linear(s.frames) ** 2.5, rtol=1e-4, atol=1e-5)


def test_a_ramp_takes_its_share_smoothly_and_from_both_views_alike():
    s = even(0.5, v=2)
    for seed in range(5):
        light = srgb_to_linear(Illumination(ramp=0.8)(s, seed).frames) / 0.5
        assert torch.equal(light[:, 0], light[:, 1])
        assert 0.2 - 1e-4 <= light.min() < 0.55
        assert 0.65 < light.max() <= 1 + 1e-5
        assert (light[..., 1:] - light[..., :-1]).abs().max() < 0.05


def test_optics_blur_light_not_values():
    s = even(0.0, 41, 41)
    s.frames[..., 20, 20] = 1.0
    light = srgb_to_linear(Optics(defocus=4.0)(s).frames)[0, 0, 0]
    assert light.sum().item() == pytest.approx(1, abs=1e-3)
    assert light[20, 20].item() == pytest.approx(1 / (math.pi * 16), rel=0.1)
    line = srgb_to_linear(Optics(motion=9.0)(s).frames)[0, 0, 0]
    assert line[20].sum() > 0.95
    assert line.sum().item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("electrons", "read"), [(400.0, 0.0), (5000.0, 20.0), (100.0, 3.0)])
@pytest.mark.parametrize("level", [0.2, 0.6])
def test_noise_has_the_variance_of_photons_and_reading(electrons, read, level):
    out = RawNoise(electrons, read)(even(level, v=2), 1).frames
    light = srgb_to_linear(out).double()
    expected = level / electrons + (read / electrons) ** 2
    n = light.numel()
    assert light.mean().item() == pytest.approx(level, abs=4 * math.sqrt(expected / n) + 1e-5)
    # Five standard errors of a variance, and a little for what is clipped at white.
    slack = 5 * math.sqrt(2 / n) + 0.01
    assert light.var().item() == pytest.approx(expected, rel=slack)


@pytest.mark.parametrize("bits", [2, 8, 12])
def test_a_converter_has_so_many_steps(bits):
    s = scene(h=60, w=60, dtype=torch.float64)
    light = srgb_to_linear(RawNoise(bits=bits)(s).frames)
    steps = light * (2**bits - 1)
    assert (steps - steps.round()).abs().max() < 1e-3
    error = (light - srgb_to_linear(s.frames)).abs().max().item()
    assert error <= 0.5 / (2**bits - 1) + 1e-6


def test_transport_is_resizing_and_jpeg():
    s = scene(v=2, h=24, w=32)
    quality = torch.tensor([60.0])
    torch.testing.assert_close(Transport(jpeg=60.0)(s).frames, jpeg_roundtrip(s.frames, quality))
    small = Transport(scale=0.5)(s).frames
    assert small.shape == s.frames.shape
    assert small.std() < 0.7 * s.frames.std()
    flat = even(0.3, 15, 22)
    torch.testing.assert_close(Transport(scale=0.4)(flat).frames, flat.frames, rtol=0, atol=1e-5)


def test_twice_sent_is_worse_and_both_are_recorded():
    s = scene(h=64, w=64)
    once = Transport(0.7, 80.0)
    out = Compose([once, Transport(0.8, 40.0, stream=2)])(s)
    assert set(out.record) == {
        "transport1.scale", "transport1.jpeg", "transport2.scale", "transport2.jpeg"
    }  # fmt: skip
    assert (out.frames - s.frames).abs().mean() > (once(s).frames - s.frames).abs().mean()


@pytest.mark.parametrize(
    "make",
    [
        lambda v: Illumination(torch.tensor(v) + 1, 0.5),
        lambda v: Optics(torch.tensor(v) * 4, 3.0),
        lambda v: RawNoise(500 / (torch.tensor(v) + 0.01), bits=10.0),
        lambda v: Transport(1 - torch.tensor(v) / 2, 50.0),
    ],
)
def test_batches_are_singles(make):
    singles = [scene(v=2, h=20, w=24, seed=i) for i in range(2)]
    values = [0.0, 0.8]
    together = make(values)(batch_of(singles), 5).frames
    for i, s in enumerate(singles):
        alone = make(values[i])(s, 5 + i).frames
        # JPEG may round a coefficient the other way.
        assert ((together[i] - alone[0]).abs() > 1e-5).float().mean() < 0.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Illumination(0.0), "gamma = 0.0"),
        (lambda: Illumination(1.0, 1.1), "ramp = 1.1"),
        (lambda: Optics(-1.0), "defocus = -1.0"),
        (lambda: RawNoise(0.0), "electrons = 0.0"),
        (lambda: RawNoise(bits=20.0), "bits = 20.0"),
        (lambda: Transport(0.0), "scale = 0.0"),
        (lambda: Transport(jpeg=0.0), "jpeg = 0.0"),
    ],
)
def test_values_out_of_range_are_named(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
