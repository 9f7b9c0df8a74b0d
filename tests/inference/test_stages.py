import pickle

import numpy as np
import pytest
import torch

from deweather.inference.forward import Forward
from deweather.inference.haze import HazeDecision, HazeStage
from deweather.inference.hooks import Hooks
from deweather.inference.rain import RainDecision, RainStage
from deweather.inference.thresholds import HAZE, STREAKS
from deweather.models import Needs, Network, Restoration
from tests.inference.networks import Pointwise, shaken

CPU = torch.device("cpu")


class Recorder(Network):
    """Darkens by a factor; remembers the shapes that it was shown."""

    def __init__(self, factor: float = 0.8, overlap: int | None = 16) -> None:
        super().__init__()
        self.factor, self.overlap, self.shapes = factor, overlap, []

    @property
    def needs(self):
        return Needs(8, 8, tile_overlap=self.overlap, whole_rows=False)

    def forward(self, frames):
        self.shapes.append(tuple(frames.shape))
        return Restoration(frames * self.factor)


class Wipes(Recorder):
    """Takes bright streaks away: nothing stays brighter than a grey."""

    def forward(self, frames):
        self.shapes.append(tuple(frames.shape))
        return Restoration(frames.clamp_max(0.4))


def array(height=96, width=128, seed=0, dtype=np.uint8):
    picture = np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)
    if dtype == np.float32:
        return picture
    return np.rint(picture * np.iinfo(dtype).max).astype(dtype)


def striped(height, width, dtype=np.float32):
    picture = np.full((height, width, 3), 0.35, np.float32)
    picture[:, ::7] = 0.8
    return picture if dtype == np.float32 else np.rint(picture * 255).astype(dtype)


def images_of(*pictures):
    """Images (B, 1, 3, H, W) of arrays (H, W, 3)."""
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2)[:, None].copy())


def haze(network=None, **options):
    return HazeStage(Forward(network or Recorder(), CPU), **options)


def rain(network=None, pixels=None, **options):
    return RainStage(Forward(network or Wipes(), CPU, batch_pixels=pixels), **options)


@pytest.mark.parametrize("make", [haze, rain])
@pytest.mark.parametrize("skip_clear", [False, True])
@pytest.mark.parametrize("size", [(96, 128), (300, 280)])
def test_to_measure_and_to_apply_is_to_restore(make, skip_clear, size):
    stage = make(skip_clear=skip_clear)
    once, twice = [striped(*size)], [striped(*size)]
    decision = pickle.loads(pickle.dumps(stage.measure(once)))
    assert np.array_equal(once[0], twice[0])  # measuring changes nothing
    assert decision.size == size
    assert stage.apply(once, decision)
    assert stage.restore(twice)
    assert np.array_equal(once[0], twice[0])
    assert not np.array_equal(once[0], striped(*size))


@pytest.mark.parametrize("make", [haze, rain])
def test_decisions_are_values(make):
    decision = make(skip_clear=True).measure([striped(64, 64)])
    assert decision == make(skip_clear=True).measure([striped(64, 64)])
    with pytest.raises(AttributeError):
        decision.share = 0.5


def test_what_is_measured_of_haze():
    decision = haze(Recorder(0.5)).measure([np.full((40, 60, 3), 0.5, np.float32)])
    assert decision.change == pytest.approx(0.25)
    assert decision.share == 1
    assert decision.blackened == 0
    assert decision.maps.shape == (1, 3, 4, 40, 60)
    assert haze(skip_clear=True).measure([np.full((9, 9, 3), 0.05, np.float32)]).maps is None
    black = haze(Recorder(0.1)).measure([np.full((40, 60, 3), 0.5, np.float32)])
    assert black.blackened == 1


def test_what_is_measured_of_rain():
    wet = rain(skip_clear=True).measure([striped(300, 280)])
    assert wet.streaks > STREAKS[1]
    assert wet.share == 1
    dry = rain(skip_clear=True).measure([np.full((300, 280, 3), 0.2, np.float32)])
    assert dry == RainDecision(0.0, 0.0, (300, 280))
    assert rain().measure([striped(40, 40)]) == RainDecision(1.0, None, (40, 40))


