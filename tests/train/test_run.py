import errno
import json
import logging
from contextlib import contextmanager
from datetime import timedelta

import pytest
import torch
from safetensors.torch import load_file

from deweather.errors import ConfigError, TrainingError, WeightsError
from deweather.models import create_model
from deweather.train import checkpoints, loop
from deweather.train.run import Machine, train
from deweather.weights.files import load_weights, save_weights

from .make import CPU, recipe, save_picture


def run(plan, pictures, out, **options):
    return train(plan, pictures, out, machine=CPU, **options)


def lines(out):
    """The lines of metrics.jsonl without what tells of speed."""
    read = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    speed = ("seconds_per_step", "share_waited_for_data")
    return [{k: v for k, v in line.items() if k not in speed} for line in read]


def equal(a, b):
    first, second = load_file(a), load_file(b)
    return all(torch.equal(first[name], second[name]) for name in first | second)


@pytest.mark.parametrize("kind", ["rain", "haze", "photograph"])
def test_a_run_ends_with_weights_that_load(pictures, tmp_path, kind):
    out = tmp_path / "run"
    path = run(recipe(kind=kind, steps=2), pictures, out)
    network, header = load_weights(path)
    assert header.task == ("rain" if kind == "rain" else "haze")
    with torch.inference_mode():
        assert network(torch.rand(1, 2, 3, 16, 16)).image.isfinite().all()
    assert not equal(path, out / "weights.not_averaged.safetensors")
    assert list(out.glob("events*"))
    (versions,) = json.loads((out / "versions.json").read_text())
    assert versions["torch"] == torch.__version__
    assert [line["step"] for line in lines(out)] == [1, 2, 2]


def test_a_resumed_run_equals_one_that_was_never_stopped(pictures, tmp_path):
    plan = recipe(log_every=3, checkpoint_every=2)
    straight = run(plan, pictures, tmp_path / "a")
    half = run(plan, pictures, tmp_path / "b", max_steps=1)
    assert not equal(straight, half)
    assert equal(straight, run(plan, pictures, tmp_path / "b"))
    assert lines(tmp_path / "a") == lines(tmp_path / "b")


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        ("dcmpnet-tiny", {"kind": "depth", "updates": "alternating", "contrastive": 0}),
        ("apanet-tiny", {"kind": "distillation", "real_layout": "real", "real_batch_pictures": 2}),
    ],
)
def test_all_that_a_method_keeps_is_resumed(pictures, tmp_path, model, loss):
    """Which network's turn it is, a teacher, real pictures, phases that differ before and after."""
    if loss["kind"] == "distillation":
        teacher = tmp_path / "teacher.safetensors"
        save_weights(teacher, create_model(model), model=model, switches={}, task="haze")
        loss = loss | {"teacher": str(teacher), "real": "mono", "features": {"kind": "random"}}
    phases = [{"start": 1, "patch": 48, "batch_pictures": 2}]
    plan = recipe(model, "haze", 3, loss=loss, data={"batch_pictures": 2, "phases": phases})
    straight = run(plan, pictures, tmp_path / "a")
    run(plan, pictures, tmp_path / "b", max_steps=1)
    assert equal(straight, run(plan, pictures, tmp_path / "b"))
    assert lines(tmp_path / "a") == lines(tmp_path / "b")


def test_accumulated_batches_are_one_large_batch(pictures, tmp_path):
    """Gradients of four batches of which each counts a quarter."""
    plan = recipe(steps=1, data={"batch_pictures": 2}, optimizer={"accumulate": 4, "clip": None})
    out = run(plan, pictures, tmp_path / "a").with_name("weights.not_averaged.safetensors")
    from deweather.train.batches import Stream
    from deweather.train.datasets import training_set
    from deweather.train.objectives import make_objective

    objective = make_objective(plan)
    optimizer = loop.make_optimizer(plan.optimizer, objective)
    stream = Stream(plan, training_set(plan, pictures))
    torch.stack([objective(stream[i], 0)["loss"] for i in range(4)]).mean().backward()
    optimizer.step()
    expected = objective.network.state_dict()
    for name, tensor in load_file(out).items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6)


