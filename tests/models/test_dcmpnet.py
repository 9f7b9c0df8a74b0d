"""DCMPNet: the authors' numbers with weights by formula, the switch, what the rearrangements keep."""

import functools
import json
import math
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from deweather.errors import ConfigError, FramesError, UnknownNameError
from deweather.inference.sizes import padded, padded_forward
from deweather.models import create_model
from deweather.models.dcmpnet import DCMPNetDepth
from deweather.weights.authors import dcmpnet as authors
from tests.formula import deviation, image, noise
from tests.graphs import PictureOnly

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("dcmpnet.json").read_text())
PUBLISHED_PARAMETERS = {"dehazing": 17_358_337, "depth": 1_980_283}
PUBLISHED_GFLOP = {"dehazing": 138.0, "depth": 26.0}  # of 256x256, two for a multiply-add
GAIN = {"dehazing": 0.7, "depth": 1.0}
LOGARITHMS = (0.0, 0.6931471824645996, 1.0986123085021973, 1.3862943649291992,
              1.6094379425048828, 1.7917594909667969, 1.9459102153778076, 2.079441547393799)  # fmt: skip


def distances():
    """The authors' table of signed logarithms of distances in a window."""
    place = torch.cartesian_prod(torch.arange(8), torch.arange(8))
    difference = place[:, None] - place[None]
    table = torch.tensor(LOGARITHMS, dtype=torch.float64)
    return difference.sign() * table[difference.abs()]


def value(key, shape, seed, gain):
    """One tensor of the authors' checkpoint, filled by the formula for its kind."""
    *_, parent, last = ("", *key.split("."))
    if last == "relative_positions":
        return distances()
    if last == "num_batches_tracked":
        return torch.tensor(0)
    v = noise(key, shape, seed)
    if last == "running_var":
        return 1 + 0.25 * v.abs()
    if last in ("bias", "running_mean"):
        scale = 0.1
    elif len(shape) == 1 or parent == "norm1":
        return 1 + 0.1 * v
    elif parent in ("meta1", "meta2"):
        scale = 0.25
    else:
        scale = gain * math.sqrt(3 / math.prod(shape[1:]))
    return scale * v


@functools.cache
def checkpoint(kind, seed):
    manifest = GOLDEN["manifests"][kind]
    return {k: value(k, shape, seed, GAIN[kind]) for k, shape in manifest.items()}


def filled(kind, seed, as_released=True):
    """The network with the formula's weights, in float64."""
    state = checkpoint(kind, seed)
    network = authors.build(state, as_released)
    network.double().load_state_dict(authors.translate(state))
    return network.eval()


def pictures(case):
    return image(case["batch"], 3, case["height"], case["width"])[:, None]


def cases(kind):
    """Every golden case in float64, the first in float32 too."""
    found = [case for case in GOLDEN["cases"] if case["network"] == kind]
    exact = [pytest.param(c, torch.float64, 1e-9, id=f"seed{c['seed']}-float64") for c in found]
    single = pytest.param(found[0], torch.float32, 1e-4, id=f"seed{found[0]['seed']}-float32")
    return pytest.mark.parametrize(("case", "dtype", "tolerance"), [*exact, single])


@cases("dehazing")
def test_dehazing_gives_the_authors_numbers(case, dtype, tolerance):
    network = filled("dehazing", case["seed"]).to(dtype)
    frames = pictures(case).to(dtype)
    h, w = frames.shape[-2:]
    with torch.inference_mode():
        out = network(padded(frames, network.needs))
    restored = out.image[..., :h, :w]
    found = {
        "dehazed": 2 * restored - 1,
        "minus_input": 2 * (restored - frames),
        **{name: out.auxiliary[name] for name in ("d1", "d2", "d3")},
    }
    for name, figures in case["outputs"].items():
        assert deviation(found[name][:, 0], figures) < tolerance


@cases("depth")
def test_the_depth_network_gives_the_authors_numbers(case, dtype, tolerance):
    network = filled("depth", case["seed"]).to(dtype)
    with torch.inference_mode():
        out = network(pictures(case).to(dtype))
    assert torch.equal(out.image, pictures(case).to(dtype))
    assert deviation(out.auxiliary["depth"][:, 0], case["outputs"]["depth"]) < tolerance


@pytest.mark.parametrize("kind", ["dehazing", "depth"])
def test_every_tensor_of_the_authors_has_its_place(kind):
    with torch.device("meta"):
        state = {k: torch.empty(shape) for k, shape in GOLDEN["manifests"][kind].items()}
        theirs = authors.translate(state)
        ours = authors.build(state, as_released=True).state_dict()
    assert {k: v.shape for k, v in theirs.items()} == {k: v.shape for k, v in ours.items()}
    counted = [p for k, p in state.items() if "running" not in k and p.shape != (64, 64, 2)]
    assert sum(p.numel() for p in counted if p.ndim) == PUBLISHED_PARAMETERS[kind]


