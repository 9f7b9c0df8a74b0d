import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from deweather.errors import Cancelled, DeweatherError, PairError
from deweather.image import read_picture
from deweather.inference import Progress, Restorer
from deweather.inference.forward import Forward
from deweather.inference.hooks import Hooks
from deweather.inference.tiles import restore_tiled
from tests.inference.networks import Pointwise, weights_file

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return [weights_file(folder, "rain", 1), weights_file(folder, "haze", 2)]


class After:
    """Cancels once it has been told of some steps, and counts how often it is asked."""

    def __init__(self, steps: int) -> None:
        self.steps, self.told, self.asked_since = steps, [], 0

    def progress(self, progress: Progress) -> None:
        self.told.append(progress)

    def cancelled(self) -> bool:
        if len(self.told) < self.steps:
            return False
        self.asked_since += 1
        return True


def picture(height=160, width=160, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_cancel_is_obeyed_after_tile_1_of_9():
    network, after = Pointwise(factor=0.5), After(1)
    with pytest.raises(Cancelled):
        restore_tiled(
            Forward(network, CPU),
            [picture()],
            tile=64,
            hooks=Hooks(after.progress, after.cancelled),
        )
    assert after.told == [Progress("rain", 1, 9)]
    assert len(network.sizes) == 1  # no second row of tiles was begun
    assert after.asked_since == 1


def test_no_second_tile_is_begun_where_tiles_go_alone():
    network, after = Pointwise(factor=0.5), After(1)
    forward = Forward(network, CPU, batch_pixels=1)
    hooks = Hooks(after.progress, after.cancelled)
    with pytest.raises(Cancelled):
        restore_tiled(forward, [picture()], tile=64, hooks=hooks)
    assert after.told == [Progress("rain", 1, 9)]
    assert network.sizes == [(64, 64)]


def test_every_tile_is_told_of():
    told = []
    restore_tiled(Forward(Pointwise(), CPU), [picture()], tile=64, hooks=Hooks(told.append))
    assert told == [Progress("rain", n, 9) for n in range(1, 10)]


def test_tiles_that_shrink_are_told_of_as_one():
    told = []
    network = Pointwise(limit=140 * 140)
    restore_tiled(Forward(network, CPU), [picture(400, 300)], tile=256, hooks=Hooks(told.append))
    assert [p.done for p in told] == list(range(1, told[0].total + 1))
    assert len(network.sizes) > 2 * told[0].total


@pytest.mark.parametrize("weather", ["auto", "haze", "rain"])
def test_each_stage_ends_with_all_of_its_steps(files, weather):
    weights = files if weather == "auto" else files[weather == "haze"]
    told = []
    Restorer(weather, weights=weights, device="cpu").restore(picture(), progress=told.append)
    last = {p.stage: p for p in told}
    assert list(last) == (["rain", "haze"] if weather == "auto" else [weather])
    assert all(p.done == p.total for p in last.values())


@pytest.mark.parametrize("weather", ["auto", "haze", "rain"])
@pytest.mark.parametrize("steps", [0, 1])
def test_a_cancelled_call_leaves_no_trace(files, tmp_path, weather, steps):
    weights = files if weather == "auto" else files[weather == "haze"]
    restorer = Restorer(weather, weights=weights, device="cpu")
    source = tmp_path / "a.png"
    Image.fromarray(picture()).save(source)
    before = source.read_bytes()
    after = After(steps)
    with pytest.raises(Cancelled, match="no file"):
        restorer.restore(
            source,
            tmp_path / "out" / "a.png",
            progress=after.progress,
            cancelled=after.cancelled,
        )
    assert source.read_bytes() == before
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.png"]
    array = picture()
    with pytest.raises(Cancelled):
        restorer.restore(array, cancelled=lambda: True)
    assert np.array_equal(array, picture())


@pytest.mark.parametrize("call", ["restore_views", "restore_in_place"])
def test_arrays_can_be_cancelled_and_watched_too(files, call):
    restorer = Restorer("rain", weights=files[0], device="cpu")
    told = []
    getattr(restorer, call)([picture(), picture(seed=1)], progress=told.append)
    assert told[-1].done == told[-1].total
    with pytest.raises(Cancelled):
        getattr(restorer, call)([picture()], cancelled=lambda: True)


def test_tensors_and_pairs_can_be_cancelled(files):
    restorer = Restorer("haze", weights=files[1], device="cpu")
    images = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    with pytest.raises(Cancelled):
        restorer.restore(images, cancelled=lambda: True)
    with pytest.raises(Cancelled):
        restorer.restore_pair(picture(), picture(), cancelled=lambda: True)


def test_a_cancel_is_an_error_of_this_package_and_travels():
    assert isinstance(pickle.loads(pickle.dumps(Cancelled("no more"))), DeweatherError)
    assert pickle.loads(pickle.dumps(Progress("rain", 1, 9))) == Progress("rain", 1, 9)


def test_hooks_are_imported_without_torch():
    code = (
        "import sys; from deweather.inference import Progress, Restored\n"
        "assert 'torch' not in sys.modules and 'cv2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pictures_in_pictures_out(files, tmp_path):
    restorer = Restorer("haze", weights=files[1], device="cpu")
    Image.fromarray(picture()).save(tmp_path / "a.png")
    Image.fromarray(picture(seed=1)).save(tmp_path / "b.png")
    left, right = (read_picture(tmp_path / name) for name in ("a.png", "b.png"))
    done = restorer.restore_pictures([left, right])
    assert [r.picture for r in done] == [left, right]
    assert all(r.changed for r in done)
    expected = restorer.restore_views([picture(), picture(seed=1)])
    for one, pixels in zip(done, expected, strict=True):
        assert np.array_equal(one.picture.pixels, pixels)
    whole = read_picture(tmp_path / "a.png")
    restorer.restore_pictures([whole], side_by_side=True)
    halves = restorer.restore_views([picture()[:, :80], picture()[:, 80:]])
    assert np.array_equal(whole.pixels, np.concatenate(halves, axis=1))
    Image.fromarray(picture(40)).save(tmp_path / "c.png")
    with pytest.raises(PairError, match="160x40"):
        restorer.restore_pictures([read_picture(tmp_path / n) for n in ("a.png", "c.png")])


def test_an_unchanged_picture_is_copied_only_in_its_own_format(files, tmp_path):
    source = tmp_path / "a.jpg"
    Image.fromarray(picture()).save(source, quality=30)
    restorer = Restorer("haze", weights=files[1], device="cpu")
    (done,) = restorer.restore_pictures([read_picture(source)])
    done = type(done)(done.picture, changed=False)
    assert done.write(tmp_path / "b.jpg", source=source).read_bytes() == source.read_bytes()
    assert done.picture.info.notes == ["Nothing was removed, the file is a copy."]
    for written in (
        done.write(tmp_path / "c.jpg"),  # whose bytes are not known
        done.write(tmp_path / "d.jpg", source=source, format="png"),
    ):
        assert written.read_bytes() != source.read_bytes()
        assert done.picture.info.notes[-1] == "Nothing was removed."
    assert written.suffix == ".png"
