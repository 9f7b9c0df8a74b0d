"""Every method learns one batch by heart, and every switch does to the loss what it says."""

import pytest
import torch

from deweather.data import PairBatch
from deweather.errors import ConfigError
from deweather.losses import difference_weights, l1, l1_and_frequency, ssim_loss
from deweather.models import Restoration, create_model
from deweather.train.batches import Batch, Stream
from deweather.train.datasets import training_set
from deweather.train.objectives import make_objective
from deweather.train.sections import ModelSection
from deweather.weights.files import save_weights

from .make import recipe

PLANS = {
    "charbonnier": ("stereoirr-tiny", "rain", {"kind": "charbonnier"}),
    "stages": ("psidnet-tiny", "haze", {"kind": "stages"}),
    "ssim": ("apanet-tiny", "rain", {"kind": "ssim"}),
    "distillation": ("apanet-tiny", "rain", {"kind": "distillation", "teacher": "", "real": "."}),
    "reweighted": ("kanet-tiny", "photograph", {"kind": "reweighted"}),
    "depth": ("dcmpnet-tiny", "haze", {"kind": "depth", "contrastive": 0.1}),
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """Weights of an APANet."""
    torch.manual_seed(7)
    network = create_model("apanet-tiny")
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_weights(path, network, model="apanet-tiny", switches={}, task="rain")
    return path


def make(kind, weights=None, seed=0, data=None, **switches):
    """A objective on 32 pixels or the least that its network takes; `weights` are of a teacher."""
    model, weather, loss = PLANS[kind]
    loss = dict(loss)
    if kind in ("distillation", "reweighted", "depth"):
        loss["features"] = {"kind": "random"}
    if weights is not None and kind == "distillation":
        loss["teacher"] = str(weights)
    kanet = kind == "reweighted"
    small = {"patch": 48 if kanet else 32, "stereo_share": 0.0 if kanet else 1.0}
    return make_objective(
        recipe(model, weather, data=small | (data or {}), loss=loss | switches, seed=seed)
    )


def a_batch(objective, pictures, number=0):
    batch = Stream(objective.recipe, training_set(objective.recipe, pictures))[number]
    frames = batch.samples.frames
    return Batch(batch.number, batch.seeds, batch.samples, (0.2 + 0.8 * frames).flip(0))


def values(objective, batch, step=0):
    with torch.no_grad():
        return {name: float(value) for name, value in objective(batch, step).items()}


@pytest.mark.parametrize("kind", PLANS)
def test_one_batch_is_learnt_by_heart(kind, teacher, pictures):
    small = {"reweighted": 48, "depth": 32, "stages": 24}.get(kind, 16)
    objective = make(kind, teacher, data={"patch": small, "batch_pictures": 2})
    batch = a_batch(objective, pictures)
    optimizer = torch.optim.Adam([p for p in objective.parameters() if p.requires_grad], lr=3e-3)
    example = objective.example(batch)

    def error():
        with torch.no_grad():
            return l1(objective.run(objective.network, example.degraded).image, example.target)

    first, losses = error(), []
    for step in range(25):
        loss = objective(batch, step)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert error() < first


@pytest.mark.parametrize("kind", PLANS)
def test_a_task_comes_back_from_what_is_kept_of_it(kind, teacher, pictures):
    objective, other = make(kind, teacher), make(kind, teacher, seed=1)
    batch = a_batch(objective, pictures)
    objective(batch, 0)  # statistics and memories move
    other.load_trained_state_dict(objective.trained_state_dict())
    assert not [name for name in objective.trained_state_dict() if name.startswith("frozen")]
    torch.manual_seed(0)
    expected = values(objective.eval(), batch)
    torch.manual_seed(0)
    assert values(other.eval(), batch) == expected


@pytest.mark.parametrize("kind", PLANS)
def test_frozen_networks_stay_as_they_are(kind, teacher, pictures):
    objective = make(kind, teacher).train()
    assert not objective.frozen.training
    before = {name: value.clone() for name, value in objective.frozen.state_dict().items()}
    objective(a_batch(objective, pictures), 0)["loss"].backward()
    assert not [p for p in objective.frozen.parameters() if p.requires_grad or p.grad is not None]
    assert all(torch.equal(before[k], v) for k, v in objective.frozen.state_dict().items())
    missing = [n for n, p in objective.named_parameters() if p.requires_grad and p.grad is None]
    assert not missing


def test_stages_are_summed_and_not_averaged(pictures):
    objective = make("stages", None)
    batch = a_batch(objective, pictures)
    example = objective.example(batch)
    with torch.no_grad():
        out = objective.network(example.degraded)
    clean = example.target
    expected = sum(l1_and_frequency(out.image[:, v], clean[:, v], 0.1) for v in (0, 1))
    for v, side in enumerate(("left", "right")):
        expected += l1_and_frequency(out.auxiliary[f"stage2_{side}"], clean[:, v], 0.1)
        for half, rows in (("top", slice(0, 16)), ("bottom", slice(16, 32))):
            made = out.auxiliary[f"stage1_{side}_{half}"]
            expected += l1_and_frequency(made, clean[:, v, :, rows], 0.1)
    got = values(objective, batch)
    assert got["loss"] == pytest.approx(float(expected), rel=1e-5)
    assert got["loss"] == pytest.approx(got["stage1"] + got["stage2"] + got["final"], rel=1e-6)
    alone = values(make("stages", None, early_stages=False), batch)
    assert alone == {"loss": alone["final"], "final": pytest.approx(got["final"])}


def test_the_frequency_terms_can_be_switched_off(pictures):
    for kind in ("charbonnier", "stages"):
        plain = make(kind, None, frequency_weight=0)
        batch = a_batch(plain, pictures)
        both = values(make(kind, None, frequency_weight=0.1), batch)["loss"]
        half = values(make(kind, None, frequency_weight=0.05), batch)["loss"]
        none = values(plain, batch)["loss"]
        assert none < half < both
        assert both - half == pytest.approx(half - none, rel=1e-4)


def test_each_term_on_real_rain_has_its_switch(teacher, pictures):
    full = make("distillation", teacher)
    batch = a_batch(full, pictures)
    got = values(full, batch)
    assert set(got) == {"loss", "ssim", "total_variation", "dark_channel", "contrastive"}
    for term in ("total_variation", "dark_channel", "contrastive"):
        left = values(make("distillation", teacher, **{term: 0}), batch)
        assert term not in left
        assert left["loss"] == pytest.approx(got["loss"] - got[term], abs=1e-6)
    off = {"total_variation": 0, "dark_channel": 0, "contrastive": 0}
    synthetic = values(make("distillation", teacher, **off), batch)
    example = full.example(batch)
    with torch.no_grad():
        expected = ssim_loss(full.network(example.degraded).image, example.target)
    assert synthetic["loss"] == pytest.approx(float(expected), rel=1e-5)


def test_the_student_is_drawn_to_its_teacher(teacher, pictures):
    """The contrastive term is least where the student answers as the teacher does."""
    objective = make("distillation", teacher)
    real = a_batch(objective, pictures).real
    taught = objective.teach(real)
    assert torch.allclose(
        taught[:, 1:], objective.frozen["teacher"](real[:, 1:].contiguous()).image, atol=1e-5
    )
    with torch.no_grad():
        own = objective.real_losses(real)["contrastive"]
        objective.network.forward = lambda frames: Restoration(taught)
        assert objective.real_losses(real)["contrastive"] < 1e-6 < own


def test_the_dark_channel_may_mix_views_as_released(teacher, pictures):
    one, two = (make("distillation", teacher, dark_across_views=mix) for mix in (False, True))
    batch = a_batch(one, pictures)
    assert values(one, batch)["dark_channel"] != values(two, batch)["dark_channel"]


def test_reweighting_and_contrast_have_their_switches(pictures):
    def losses(**switches):
        objective = make("reweighted", None, **switches).eval()
        return values(objective, a_batch(objective, pictures))

    full, plain = losses(), losses(reweighting=False)
    assert full["largest_weight"] > 1.01
    assert plain["largest_weight"] == 1
    assert plain["l1"] != full["l1"]
    alone = losses(reweighting=False, contrastive=0)
    assert set(alone) == {"loss", "l1", "largest_weight"}
    assert alone["loss"] == alone["l1"] == plain["l1"]
    assert losses(contrastive=0.1)["contrastive"] == pytest.approx(
        2 * full["contrastive"], rel=1e-5
    )


def test_earlier_samples_are_remembered(pictures):
    objective = make("reweighted", None)
    draws = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, objective.features.shape[1], generator=draws) for _ in range(2))
    objective.reweigh(a, 0)
    assert torch.equal(objective.features[:2], a)
    assert objective.filled.tolist() == [True, True, False, False]
    objective.reweigh(b, 1)
    torch.testing.assert_close(objective.features[:2], 0.9 * a + 0.1 * b)
    forgetful = make("reweighted", None, memory=0)
    alone = forgetful.reweigh(b, 1)
    forgetful.reweigh(a, 0)
    assert torch.equal(forgetful.reweigh(b, 1), alone)


