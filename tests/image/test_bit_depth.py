"""16 bits to 8 and back: the nearest level, the same for all samples of a picture."""

import numpy as np
import pytest
from PIL import Image

import deweather
from deweather.image import read_picture
from deweather.image.bit_depth import to_8_bit, to_16_bit
from deweather.image.png import write_png

LEVELS = np.arange(65536, dtype=np.uint16)


def test_every_level_becomes_the_nearest():
    found = to_8_bit(LEVELS.reshape(256, 256))
    assert found.dtype == np.uint8
    assert (np.abs(found.ravel() * 257.0 - LEVELS) <= 128).all()
    assert (np.diff(found.ravel().astype(int)) >= 0).all()


def test_what_was_8_bit_comes_back():
    eight = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert to_16_bit(eight).max() == 65535
    assert np.array_equal(to_8_bit(to_16_bit(eight)), eight)


@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3), (3000, 700, 3)])
def test_bands_leave_no_seams(shape):
    samples = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
    assert np.array_equal(to_8_bit(samples), np.rint(samples / 257).astype(np.uint8))


def test_samples_of_the_wanted_depth_are_not_copied():
    eight, sixteen = LEVELS[:4].astype(np.uint8), LEVELS[:4]
    assert to_8_bit(eight) is eight
    assert to_16_bit(sixteen) is sixteen


def test_colours_and_alpha_of_a_restored_file_are_rounded_alike(tmp_path, monkeypatch):
    """A returned PIL image has 8 bits; grey of a value and alpha of the same value stay equal."""
    grey = LEVELS[::32].reshape(32, 64)
    with open(tmp_path / "a.png", "wb") as file:
        write_png(file, np.stack([grey, grey, grey, grey], -1))
    monkeypatch.setattr("deweather.inference.Restorer.restore_in_place", lambda *_, **__: False)
    found = deweather.restore(tmp_path / "a.png")
    assert isinstance(found, Image.Image)
    bands = np.asarray(found)
    assert np.array_equal(bands[..., 3], bands[..., 0])
    assert np.array_equal(bands[..., 0], to_8_bit(read_picture(tmp_path / "a.png").alpha))