@pytest.mark.parametrize("make", [haze, rain])
def test_a_decision_can_be_applied_to_another_frame(make):
    stage = make(Recorder(0.8), skip_clear=True) if make is haze else make(skip_clear=True)
    decision = stage.measure([striped(96, 128)])
    other = [striped(192, 256)[:, ::-1].copy()]
    before = other[0].copy()
    assert stage.apply(other, decision)
    assert other[0].mean() < before.mean()


def test_the_mean_of_decisions_makes_the_mean_of_their_changes():
    rng = np.random.default_rng(0)
    frame = rng.random((24, 32, 3), dtype=np.float32) * 0.5 + 0.2
    decisions = [
        haze(Recorder(factor), strength=share).measure([frame])
        for factor, share in ((0.9, 1.0), (0.7, 0.5))
    ]
    decisions.append(HazeDecision(0.0, 0.01, 0.0, (24, 32)))
    changes = []
    for decision in decisions:
        out = frame.copy()
        haze().apply([out], decision)
        changes.append(out - frame)
    mixed = frame.copy()
    mean = HazeDecision.mean(decisions, [1, 2, 1])
    haze().apply([mixed], mean)
    expected = (changes[0] + 2 * changes[1] + changes[2]) / 4
    assert np.abs(mixed - frame - expected).max() < 1e-5
    assert mean.share == pytest.approx(0.5)
    nothing = HazeDecision.mean(decisions[2:], [1])
    assert nothing.maps is None
    assert nothing.share == 0


def test_the_mean_of_decisions_on_rain():
    one, two = RainDecision(1.0, 0.004, (8, 8)), RainDecision(0.0, 0.001, (8, 8))
    mean = RainDecision.mean([one, two], [3, 1])
    assert (mean.share, mean.size) == (0.75, (8, 8))
    assert mean.streaks == pytest.approx(0.00325)
    assert RainDecision.mean([RainDecision(1.0, None, (8, 8))], [1]).streaks is None


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0, 1.5])
@pytest.mark.parametrize("skip_clear", [False, True])
def test_strength_is_the_share_of_the_change(strength, skip_clear):
    frame = np.full((40, 48, 3), 0.6, np.float32)
    for make, network, change in ((haze, Recorder(0.8), -0.12), (rain, Pointwise(0.8), -0.12)):
        if make is rain and skip_clear:
            continue  # an even grey has no streaks
        out = [frame.copy()]
        make(network, strength=strength, skip_clear=skip_clear).restore(out)
        assert np.abs(out[0] - frame - strength * change).max() < 1e-5
        (tensor,) = make(network, strength=strength, skip_clear=skip_clear).restore_images(
            images_of(frame)
        )
        assert (tensor - images_of(out[0])[0]).abs().max() < 1e-6


@pytest.mark.parametrize("size", [(40, 56), (64, 64), (200, 300)])
@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("skip_clear", [False, True])
@pytest.mark.parametrize(("make", "tile"), [(haze, None), (rain, None), (rain, 128)])
def test_batches_of_tensors_are_restored_like_arrays(
    monkeypatch, size, views, skip_clear, make, tile
):
    monkeypatch.setattr("deweather.inference.haze.WORKING_PIXELS", 20_000)
    options = {"tile": tile} if tile else {}
    stage = make(shaken("stereoirr-tiny-local", size=0.05), skip_clear=skip_clear, **options)
    pictures = [
        [array(*size, seed=10 * b + v, dtype=np.float32) for v in range(views)] for b in range(3)
    ]
    pictures[1] = [np.full_like(p, 0.3) for p in pictures[1]]
    images = torch.cat([images_of(*views_of).transpose(0, 1) for views_of in pictures])
    before = images.clone()
    out = stage.restore_images(images)
    assert torch.equal(images, before)
    for views_of, restored in zip(pictures, out, strict=True):
        stage.restore(views_of)
        assert (restored - images_of(*views_of).transpose(0, 1)[0]).abs().max() < 1e-6
    assert not torch.equal(out, images)


