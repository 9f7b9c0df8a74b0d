import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from deweather.errors import ConfigError, FramesError, PairError, PictureError, UnknownNameError
from deweather.inference import Restorer, thresholds
from deweather.inference.forward import Forward
from deweather.inference.haze import HazeStage
from deweather.inference.rain import RainStage
from deweather.models import Needs, Network, Restoration
from tests.inference.networks import weights_file

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return [weights_file(folder, "rain", 1), weights_file(folder, "haze", 2)]


@pytest.fixture(scope="module")
def restorer(files):
    return Restorer("auto", weights=files, device="cpu")


def raise_thresholds(monkeypatch):
    """Let nothing count as weather."""
    monkeypatch.setattr("deweather.inference.haze.HAZE", (10.0, 20.0))
    monkeypatch.setattr("deweather.inference.rain.STREAKS", (10.0, 20.0))


def picture(height=40, width=56, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_path_gives_an_image_or_the_written_path(restorer, tmp_path):
    source = tmp_path / "sé.png"
    Image.fromarray(picture()).save(source)
    image = restorer.restore(source)
    assert isinstance(image, Image.Image)
    written = restorer.restore(source, tmp_path / "out" / "b.png")
    assert written == tmp_path / "out" / "b.png"
    assert np.array_equal(np.asarray(Image.open(written)), np.asarray(image))
    with pytest.raises(PictureError, match="exists"):
        restorer.restore(source, written)
    restorer.restore(source, written, overwrite=True)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "CMYK", "I;16"])
def test_pil_modes(restorer, mode):
    base = Image.fromarray(picture())
    if mode == "I;16":
        image = Image.fromarray(picture()[..., 0].astype(np.uint16) * 257)
    else:
        image = base.convert(mode)
    out = restorer.restore(image)
    expected = {"P": "RGB", "1": "L", "CMYK": "RGB"}.get(mode, mode)
    assert out.mode == expected
    assert out.size == image.size


def test_alpha_is_kept(restorer):
    rgba = np.dstack([picture(), picture(seed=1)[..., 0]])
    out = restorer.restore(rgba)
    assert np.array_equal(out[..., 3], rgba[..., 3])
    assert np.array_equal(out[..., :3], restorer.restore(np.ascontiguousarray(rgba[..., :3])))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(40, 56), (40, 56, 1), (40, 56, 3), (40, 56, 4), (1, 1, 3)])
def test_array_kinds(restorer, dtype, shape):
    rng = np.random.default_rng(0)
    array = rng.random(shape)
    if np.issubdtype(dtype, np.integer):
        array = array * np.iinfo(dtype).max
    array = array.astype(dtype)
    before = array.copy()
    out = restorer.restore(array)
    assert out.dtype == dtype
    assert out.shape == shape
    assert np.array_equal(array, before)


@pytest.mark.parametrize("shape", [(3, 24, 32), (2, 3, 24, 32), (2, 2, 3, 24, 32), (1, 1, 3, 9, 7)])
def test_tensor_kinds(restorer, shape):
    frames = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    out = restorer.restore(frames)
    assert out.shape == frames.shape
    assert out.dtype == torch.float64
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((4, 4, 3), np.int32), "int32"),
        (np.full((4, 4, 3), 1.5), "1.5"),
        (np.full((4, 4, 3), np.nan), "nan"),
        (torch.zeros(4, 4), "shape"),
        (torch.zeros(1, 3, 3, 4, 4), "V = 3"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "uint8"),
        (Image.new("F", (4, 4)), "'F'"),
        (7, "int"),
    ],
)
def test_what_is_no_picture_is_refused(restorer, source, said):
    with pytest.raises(FramesError, match=said):
        restorer.restore(source)