def test_parameters_that_are_gone_are_those_that_never_act():
    manifest = GOLDEN["manifests"]["dehazing"]
    unused = sum(math.prod(manifest[k]) for k in manifest if authors.UNUSED[0].fullmatch(k))
    assert unused == 37_067
    cancelling = 48 + 96 + sum(n * n for n in (2, 4, 6))
    before_batch_norm = 2 * (64 + 128 + 256 + 512 + 512 + 256 + 128 + 64 + 64)
    gone = unused + cancelling + before_batch_norm
    assert parameters("dcmpnet") == PUBLISHED_PARAMETERS["dehazing"] - gone


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_translation_keeps_the_dtype(dtype):
    state = {"conv1.weight": torch.ones(24, 49, 1, 1, dtype=dtype)}
    assert authors.translate(state)["joins.0.weight"].dtype == dtype


def test_unknown_tensors_keep_their_name_behind_a_question_mark():
    names = [
        "conv6.weight",
        "legm1.blocks.0.attn.K.weight",
        "Unet1.up5.conv.conv.0.weight",
        "dpn.x.bias",
    ]
    state = dict.fromkeys([*names, "conv2.bias"], torch.zeros(1))
    assert set(authors.translate(state)) == {*(f"?{n}" for n in names), "joins.1.bias"}


@pytest.mark.parametrize(
    ("missing", "ours"),
    [
        ("legm3.blocks.7.attn.V.weight", "stages.2.7.project_in.weight"),
        ("Unet1.inc.conv.0.bias", "unet.encoders.0.first.norm.running_mean"),
        ("drdb.conv.bias", "refine_depth.fuse.bias"),
    ],
)
def test_missing_tensors_leave_a_gap(missing, ours):
    with torch.device("meta"):
        state = {k: torch.empty(shape) for k, shape in GOLDEN["manifests"]["dehazing"].items()}
        whole = authors.translate(state)
        del state[missing]
        assert ours in whole
        assert ours not in authors.translate(state)


def test_the_depth_network_has_no_switches():
    keys = dict.fromkeys(GOLDEN["manifests"]["depth"])
    assert isinstance(authors.build(keys, as_released=False), DCMPNetDepth)
    with pytest.raises(UnknownNameError, match="third_stage_dropped"):
        authors.build(keys, as_released=True, third_stage_dropped=True)


def frames(b, v, h, w, seed=0):
    return torch.rand(b, v, 3, h, w, generator=torch.Generator().manual_seed(seed))


@functools.cache
def parameters(name):
    with torch.device("meta"):
        return sum(p.numel() for p in create_model(name).parameters())


def tiny(**switches):
    torch.manual_seed(0)
    return create_model("dcmpnet-tiny", **switches).eval()


@pytest.mark.parametrize(("name", "low", "high"), [("small", 1e6, 3e6), ("tiny", 0.2e6, 0.6e6)])
def test_compact_sizes(name, low, high):
    assert low < parameters(f"dcmpnet-{name}") <= high


def flops(network):
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, 3, 256, 256, device="meta"))
    return counter.get_total_flops() / 1e9


def test_cost_is_the_published_one_less_what_is_spared():
    with torch.device("meta"):
        network, depth = create_model("dcmpnet").eval(), DCMPNetDepth().eval()
    assert flops(depth) == pytest.approx(PUBLISHED_GFLOP["depth"], rel=0.01)
    half, quarter = 128**2, 64**2
    dropped = 256**2 * 168 * 24 * 9
    to_half = half * 48 * 9 * 168 - 48 * (half * 24 * 9 + 129**2 * (48 + 96) * 4)
    to_quarter = quarter * 96 * 25 * 168 - 96 * (quarter * (24 * 25 + 48 * 9) + 65**2 * 96 * 4)
    biases = (4096 - 225) * 256 * sum(n * (2 + n) for n in (2, 4, 6))
    spared = 2e-9 * (dropped + to_half + to_quarter + biases)
    assert flops(network) == pytest.approx(PUBLISHED_GFLOP["dehazing"] - spared, rel=0.002)


def test_the_switch_chooses_where_the_decoder_starts():
    released, corrected = tiny(as_released=True), tiny()
    assert not create_model("dcmpnet-tiny").config.drops_third_stage
    assert tiny(as_released=True, third_stage_dropped=False).config.drops_third_stage is False
    assert tiny(third_stage_dropped=True).config.drops_third_stage is True
    x = frames(1, 1, 32, 36)
    with torch.inference_mode():
        assert (released(x).image - corrected(x).image).abs().max() > 1e-5
        for network in (released, corrected):  # the decoder starts from the fused map alone
            network.gathers[0].weight[:, 4 * network.config.width :] = 0
        assert torch.equal(released(x).image, corrected(x).image)


