import os
from pathlib import Path

import numpy as np
import pytest
import torch

import deweather
from deweather.errors import ConfigError, FramesError, PairError
from deweather.inference import Restorer
from deweather.inference.networks import choose_networks, tasks_of
from tests.inference.networks import Pointwise, weights_file


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return [weights_file(folder, "rain", 1), weights_file(folder, "haze", 2)]


def picture(height=40, width=56, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("weather", "tasks"),
    [
        ("auto", ("rain", "haze")),
        ("haze", ("haze",)),
        ("rain", ("rain",)),
        ("rain,haze", ("rain", "haze")),
        ("haze, rain", ("rain", "haze")),
    ],
)
def test_the_tasks_of_a_choice_come_in_their_order(weather, tasks):
    assert tasks_of(weather) == tasks


@pytest.mark.parametrize("weather", ["snow", "", "rain,snow", "auto,rain"])
def test_other_choices_are_refused(weather):
    with pytest.raises(ConfigError, match="rain,haze"):
        tasks_of(weather)


def test_networks_in_hand_take_the_place_of_weights(files):
    haze, rain = Pointwise(0.5), Pointwise(0.9)
    assert choose_networks("haze", networks=haze) == {"haze": haze}
    assert choose_networks("auto", networks={"haze": haze, "rain": rain})["rain"] is rain
    mixed = choose_networks("auto", weights=files[0], networks={"haze": haze})
    assert list(mixed) == ["rain", "haze"]
    assert mixed["haze"] is haze
    out = Restorer("rain", networks=rain, device="cpu").restore(picture())
    assert np.abs(out - 0.9 * picture()).max() < 0.51
    assert not rain.training


def test_what_cannot_be_meant_is_refused(files):
    network = Pointwise()
    with pytest.raises(ConfigError, match="say what it takes out"):
        choose_networks("auto", networks=network)
    with pytest.raises(ConfigError, match="'snow'"):
        choose_networks("auto", networks={"snow": network})
    with pytest.raises(ConfigError, match="for weather 'rain' expected rain"):
        choose_networks("rain", networks={"haze": network})
    with pytest.raises(ConfigError, match="weights=FILE"):
        choose_networks("rain", networks={"rain": str(files[0])})
    with pytest.raises(ConfigError, match="others for rain"):
        choose_networks("rain", weights=files[0], networks=network)


@pytest.mark.parametrize("strength", [-0.1, 1.6, float("nan"), float("inf")])
def test_strengths_out_of_range_are_refused(files, strength):
    with pytest.raises(ConfigError, match="strength"):
        Restorer("rain", weights=files[0], device="cpu", strength=strength)


def test_both_in_any_case_are_done_without_the_gates_of_auto(files):
    clear = np.full((48, 48, 3), 40, np.uint8)
    dim = {"rain": Pointwise(0.99), "haze": Pointwise(0.98)}
    auto = Restorer("auto", networks=dim, device="cpu")
    assert np.array_equal(auto.restore(clear), clear)
    both = Restorer("rain,haze", networks=dim, device="cpu")
    told = []
    out = both.restore(clear, progress=lambda p: told.append(p.stage))
    assert np.array_equal(out, np.full_like(clear, 39))
    assert list(dict.fromkeys(told)) == ["rain", "haze"]


def test_strength_reaches_both_stages():
    grey = np.full((48, 48, 3), 0.5, np.float32)
    networks = {"rain": Pointwise(0.8), "haze": Pointwise(0.5)}
    out = Restorer("rain,haze", networks=networks, device="cpu", strength=0.5).restore(grey)
    assert out.mean() == pytest.approx(0.5 * 0.9 * 0.75, abs=1e-4)
    none = Restorer("rain,haze", networks=networks, device="cpu", strength=0).restore(grey)
    assert np.array_equal(none, grey)