def test_a_run_can_start_from_the_weights_of_another(pictures, tmp_path):
    first = run(recipe(), pictures, tmp_path / "a")
    second = recipe(model="stereoirr-tiny", optimizer={"rate": 1e-9})
    model = second.model.model_copy(update={"weights": str(first)})
    second = second.model_copy(update={"model": model})
    last = load_file(run(second, pictures, tmp_path / "b", max_steps=2))
    for name, tensor in load_file(first).items():
        torch.testing.assert_close(last[name], tensor, rtol=0, atol=1e-6)


def test_weights_to_start_from_must_exist_and_fit(pictures, tmp_path):
    plan = recipe(model="stereoirr-tiny")
    model = plan.model.model_copy(update={"weights": "stereoirr-small.rain"})
    with pytest.raises(WeightsError, match="does not fit stereoirr-tiny"):
        run(plan.model_copy(update={"model": model}), pictures, tmp_path)


def test_max_time_and_max_steps_stop_where_it_can_go_on(pictures, tmp_path):
    out = tmp_path / "run"
    run(recipe(steps=40), pictures, out, max_time=timedelta(seconds=0.001))
    assert checkpoints.Checkpoints(out).read()["loop"]["step"] == 0
    run(recipe(steps=40), pictures, out, max_steps=3)
    assert checkpoints.Checkpoints(out).read()["loop"]["step"] == 3


def test_the_best_weights_are_those_of_the_best_dev_score(pictures, tmp_path, monkeypatch):
    scores = iter([20.0, 22.0, 21.0, 19.0])
    monkeypatch.setattr(
        "deweather.train.score.Panel.score", lambda *_: {"psnr": next(scores), "psnr_before": 1.0}
    )
    monkeypatch.setattr("deweather.train.score.Panel.sheet", torch.zeros(3, 4, 4), raising=False)
    plan = recipe(dev={"folder": str(pictures), "every": 1, "batches": 1}, checkpoint_every=1)
    saved = []
    write = checkpoints.Checkpoints.write

    def spy(self, state):
        saved.append(load_file(self.folder / "weights.safetensors"))
        write(self, state)

    monkeypatch.setattr(checkpoints.Checkpoints, "write", spy)
    run(plan, pictures, tmp_path / "run")
    best = load_file(tmp_path / "run" / "best.safetensors")
    assert [all(torch.equal(best[k], s[k]) for k in best) for s in saved] == [
        False,
        True,
        False,
        False,
    ]


def test_scores_of_other_dev_scenes_do_not_count(pictures, tmp_path, monkeypatch):
    scores = iter([30.0, 20.0, 10.0])
    monkeypatch.setattr("deweather.train.score.Panel.score", lambda *_: {"psnr": next(scores)})
    monkeypatch.setattr("deweather.train.score.Panel.sheet", torch.zeros(3, 4, 4), raising=False)

    def best(steps, batches):
        dev = {"folder": str(pictures), "every": 1, "batches": batches}
        run(recipe(dev=dev), pictures, tmp_path / "run", max_steps=steps)
        return checkpoints.Checkpoints(tmp_path / "run").read()["best"]

    assert best(1, 1) == 30.0
    assert best(2, 2) == 20.0
    assert best(3, 2) == 20.0


