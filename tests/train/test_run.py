from datetime import timedelta

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from deweather.errors import ConfigError, WeightsError
from deweather.train.recipe import Recipe
from deweather.train.run import train
from deweather.weights.files import load_weights


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("clean")
    (root / "mono").mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        small.resize((80, 60), Image.Resampling.BICUBIC).save(root / "mono" / f"{i}.png")
    return root


def recipe(kind="rain", steps=4, **data):
    return Recipe(
        name="t",
        model={"name": "stereoirr-tiny"},
        weather={"kind": kind},
        data={"patch": 32, "views": 4, "layered_share": 1.0, **data},
        optimizer={"warmup": 0},
        steps=steps,
        checkpoint_every=2,
        ema=0.5,
    )


@pytest.mark.parametrize("kind", ["rain", "haze"])
def test_a_run_ends_with_weights_that_load(pictures, tmp_path, kind):
    path = train(recipe(kind), pictures, tmp_path / "run", accelerator="cpu")
    network, header = load_weights(path)
    assert header.task == kind
    with torch.inference_mode():
        assert network(torch.rand(1, 2, 3, 16, 16)).image.isfinite().all()
    assert list((tmp_path / "run").glob("events*"))


def test_a_resumed_run_equals_one_that_was_never_stopped(pictures, tmp_path):
    straight = train(recipe(), pictures, tmp_path / "a", accelerator="cpu")
    train(recipe(), pictures, tmp_path / "b", max_steps=2, accelerator="cpu")
    half = load_file(tmp_path / "b" / "weights.safetensors")
    resumed = load_file(train(recipe(), pictures, tmp_path / "b", accelerator="cpu"))
    expected = load_file(straight)
    assert any(not torch.equal(half[k], expected[k]) for k in expected)
    for name, tensor in expected.items():
        assert torch.equal(resumed[name], tensor), name


def test_a_run_can_start_from_the_weights_of_another(pictures, tmp_path):
    first = train(recipe(), pictures, tmp_path / "a", accelerator="cpu")
    second = recipe()
    model = second.model.model_copy(update={"weights": str(first)})
    slow = second.optimizer.model_copy(update={"rate": 1e-9})
    second = second.model_copy(update={"model": model, "optimizer": slow})
    last = load_file(train(second, pictures, tmp_path / "b", max_steps=2, accelerator="cpu"))
    for name, tensor in load_file(first).items():
        torch.testing.assert_close(last[name], tensor, rtol=0, atol=1e-6)


def test_weights_to_start_from_must_exist_and_fit(pictures, tmp_path):
    model = recipe().model.model_copy(update={"weights": "stereoirr-small.rain"})
    with pytest.raises(WeightsError, match="does not fit stereoirr-tiny"):
        train(recipe().model_copy(update={"model": model}), pictures, tmp_path, accelerator="cpu")


def test_max_time_stops_at_a_checkpoint(pictures, tmp_path):
    out = tmp_path / "run"
    train(recipe(steps=40), pictures, out, max_time=timedelta(seconds=0.01), accelerator="cpu")
    state = torch.load(out / "last.ckpt", weights_only=True)
    assert 0 < state["global_step"] < 40


def test_training_lowers_the_loss_on_one_batch(pictures):
    from deweather.data import SceneBatches, SceneLibrary
    from deweather.train.task import RestorationTask

    task = RestorationTask(recipe("haze"))
    batches = SceneBatches(
        SceneLibrary.read(pictures), patch=32, views=4, stereo_share=0.5, layered_share=1.0,
        scales=(1.0, 1.0), length=1, seed=0,
    )  # fmt: skip
    example = task.example(batches[0], seed=0)
    optimizer = torch.optim.AdamW(task.network.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = (task.network(example.degraded).image - example.target).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_a_run_of_another_recipe_is_not_resumed(pictures, tmp_path):
    out = tmp_path / "run"
    train(recipe("rain", steps=2), pictures, out, accelerator="cpu")
    with pytest.raises(ConfigError, match=r"weather.*fresh"):
        train(recipe("haze", steps=2), pictures, out, accelerator="cpu")
    train(recipe("rain", steps=4), pictures, out, accelerator="cpu")  # longer is fine
    path = train(recipe("haze", steps=2), pictures, out, resume=False, accelerator="cpu")
    assert load_weights(path)[1].task == "haze"


def test_what_cannot_be_trained_is_said_before_it_starts(pictures, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.patch = 33.*multiples of 8"):
        train(recipe(patch=33), pictures, tmp_path / "run", accelerator="cpu")
    assert not (tmp_path / "run").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        train(recipe(), pictures, tmp_path / "file", accelerator="cpu")


def test_an_interrupt_is_passed_on(pictures, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("deweather.train.task.RestorationTask.training_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(recipe(), pictures, tmp_path / "run", accelerator="cpu")
