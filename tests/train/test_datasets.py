"""What a recipe's data section means."""

import pytest
import torch

from deweather.data import PairBatch, PairedBatches
from deweather.errors import ConfigError, UnknownNameError
from deweather.train.batches import Stream, batches_from
from deweather.train.datasets import check_parts, dev_set, real_set, training_set
from deweather.train.objectives import make_objective
from deweather.train.run import train
from deweather.train.score import Panel
from deweather.weather import Scene

from .make import CPU, recipe, save_picture


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Data sets of several layouts, side by side."""
    root = tmp_path_factory.mktemp("shelf")
    for i in range(3):
        save_picture(root / f"pairs/input/{i}.png", i)
        save_picture(root / f"pairs/target/{i}.png", 10 + i)
        for side in ("left", "right"):
            save_picture(root / f"real/{side}/{i}.png", 20 + i)
        save_picture(root / f"clear/{i}.png", 30 + i)
    return root


def streams(plan, folder):
    return Stream(plan, training_set(plan, folder), real_set(plan, folder))


def test_phases_change_crops_at_their_steps(pictures):
    phases = [
        {"start": 2, "patch": 16, "batch_pictures": 8},
        {"start": 3, "patch": 24, "batch_pictures": 2},
    ]
    plan = recipe(steps=4, optimizer={"accumulate": 2}, data={"stereo_share": 0, "phases": phases})
    stream = streams(plan, pictures)
    shapes = [tuple(stream[k].samples.frames.shape) for k in range(8)]
    expected = [(4, 1, 3, 32, 32)] * 4 + [(8, 1, 3, 16, 16)] * 2 + [(2, 1, 3, 24, 24)] * 2
    assert shapes == expected
    assert stream[1].seeds == (8, 9, 10, 11)


def test_batches_from_a_number_on_are_those_of_the_whole_run(pictures):
    stream = streams(recipe(steps=5), pictures)
    late = list(batches_from(stream, 3, workers=0))
    assert [batch.number for batch in late] == [3, 4]
    assert torch.equal(late[0].samples.frames, stream[3].samples.frames)


def test_workers_read_the_same_batches_in_order(pictures):
    stream = streams(recipe(steps=3), pictures)
    read = list(batches_from(stream, 0, workers=2))
    assert [batch.number for batch in read] == [0, 1, 2]
    for batch, again in zip(read, (stream[k] for k in range(3)), strict=True):
        assert torch.equal(batch.samples.frames, again.samples.frames)


def a_set(folder, layout, **more):
    return {"folder": folder, "layout": layout, **more}


def test_a_set_of_pairs_is_trained_on_as_it_is(shelf, tmp_path):
    plan = recipe(data={"sets": [a_set("pairs", "paired")], "batch_pictures": 2}, kind="haze")
    batch = streams(plan, shelf)[0]
    assert isinstance(batch.samples, PairBatch)
    assert batch.samples.degraded.shape == (2, 1, 3, 32, 32)
    example = make_objective(plan).example(batch)
    assert example.degraded is batch.samples.degraded
    assert example.target is batch.samples.clean
    train(plan, shelf, tmp_path / "run", machine=CPU, max_steps=1)


def test_pairs_change_their_colours_and_scales_as_the_set_says(tmp_path):
    for role in ("input", "target"):
        for side in ("left", "right"):
            save_picture(tmp_path / f"stereo/{role}/{side}/0.png", 1)

    def first(**more):
        sets = [a_set("stereo", "paired-stereo", mirror=False, **more)]
        return streams(recipe(data={"sets": sets, "batch_pictures": 2}), tmp_path)[0].samples

    plain = first().degraded
    assert torch.equal(plain[:, 0], plain[:, 1])
    alike, apart = (
        first(photometric={"gain": [0.5, 0.9], "separate": separate}) for separate in (False, True)
    )
    assert torch.equal(alike.degraded, alike.clean)
    assert torch.equal(alike.degraded[:, 0], alike.degraded[:, 1])
    assert not torch.allclose(alike.degraded, plain, atol=0.02)
    assert torch.equal(apart.degraded, apart.clean)
    assert not torch.allclose(apart.degraded[:, 0], apart.degraded[:, 1], atol=0.02)
    assert not torch.allclose(first(scales=[0.5, 0.6]).degraded, plain, atol=0.02)


def test_sets_are_mixed_by_their_weights(shelf):
    both = [a_set("pairs", "paired", weight=3), a_set("clear", "clear")]
    plan = recipe(steps=60, data={"sets": both, "batch_pictures": 2, "stereo_share": 0})
    stream = streams(plan, shelf)
    scenes = [isinstance(stream[k].samples, Scene) for k in range(60)]
    assert 5 < sum(scenes) < 25


def test_real_pictures_come_beside_the_pairs(shelf, pictures):
    loss = {
        "kind": "distillation",
        "teacher": "t",
        "real": str(shelf / "real"),
        "real_batch_pictures": 4,
    }
    plan = recipe("apanet-tiny", loss=loss)
    batch = streams(plan, pictures)[1]
    assert batch.real.shape == (2, 2, 3, 32, 32)
    single = recipe("apanet-tiny", loss=loss | {"real": "clear", "real_layout": "real"})
    assert isinstance(real_set(single, shelf), PairedBatches)
    assert real_set(single, shelf)[0].degraded.shape == (4, 1, 3, 32, 32)
    few = recipe("apanet-tiny", loss=loss | {"real_batch_pictures": 1})
    with pytest.raises(ConfigError, match="real_batch_pictures = 1; give 2"):
        real_set(few, None)


def test_phases_change_real_pictures_as_the_others(shelf, pictures):
    loss = {
        "kind": "distillation",
        "teacher": "t",
        "real": str(shelf / "real"),
        "real_batch_pictures": 8,
    }
    phases = [{"start": 1, "patch": 48, "batch_pictures": 2}]
    plan = recipe("apanet-tiny", loss=loss, data={"phases": phases}, optimizer={"accumulate": 2})
    stream = streams(plan, pictures)
    shapes = [tuple(stream[number].real.shape) for number in (1, 2)]
    assert shapes == [(4, 2, 3, 32, 32), (2, 2, 3, 48, 48)]


def test_real_pictures_are_mirrored_unless_told_otherwise(shelf):
    loss = {"kind": "distillation", "teacher": "t", "real": "real", "real_batch_pictures": 4}
    made = [
        real_set(recipe("apanet-tiny", loss=loss | more), shelf)
        for more in ({}, {"real_mirror": False})
    ]
    pairs = [torch.cat([batches[k].degraded for k in range(4)]) for batches in made]
    alike = [torch.equal(a, b) for a, b in zip(*pairs, strict=True)]
    assert 0 < sum(alike) < len(alike)
    swapped = [torch.equal(a.flip(0, -1), b) for a, b in zip(*pairs, strict=True)]
    assert [a or b for a, b in zip(alike, swapped, strict=True)] == [True] * len(alike)


@pytest.mark.parametrize(
    ("data", "count", "fits"),
    [
        ({"batch_pictures": 4}, 2, True),
        ({"batch_pictures": 6}, 2, False),
        ({"batch_pictures": 6, "stereo_share": 0}, 2, True),
        (
            {"batch_pictures": 4, "phases": [{"start": 2, "patch": 32, "batch_pictures": 2}]},
            2,
            False,
        ),
        ({"batch_pictures": 3, "sets": [{"folder": "pairs", "layout": "paired"}]}, 3, True),
        ({"batch_pictures": 4, "sets": [{"folder": "pairs", "layout": "paired"}]}, 3, False),
    ],
)
def test_batches_of_all_phases_must_be_shared(shelf, pictures, data, count, fits):
    dataset = training_set(recipe(data=data), shelf if "sets" in data else pictures)
    if fits:
        check_parts(dataset, None, count)
        return
    with pytest.raises(ConfigError, match=rf"on {count} devices; set data\.batch_pictures"):
        check_parts(dataset, None, count)


def test_real_pictures_must_be_shared_too(shelf, pictures):
    loss = {
        "kind": "distillation",
        "teacher": "t",
        "real": str(shelf / "real"),
        "real_batch_pictures": 6,
    }
    plan = recipe("apanet-tiny", loss=loss)
    with pytest.raises(
        ConfigError, match=r"3 samples in a batch on 2 devices.*loss\.real_batch_pictures"
    ):
        check_parts(training_set(plan, pictures), real_set(plan, None), 2)


def test_weights_are_not_chosen_by_a_test_split(tmp_path):
    for split in ("val", "test"):
        save_picture(tmp_path / split / "input/1.png", 0)
        save_picture(tmp_path / split / "target/1.png", 1)

    def dev(folder, split=None):
        section = {"folder": str(folder), "layout": "paired", "split": split}
        plan = recipe(dev=section, data={"batch_pictures": 2})
        return dev_set(plan, plan.dev)

    assert [s.split for s in dev(tmp_path, "val").pictures.samples] == ["val"]
    with pytest.raises(ConfigError, match=r"holds a test split.*set dev\.split"):
        dev(tmp_path)


@pytest.mark.parametrize(
    ("sets", "kind", "said"),
    [
        ([a_set("pairs", "pared")], UnknownNameError, "pared"),
        ([a_set("gone", "paired")], ConfigError, "does not exist"),
        ([a_set("real", "real-stereo")], ConfigError, "no truth to train on"),
        ([a_set("pairs", "rainkitti2012")], ConfigError, "Looked for"),
    ],
)
def test_what_does_not_fit_is_said(shelf, sets, kind, said):
    with pytest.raises(kind, match=said):
        training_set(recipe(data={"sets": sets}), shelf)


def test_a_dev_set_of_pairs_is_scored_as_it_is(shelf):
    plan = recipe(dev={"folder": str(shelf / "pairs"), "layout": "paired", "batches": 2})
    stream = Stream(plan, dev_set(plan, plan.dev))
    objective = make_objective(plan)
    panel = Panel([stream[0], stream[1]])
    scores = panel.score(objective, objective.network, torch.device("cpu"))
    assert scores["psnr_before"] == scores["psnr_before_in_weather"] < 45
    assert scores["psnr_gain_in_weather"] == pytest.approx(scores["psnr"] - scores["psnr_before"])
    assert panel.sheet.shape[0] == 3
    assert scores == panel.score(objective, objective.network, torch.device("cpu"))


def test_the_weather_of_a_panel_is_that_of_no_step(pictures):
    plan = recipe()
    batch = streams(plan, pictures)[0]
    assert not set(Panel([batch]).batches[0].seeds) & set(batch.seeds)