@pytest.mark.parametrize("make", [haze, rain])
def test_each_sample_of_a_batch_is_judged_by_itself(make):
    wet, clear = np.float32(1.2) * striped(64, 72), np.full((64, 72, 3), 0.05, np.float32)
    stage = make(skip_clear=True)
    images = images_of(clear, wet, clear)
    decisions = stage.measure_images(images)
    assert [d.share for d in decisions] == [0, 1, 0]
    out = stage.apply_images(images, decisions)
    assert torch.equal(out[[0, 2]], images[[0, 2]])
    assert not torch.equal(out[1], images[1])
    untouched = stage.restore_images(images[:1])
    assert torch.equal(untouched, images[:1])
    untouched.zero_()  # nobody else's
    assert images[0].any()
    alone = pickle.dumps(stage.measure_images(images[1:2]))
    assert len(pickle.dumps(decisions[1])) == pytest.approx(len(alone[0:]), rel=0.1)


def test_the_nine_pieces_that_are_looked_at_are_one_batch():
    network = Wipes()
    stage = rain(network, pixels=1 << 24, skip_clear=True)
    stage.measure([striped(800, 900)])
    assert network.shapes == [(9, 1, 3, 256, 256)]
    network.shapes.clear()
    stage.measure_images(images_of(striped(800, 600), striped(800, 600)))
    assert network.shapes == [(12, 1, 3, 256, 256)]
    network.shapes.clear()
    rain(network, pixels=1 << 17, skip_clear=True).measure([striped(800, 900)])
    assert [s[0] for s in network.shapes] == [2, 2, 2, 2, 1]


@pytest.mark.parametrize("size", [(256, 256), (100, 40)])
def test_a_picture_seen_whole_is_shown_once(size):
    network = Wipes()
    stage = rain(network, skip_clear=True)
    assert stage.restore([striped(*size)])
    assert [s[0] for s in network.shapes] == [1]
    network.shapes.clear()
    stage.restore_images(images_of(striped(*size), striped(*size)))
    assert sum(s[0] for s in network.shapes) == 2
    network.shapes.clear()
    rain(network, skip_clear=True, tile=64).restore([striped(100, 100)])
    assert len(network.shapes) > 2  # it was asked for smaller tiles


def test_equal_tiles_go_together_where_there_is_room():
    groups = []
    for pixels in (1, 1 << 24):
        network, view = Wipes(), striped(200, 300)
        told = []
        stage = rain(network, pixels=pixels, tile=96)
        stage.restore([view], Hooks(progress=lambda p, told=told: told.append(p.done)))
        groups.append((view, [s[0] for s in network.shapes], told))
    (alone, ones, steps), (together, counts, same_steps) = groups
    assert np.array_equal(alone, together)
    assert set(ones) == {1}
    assert max(counts) > 2
    assert sum(counts) == len(ones) == len(steps)
    assert steps == same_steps


def test_tensors_that_do_not_fit_are_cut_smaller(caplog):
    network = Pointwise(factor=0.5, limit=200 * 200)
    images = torch.full((2, 1, 3, 300, 500), 0.8)
    out = rain(network, pixels=1 << 24, tile=512).restore_images(images)
    assert (out - 0.4).abs().max() < 1e-6
    assert "tiles of 128 pixels" in caplog.text
    with pytest.raises(MemoryError, match="cpu"):
        rain(Pointwise(limit=1)).restore_images(images)


def test_thresholds_hold_for_batches():
    assert HAZE[0] < HAZE[1]
    change = 0.5 * (HAZE[0] + HAZE[1])
    decision = haze(Recorder(1 - change / 0.5), skip_clear=True).measure(
        [np.full((30, 30, 3), 0.5, np.float32)]
    )
    assert decision.share == pytest.approx(0.5, abs=0.01)