def test_depth_and_dehazing_weigh_each_other(pictures):
    def losses(**switches):
        objective = make("depth", None, contrastive=0, **switches).eval()
        return values(objective, a_batch(objective, pictures)), objective

    full, objective = losses()
    off, _ = losses(dehazing_weighs_depth=False, depth_weighs_dehazing=False)
    batch = a_batch(objective, pictures)
    example = objective.example(batch)
    with torch.no_grad():
        restored = objective.network(example.degraded).image
        depth, truth = objective.look(restored), objective.truth(example, batch)
    assert off["depth"] == pytest.approx(float(l1(depth, truth)), rel=1e-5)
    plain = l1(restored, example.target) + 0.1 * l1(depth, truth)
    assert off["dehazing"] == pytest.approx(float(plain), rel=1e-5)
    assert off["loss"] == pytest.approx(off["dehazing"] + off["depth"])
    seen, told = difference_weights(depth, truth), difference_weights(restored, example.target)
    weighed = l1(seen * restored, seen * example.target)
    assert full["dehazing"] - off["dehazing"] == pytest.approx(float(weighed), rel=1e-4)
    assert full["depth"] - off["depth"] == pytest.approx(
        float(l1(told * depth, told * truth)), rel=1e-4
    )
    released, _ = losses(weighting="released")
    assert 0 < released["depth"] - off["depth"] < 0.01 * (full["depth"] - off["depth"])