def test_the_third_stage_reaches_the_decoder_when_the_fusion_is_cut():
    x = frames(1, 1, 32, 36)
    for dropped in (True, False):
        network = tiny(third_stage_dropped=dropped)
        torch.nn.init.zeros_(network.fusion.to_half.weight)
        torch.nn.init.zeros_(network.fusion.to_quarter.weight)
        network(x).image.sum().backward()
        grads = [p.grad for p in network.stages[2].parameters()]
        assert any(g is not None and g.any() for g in grads) is not dropped


def test_no_prediction_returns_the_frames():
    network = tiny()
    torch.nn.init.zeros_(network.predict.weight)
    torch.nn.init.zeros_(network.predict.bias)
    x = frames(2, 2, 28, 32)
    with torch.inference_mode():
        assert torch.equal(network(x).image, x)


@pytest.mark.parametrize(("h", "w"), [(28, 28), (28, 64), (36, 44), (40, 32), (52, 60)])
@pytest.mark.parametrize("views", [1, 2])
def test_sizes_views_and_names(h, w, views):
    network = tiny()
    c = network.config.width
    x = frames(2, views, h, w)
    with torch.inference_mode():
        out = network(x)
        singles = torch.stack([network(x[:, v : v + 1]).image[:, 0] for v in range(views)], 1)
    assert torch.isfinite(out.image).all()
    torch.testing.assert_close(out.image, singles, rtol=0, atol=1e-5)
    assert {k: tuple(t.shape) for k, t in out.auxiliary.items()} == {
        "depth": (2, views, 1, h, w),
        "refined_depth": (2, views, 1, h, w),
        "d1": (2, views, 4 * c, h // 4, w // 4),
        "d2": (2, views, 2 * c, h // 2, w // 2),
        "d3": (2, views, c, h, w),
    }


@pytest.mark.parametrize(("h", "w"), [(1, 1), (5, 3), (29, 70)])
def test_every_size_once_padded(h, w):
    network, x = tiny(), frames(1, 1, h, w)
    with torch.inference_mode():
        out = padded_forward(network, x)
    assert out.shape == x.shape
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("shape", [(30, 32), (32, 30), (24, 32)])
def test_other_sizes_name_themselves(shape):
    with pytest.raises(FramesError, match=rf"{shape[0]}x{shape[1]} .* multiples of 4 from 28 up"):
        tiny()(frames(1, 1, *shape))


def test_the_depth_network_takes_any_size():
    network = DCMPNetDepth(tiny().config).eval()
    with torch.inference_mode():
        assert network(frames(2, 2, 1, 17)).auxiliary["depth"].shape == (2, 2, 1, 16, 32)


@pytest.mark.parametrize("training", [False, True])
def test_gradients_reach_every_parameter(training):
    network = tiny().train(training)
    network(frames(2, 1, 32, 36)).image.square().mean().backward()
    assert [k for k, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_weights_travel_by_name():
    network = tiny().train()
    network(frames(2, 2, 32, 32))  # moves the statistics of the batch norms, too
    other = create_model("dcmpnet-tiny").eval()
    other.load_state_dict(network.eval().state_dict())
    x = frames(1, 1, 28, 32)
    with torch.inference_mode():
        assert torch.equal(network(x).image, other(x).image)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_stay_close(dtype):
    network, x = tiny(), frames(1, 2, 32, 36)
    with torch.inference_mode():
        exact = network(x).image
        out = network.to(dtype)(x.to(dtype))
    assert {out.image.dtype, *(t.dtype for t in out.auxiliary.values())} == {dtype}
    tolerance = 1e-5 if dtype == torch.float64 else 0.05
    torch.testing.assert_close(out.image.float(), exact, rtol=0, atol=tolerance)


def test_export_gives_the_same_pictures():
    network = tiny()
    program = torch.export.export(PictureOnly(network), (frames(1, 2, 32, 36),), strict=False)
    x = frames(1, 2, 32, 36, seed=1)
    with torch.inference_mode():
        exported = program.module()(x)
        torch.testing.assert_close(exported, network(x).image, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"width": 0}, "width = 0"),
        ({"depths": (1, 1, 1)}, r"depths = \(1, 1, 1\); give 5"),
        ({"depths": (1, 1, 0, 1, 1)}, "give 5 numbers from 1 up"),
        ({"heads": (5, 4, 4, 1, 1)}, "12 channels in 5 heads"),
        ({"attention": (9, 0, 0, 0, 0)}, "attention in 9 of 2 blocks"),
        ({"depth_widths": (8, 8, 8, 8, 8)}, "give 4 numbers"),
    ],
)
def test_sizes_that_make_no_network_are_refused(switches, message):
    with pytest.raises(ConfigError, match=message):
        tiny(**switches)