def test_pairs_are_restored_together(restorer):
    left, right = picture(), picture(seed=3)
    out = restorer.restore_pair(left, right)
    tensors = [torch.from_numpy(p).permute(2, 0, 1).float() / 255 for p in (left, right)]
    same = restorer.restore_pair(*tensors)
    for a, b in zip(out, same, strict=True):
        assert np.abs(a / 255 - b.permute(1, 2, 0).numpy()).max() < 2.1 / 255
    alone = restorer.restore(left)
    assert not np.array_equal(out[0], alone)


def test_views_of_two_sizes_are_no_pair(restorer):
    with pytest.raises(PairError, match="56x40"):
        restorer.restore_pair(picture(), picture(41))


def test_threads_share_a_restorer(restorer):
    pictures = [picture(30 + i, 40 + 2 * i, seed=i) for i in range(8)]
    expected = [restorer.restore(p) for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        for a, b in zip(pool.map(restorer.restore, pictures), expected, strict=True):
            assert np.array_equal(a, b)


def test_large_pictures_keep_their_detail(files, monkeypatch):
    monkeypatch.setattr("deweather.inference.haze.WORKING_PIXELS", 2000)
    haze = Restorer("haze", weights=files[1], device="cpu")
    rng = np.random.default_rng(0)
    out = haze.restore(rng.integers(60, 200, (123, 217, 3), dtype=np.uint8))
    assert out.shape == (123, 217, 3)
    assert np.abs(np.diff(out.astype(int), axis=1)).mean() > 15  # not blurred by the reduction


@pytest.mark.parametrize("limits", [thresholds.HAZE, thresholds.STREAKS])
def test_the_share_of_a_change_fades_in(limits):
    low, high = limits
    assert thresholds.fade(low, limits) == 0
    assert thresholds.fade((low + high) / 2, limits) == pytest.approx(0.5)
    assert thresholds.fade(high, limits) == 1
    assert thresholds.rms(torch.tensor([[3.0, 4.0], [0.0, 1.0]])).tolist() == pytest.approx(
        [12.5**0.5, 0.5**0.5]
    )


def test_the_low_pass_of_a_change_is_its_local_mean():
    streaks = torch.zeros(1, 2, 3, 96, 96)
    streaks[..., ::8] = 0.1  # one column of eight
    assert thresholds.rms(thresholds.low_pass(streaks * 0 + 0.2)) == pytest.approx(0.2)
    assert thresholds.rms(streaks - thresholds.low_pass(streaks)) == pytest.approx(
        0.1 * (7 / 64) ** 0.5, rel=0.1
    )
    assert thresholds.low_pass(torch.ones(1, 1, 3, 1, 2)).shape == (1, 1, 3, 1, 2)


def test_only_the_darkening_of_bright_details_counts_as_rain():
    clean = torch.full((1, 1, 3, 96, 128), 0.5)
    rainy = clean.clone()
    rainy[..., ::8] = 0.9
    blocks = thresholds.darkened_streaks(rainy, clean)
    assert blocks.shape == (1, 12)
    assert float(blocks.median()) == pytest.approx(0.35 / 8**0.5, rel=0.05)
    assert thresholds.darkened_streaks(clean, clean - 0.2).max() < 1e-6
    stronger = 0.5 + 1.5 * (rainy - rainy.mean())  # what lifting a veil does
    assert thresholds.darkened_streaks(rainy, stronger).max() < 0.03
    assert thresholds.darkened_streaks(rainy[..., :5, :3], clean[..., :5, :3]).shape == (1, 1)


class Sweeps(Network):
    """Takes everything above a grey for rain."""

    @property
    def needs(self):
        return Needs(multiple=1, minimum=1, tile_overlap=0, whole_rows=False)

    def forward(self, frames):
        return Restoration(frames.clamp_max(0.4))


@pytest.mark.parametrize(("share", "swept"), [(1.0, True), (0.7, True), (0.3, False)])
def test_what_fills_a_part_of_the_picture_is_no_rain(share, swept):
    striped = np.full((512, 512, 3), 100, np.uint8)
    striped[:, : int(512 * share) : 7] = 230
    out = striped.copy()
    assert RainStage(Forward(Sweeps(), CPU), skip_clear=True).restore([out]) == swept
    assert np.array_equal(out, striped) != swept


class Blackens(Network):
    """Turns a part of the picture black and darkens the rest."""

    @property
    def needs(self):
        return Needs(multiple=1, minimum=1, tile_overlap=0, whole_rows=False)

    def forward(self, frames):
        image = frames * 0.7
        image[..., :40] = 0.0
        return Restoration(image)


def test_only_grey_that_comes_back_black_counts_as_blackened():
    frames = torch.full((1, 1, 3, 10, 10), 0.5)
    frames[..., :5, :] = 0.1  # was dark before
    image = frames.clone()
    image[..., :4] = 0.02
    image[:, :, 2, :, 0] = 0.3  # still blue
    assert thresholds.blackened(frames, image) == pytest.approx(0.15)


def test_what_would_turn_black_was_no_haze():
    scene = np.full((100, 800, 3), 100, np.uint8)
    wide = np.full((20, 12000, 3), 100, np.uint8)  # here it is one part of three hundred
    assert not HazeStage(Forward(Blackens(), CPU), skip_clear=True).restore([scene])
    assert (scene == 100).all()
    for picture, skip_clear in ((scene, False), (wide, True)):
        assert HazeStage(Forward(Blackens(), CPU), skip_clear=skip_clear).restore([picture])
        assert picture.min() < 10


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("size", [(40, 56), (600, 300)])
def test_auto_leaves_alone_what_hardly_changes(files, monkeypatch, views, size):
    pictures = [picture(*size, seed=v) for v in range(views)]
    auto = Restorer("auto", weights=files, device="cpu")
    assert not np.array_equal(auto.restore_views(pictures)[0], pictures[0])
    raise_thresholds(monkeypatch)
    for after, before in zip(auto.restore_views(pictures), pictures, strict=True):
        assert np.array_equal(after, before)
        assert after is not before
    rain = Restorer("rain", weights=files[0], device="cpu")  # asked for by name: no judging
    assert not np.array_equal(rain.restore_views(pictures)[0], pictures[0])


def test_bad_choices_are_named(files):
    with pytest.raises(ConfigError, match="snow"):
        Restorer("snow")
    with pytest.raises(ConfigError, match="haze"):
        Restorer("rain", weights=files[1])
    with pytest.raises(UnknownNameError, match=r"stereoirr-small\.rain"):
        Restorer("rain", weights="stereoirr-smal.rain")
    with pytest.raises(ConfigError, match="tpu"):
        Restorer("rain", weights=files[0], device="tpu")
    with pytest.raises(ConfigError, match="tile"):
        Restorer("rain", weights=files[0], tile=3)


@pytest.mark.parametrize(
    "first", ["deweather.restore_pair", "deweather.Restorer", "import deweather.inference.tiles"]
)
def test_restore_is_a_plain_function_whatever_was_imported_first(first):
    code = (
        f"import deweather, inspect; {first}; assert inspect.isfunction(deweather.restore)\n"
        "assert 'weather' in inspect.signature(deweather.restore).parameters"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unchanged_file_is_copied(files, tmp_path, monkeypatch):
    raise_thresholds(monkeypatch)
    source = tmp_path / "a.jpg"
    Image.fromarray(picture()).save(source, quality=30)
    auto = Restorer("auto", weights=files, device="cpu")
    written = auto.restore(source, tmp_path / "b.jpg")
    assert written.read_bytes() == source.read_bytes()
    other = auto.restore(source, tmp_path / "b.png")
    with Image.open(other) as image:
        assert image.format == "PNG"


def test_devices_may_be_torch_devices(files):
    for device in (torch.device("cpu"), None, "auto"):
        assert Restorer("rain", weights=files[0], device=device).device.type in (
            "cpu",
            "cuda",
            "mps",
        )