def test_terms_of_dehazing_have_their_weights(pictures):
    def dehazing(**weights):
        objective = make("depth", None, contrastive=0, **weights).eval()
        return values(objective, a_batch(objective, pictures))["dehazing"]

    once = dehazing(depth=0)
    assert dehazing(depth=0, restoration=2) == pytest.approx(2 * once, rel=1e-5)
    both = dehazing(depth=0.2)
    assert both - once == pytest.approx(2 * (dehazing(depth=0.1) - once), rel=1e-4)
    assert both > once


def test_a_teacher_that_is_not_asked_is_not_read(pictures):
    objective = make("distillation", "gone.safetensors", contrastive=0)
    assert not objective.frozen
    assert "contrastive" not in values(objective, a_batch(objective, pictures))


def test_alternating_updates_move_one_network_at_a_time(pictures):
    objective = make("depth", None, updates="alternating")
    batch = a_batch(objective, pictures)

    def moved(step):
        objective.zero_grad(set_to_none=True)
        objective(batch, step)["loss"].backward()
        nets = (objective.network, objective.depth_net)
        return [any(p.grad is not None for p in net.parameters()) for net in nets]

    assert [moved(step) for step in (0, 1, 2)] == [[True, False], [False, True], [True, False]]
    joint = make("depth", None)
    joint(batch, 0)["loss"].backward()
    assert all(p.grad is not None for p in joint.depth_net.parameters())