def test_the_functions_take_weights_and_strength(files, tmp_path):
    expected = Restorer("rain", weights=files[0], device="cpu").restore(picture())
    out = deweather.restore(picture(), weather="rain", weights=files[0], device="cpu")
    assert np.array_equal(out, expected)
    less = deweather.restore(
        picture(), weather="rain", weights=[str(files[0])], device="cpu", strength=0.2
    )
    assert np.abs(less - picture().astype(int)).mean() < np.abs(out - picture().astype(int)).mean()
    left, right = deweather.restore_pair(
        picture(), picture(seed=1), weather="rain", weights=files[0], device="cpu"
    )
    assert left.shape == right.shape == (40, 56, 3)
    assert not np.array_equal(left, out)


def test_a_weights_file_that_changed_is_loaded_again(files, tmp_path):
    path = Path(weights_file(tmp_path, "rain", 1))
    first = deweather.restore(picture(), weather="rain", weights=path, device="cpu")
    path.write_bytes(Path(weights_file(tmp_path, "rain", 5)).read_bytes())
    os.utime(path, ns=(1, 1))
    second = deweather.restore(picture(), weather="rain", weights=path, device="cpu")
    assert not np.array_equal(first, second)


def test_tensors_come_back_on_their_device_in_their_dtype(files):
    restorer = Restorer("auto", weights=files, device="cpu")
    generator = torch.Generator().manual_seed(0)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        source = torch.rand(2, 3, 24, 32, generator=generator).to(dtype)
        source.requires_grad_()
        out = restorer.restore(source)
        assert out.dtype == dtype
        assert out.device == source.device
        assert not out.requires_grad
        assert not out.is_inference()
    with pytest.raises(FramesError, match="nan or infinite"):
        restorer.restore(torch.full((3, 8, 8), torch.inf))


def test_values_out_of_range_are_clipped(files):
    restorer = Restorer("haze", networks=Pointwise(0.5), device="cpu")
    out = restorer.restore(torch.tensor([-1.0, 0.4, 7.0]).view(3, 1, 1).expand(3, 8, 8))
    assert torch.allclose(out[:, 4, 4], torch.tensor([0.0, 0.2, 0.5]), atol=1e-3)


def test_a_batch_is_what_its_samples_are_alone(files):
    restorer = Restorer("auto", weights=files, device="cpu")
    batch = torch.rand(5, 3, 37, 41, generator=torch.Generator().manual_seed(1))
    batch[2] = 0.1
    together = restorer.restore(batch)
    for sample, out in zip(batch, together, strict=True):
        assert (restorer.restore(sample) - out).abs().max() < 1e-5
    pairs = batch[:4].view(2, 2, 3, 37, 41)
    left, right = restorer.restore_pair(pairs[:, 0], pairs[:, 1])
    assert torch.equal(torch.stack([left, right], 1), restorer.restore(pairs))


def test_tensors_of_two_shapes_are_no_pair(files):
    restorer = Restorer("rain", weights=files[0], device="cpu")
    with pytest.raises(PairError, match=r"\(3, 8, 9\)"):
        restorer.restore_pair(torch.zeros(3, 8, 8), torch.zeros(3, 8, 9))
    with pytest.raises(FramesError, match="V = 4"):
        restorer.restore_pair(torch.zeros(1, 2, 3, 8, 8), torch.zeros(1, 2, 3, 8, 8))


def test_progress_and_cancel_of_a_batch(monkeypatch):
    monkeypatch.setitem(deweather.inference.forward.BATCH_PIXELS, "cpu", 2 * 24 * 32)
    network = Pointwise(0.5)
    restorer = Restorer("rain", networks=network, device="cpu")
    batch = torch.rand(5, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    told = []
    restorer.restore(batch, progress=told.append)
    assert [(p.stage, p.done, p.total) for p in told] == [("rain", n, 5) for n in (2, 4, 5)]
    network.sizes.clear()
    with pytest.raises(deweather.errors.Cancelled):
        restorer.restore(batch, progress=lambda _: None, cancelled=lambda: len(network.sizes) == 1)
    assert len(network.sizes) == 1