def test_dev_scores_are_those_of_the_averaged_weights(pictures, tmp_path):
    plan = recipe(steps=2, dev={"folder": str(pictures), "every": 2, "batches": 2})
    run(plan, pictures, tmp_path / "run")
    last = lines(tmp_path / "run")[-1]
    assert last["dev/psnr"] != last["dev/psnr_before"]
    assert 5 < last["dev/psnr_before"] <= 100


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_half_precision_trains_networks_that_are_sound_in_it(pictures, tmp_path, precision):
    plan = recipe("apanet-tiny", precision=precision, loss={"kind": "ssim"}, steps=2)
    path = run(plan, pictures, tmp_path / "run")
    whole = run(plan.model_copy(update={"precision": "32-true"}), pictures, tmp_path / "b")
    assert not equal(path, whole)
    assert all(line["loss"] < 1.2 for line in lines(tmp_path / "run")[:2])


def test_compiled_networks_take_the_same_steps(pictures, tmp_path):
    plan = recipe(steps=2)
    compiled = plan.model_copy(update={"compile": "eager"})
    path = run(compiled, pictures, tmp_path / "a")
    expected = load_file(run(plan, pictures, tmp_path / "b"))
    for name, tensor in load_file(path).items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-5)


def poison(monkeypatch, steps):
    """Make the losses of these steps NaN."""
    from deweather.train.objectives.supervised import CharbonnierObjective

    losses = CharbonnierObjective.losses

    def spoiled(self, example, batch, step):
        out = losses(self, example, batch, step)
        return {"loss": out["loss"] * (float("nan") if step in steps else 1.0)}

    monkeypatch.setattr(CharbonnierObjective, "losses", spoiled)


def test_a_step_that_is_not_finite_is_left_out_counted_and_said(
    pictures, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, "deweather")
    plan = recipe(steps=3, optimizer={"rate": 1e-3, "final_rate": 1e-3})
    poison(monkeypatch, {1, 2})
    path = run(plan, pictures, tmp_path / "run")
    alone = run(plan, pictures, tmp_path / "one", max_steps=1)
    assert equal(path, alone)
    assert "step 2 is left out: the loss is nan (1 so far)" in caplog.text
    assert lines(tmp_path / "run")[-1]["step"] == 3
    assert [line.get("left_out") for line in lines(tmp_path / "run")][:1] == [0]


def test_after_too_many_bad_steps_the_run_stops_with_the_batch(pictures, tmp_path, monkeypatch):
    poison(monkeypatch, {1, 2, 3})
    plan = recipe(guard={"patience": 3}, steps=9)
    with pytest.raises(
        TrainingError, match=r"step 4: 3 steps in a row.*loss is nan.*bad_batch\.pt"
    ):
        run(plan, pictures, tmp_path / "run")
    saved = torch.load(tmp_path / "run" / "bad_batch.pt", weights_only=True)
    assert saved["number"] == 3
    assert saved["degraded"].shape == saved["target"].shape


def test_statistics_of_norms_do_not_keep_a_bad_batch(pictures, tmp_path, monkeypatch):
    from deweather.train.objectives.depth import DepthObjective

    losses = DepthObjective.losses
    seen = []

    def spoiled(self, example, batch, step):
        if step == 1:
            example.degraded[:] = float("nan")
        seen.append([b.clone() for b in self.network.buffers()])
        return losses(self, example, batch, step)

    monkeypatch.setattr(DepthObjective, "losses", spoiled)
    plan = recipe("dcmpnet-tiny", "haze", 3, loss={"kind": "depth", "contrastive": 0})
    path = run(plan, pictures, tmp_path / "run")
    assert any((a != b).any() for a, b in zip(seen[0], seen[1], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(seen[1], seen[2], strict=True))
    assert all(t.isfinite().all() for t in load_file(path).values())


def test_a_full_disk_is_said_and_leaves_what_was_there(pictures, tmp_path, monkeypatch):
    out = tmp_path / "run"
    run(recipe(), pictures, out, max_steps=2)
    before = (out / "last.ckpt").read_bytes()

    @contextmanager
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))
        yield

    monkeypatch.setattr(checkpoints, "replacing", full)
    with pytest.raises(TrainingError, match=r"last\.ckpt: the disk is full.*same command"):
        run(recipe(), pictures, out)
    assert (out / "last.ckpt").read_bytes() == before
    monkeypatch.undo()
    run(recipe(), pictures, out)