def test_the_truth_of_depth(pictures, tmp_path):
    objective = make("depth", None)
    batch = a_batch(objective, pictures)
    example = objective.example(batch)
    disparity = batch.samples.disparity
    truth = objective.truth(example, batch)
    assert truth.amax((1, 2, 3, 4)).tolist() == pytest.approx([1.0] * len(truth))
    ratio = truth / disparity.clamp_min(1e-6)
    assert ratio.flatten(1).std(1).max() < 1e-4
    # Depth in metres, some of it unknown: 4 m is the nearest, and half as near as 2 m would be.
    metres = torch.tensor([4.0, 8.0, torch.nan]).repeat(11)[:32].expand(1, 1, 1, 32, 32)
    picture = torch.rand(1, 1, 3, 32, 32)
    pairs = Batch(0, (0,), PairBatch(picture, picture, depth=metres))
    near = objective.truth(example, pairs)
    assert near[0, 0, 0, 0, :2].tolist() == [1.0, 0.5]
    assert near.isnan().any()
    assert torch.isfinite(objective(pairs, 0)["loss"])
    with pytest.raises(ConfigError, match="neither disparity nor depth"):
        objective(Batch(0, (0,), PairBatch(picture, picture)), 0)
    path = tmp_path / "teacher.safetensors"
    save_weights(path, objective.network, model="dcmpnet-tiny", switches={}, task="haze")
    taught = make("depth", truth="teacher", teacher=str(path)).eval()
    expected = objective.eval().network(example.target).auxiliary["depth"]
    assert torch.allclose(taught.truth(example, batch), expected, atol=1e-5)


def test_a_teacher_must_give_depth(teacher):
    with pytest.raises(ConfigError, match="APANet gives no depth"):
        make("depth", truth="teacher", teacher=str(teacher))


def law(model_switches, weather="varied haze", **loss):
    return make_objective(
        recipe(
            "stereoirr-tiny",
            weather,
            data={"patch": 32, "stereo_share": 1.0},
            loss={"kind": "charbonnier", **loss},
        ).model_copy(update={"model": ModelSection(name="stereoirr-tiny", switches=model_switches)})
    )


def test_what_made_the_haze_is_learned_by_its_weights(pictures):
    switches = {"output": "scattering"}
    plain = law(switches)
    told = law(switches, transmission_weight=0.5, airlight_weight=0.25)
    batch = a_batch(told, pictures)
    without, got = values(plain, batch), values(told, batch)
    expected = without["loss"] + 0.5 * got["transmission"] + 0.25 * got["airlight"]
    assert got["loss"] == pytest.approx(expected, rel=1e-5)
    assert got["transmission"] > 0
    assert got["airlight"] > 0
    assert set(without) == {"loss"}


@pytest.mark.parametrize(
    ("switches", "weather"), [({}, "varied haze"), ({"output": "scattering"}, "rain")]
)
def test_the_law_cannot_be_learned_without_it(switches, weather, pictures):
    objective = law(switches, weather, transmission_weight=0.5)
    with pytest.raises(ConfigError, match="transmission_weight"):
        objective(a_batch(objective, pictures), 0)


@pytest.mark.parametrize("weather", ["varied haze", "varied rain"])
def test_framed_pictures_are_to_keep_their_frames(weather, pictures):
    both = [
        make_objective(
            recipe("stereoirr-tiny", weather, weather={"kind": weather, "framed_share": s})
        )
        for s in (0.0, 1.0)
    ]
    batch = a_batch(both[0], pictures)
    plain, framed = (objective.example(batch) for objective in both)
    changed = (plain.degraded != framed.degraded).any(2)
    assert changed.any()
    assert torch.equal(
        framed.degraded.movedim(2, -1)[changed], framed.target.movedim(2, -1)[changed]
    )