def test_a_disk_that_fills_up_between_checkpoints_is_said(pictures, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.add_image", full)
    with pytest.raises(TrainingError, match=r"run: the disk is full.*same command"):
        run(recipe(), pictures, tmp_path / "run")


def test_a_folder_that_cannot_be_made_is_said(pictures, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"file/run: cannot be written to \(.*name another"):
        run(recipe(), pictures, tmp_path / "file" / "run")


def test_a_run_of_another_recipe_is_not_resumed(pictures, tmp_path):
    out = tmp_path / "run"
    run(recipe(steps=1), pictures, out)
    with pytest.raises(ConfigError, match=r"optimizer\.rate.*weather\.kind.*fresh"):
        run(recipe(kind="haze", steps=1, optimizer={"rate": 1e-5}), pictures, out)
    longer = recipe(steps=2, checkpoint_every=1, guard={"patience": 3})
    run(longer, pictures, out)  # what decides no step may change
    path = run(recipe(kind="haze", steps=1), pictures, out, resume=False)
    assert load_weights(path)[1].task == "haze"
    assert lines(out)[0]["step"] == 1
    assert len(lines(out)) == 2


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"data": {"patch": 33}}, r"data\.patch = 33.*multiples of 8"),
        (
            {"data": {"phases": [{"start": 2, "patch": 36, "batch_pictures": 2}]}},
            r"phases\.0\.patch = 36",
        ),
        ({"compile": "inducter"}, "compile = inducter; expected null or one of .*inductor"),
        ({"precision": "bf16-mixed"}, "sound in float32 alone"),
        ({"loss": {"kind": "stages"}}, "stereoirr-tiny has no stages"),
        ({"loss": {"kind": "reweighted"}}, "no pooled features"),
        ({"loss": {"kind": "depth", "truth": "measured"}}, "stereo_share to 1"),
        (
            {"data": {"batch_pictures": 1000000, "stereo_share": 1, "layered_share": 0}},
            "no stereo pairs",
        ),
    ],
)
def test_what_cannot_be_trained_is_said_before_it_starts(pictures, tmp_path, plan, said):
    with pytest.raises(ConfigError, match=said):
        run(recipe(**plan), pictures, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_batches_that_devices_cannot_share_are_said_before_it_starts(pictures, tmp_path):
    with pytest.raises(ConfigError, match="2 samples in a batch on 3 devices"):
        train(recipe(), pictures, tmp_path / "run", machine=Machine("cpu", devices=3))
    assert not (tmp_path / "run").exists()


def test_a_run_of_an_earlier_version_is_not_resumed(pictures, tmp_path):
    out = tmp_path / "run"
    run(recipe(steps=1), pictures, out)
    note = out / "recipe.yaml"
    note.write_text(note.read_text().replace("batch_pictures:", "views:"))
    said = r"recipe\.yaml: data\.views: is called 'batch_pictures' now"
    with pytest.raises(ConfigError, match=said):
        run(recipe(steps=2), pictures, out)


def test_missing_pictures_are_said(tmp_path):
    with pytest.raises(ConfigError, match="--data DIR"):
        run(recipe(), None, tmp_path / "run")
    with pytest.raises(ConfigError, match="no samples of layout 'clear-scenes'"):
        run(recipe(), tmp_path, tmp_path / "run")
    save_picture(tmp_path / "mono/1.png", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        run(recipe(), tmp_path, tmp_path / "file")


def test_the_run_of_another_program_is_left_alone(pictures, tmp_path):
    torch.save({"global_step": 3}, tmp_path / "last.ckpt")
    with pytest.raises(ConfigError, match="not written by this version"):
        run(recipe(), pictures, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_an_interrupt_is_passed_on(pictures, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.Loop, "advance", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), pictures, tmp_path / "run")
