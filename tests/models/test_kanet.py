"""KA-Net: the authors' numbers with weights by formula, the switches, what the rearrangements keep."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from deweather.errors import ConfigError, FramesError
from deweather.inference.sizes import padded_forward
from deweather.models import create_model
from deweather.models.kanet import QueryAttention, released_crop
from deweather.nn.transformer import DropPath
from deweather.weights.authors import kanet as authors
from tests.formula import deviation, image, noise
from tests.graphs import PictureOnly

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("kanet.json").read_text())
MANIFEST = {key: tuple(shape) for key, shape in GOLDEN["manifest"].items()}
PUBLISHED_PARAMETERS = 55_657_426
PUBLISHED_UNUSED = 296_667
PUBLISHED_BUFFERS = 13_454
PUBLISHED_GFLOP = 11.34  # of 256x256, two for a multiply-add


FILL = (
    (r"rff\.weight", lambda v: math.sqrt(3) * v),
    (r"rff\.bias", lambda v: math.pi * (v + 1)),
    (r".*\.task_query", lambda v: v),
    (r".*conv_sigm\.0\.bias", lambda v: 0.5 + 0.1 * v),
    (r".*\.(bias|running_mean)", lambda v: 0.1 * v),
    (r".*\.running_var", lambda v: 1 + 0.25 * v.abs()),
    (r".*", lambda v: 1 + 0.1 * v if v.ndim == 1 else v * math.sqrt(3 / v[0].numel())),
)
"""Kinds of tensors of the authors' checkpoint and how they are made; the first that fits counts."""


def value(key, shape, seed):
    """One tensor of the authors' checkpoint, filled by the formula for its kind."""
    if key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    v = noise(key, shape, seed)
    return next(make for pattern, make in FILL if re.fullmatch(pattern, key))(v)


def filled(seed):
    """The published network with the formula's weights, in float64."""
    state = {k: value(k, shape, seed) for k, shape in (MANIFEST | authors.FOURIER).items()}
    with torch.device("meta"):
        network = authors.build(state, as_released=True)
    network.load_state_dict(authors.translate(state), assign=True)
    return network.eval()


def on_meta(name, **switches):
    """A network without memory or arithmetic: enough to count."""
    with torch.device("meta"):
        return create_model(name, **switches)


def tiny(seed=0, **switches):
    """A compact network whose norms and biases are not trivial."""
    torch.manual_seed(seed)
    network = create_model("kanet-tiny", **switches).eval()
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if key.endswith(("bias", "running_mean")) and "gate" not in key:
                tensor.normal_(0, 0.1)
    return network


def frames(b, v, h, w, seed=0):
    return torch.rand(b, v, 3, h, w, generator=torch.Generator().manual_seed(seed))


def restored(network, x):
    with torch.inference_mode():
        return network(x).image


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=[f"seed{c['seed']}" for c in GOLDEN["cases"]])
def test_the_authors_numbers(case):
    network = filled(case["seed"])
    x = image(case["batch"], 3, case["height"], case["width"])[:, None]
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        with torch.inference_mode():
            out = network.to(dtype)(x.to(dtype))
        assert deviation(out.image[:, 0], case["outputs"]["clean"]) < tolerance
        assert deviation(out.auxiliary["z"][:, 0], case["outputs"]["z"]) < tolerance


def test_every_key_of_the_authors_has_its_place():
    everything = MANIFEST | authors.FOURIER
    state = {k: torch.empty(shape, device="meta") for k, shape in everything.items()}
    found = {k: tuple(t.shape) for k, t in authors.translate(state).items()}
    assert found == {k: tuple(t.shape) for k, t in on_meta("kanet").state_dict().items()}
    unused = {k for k in MANIFEST if any(p.fullmatch(k) for p in authors.UNUSED)}
    assert len(found) == len(everything) - len(unused)
    assert sum(math.prod(MANIFEST[k]) for k in unused) == PUBLISHED_UNUSED


def test_every_pattern_of_unused_keys_is_of_use():
    for pattern in authors.UNUSED:
        assert any(pattern.fullmatch(k) for k in MANIFEST)


@pytest.mark.parametrize(
    "key",
    [
        "Tencoder.patch_embed5.proj.weight",
        "Tencoder.mini_patch_embed4.proj.scale",
        "Tencoder.block1.0.attn.k.weight",
        "Tdecoder.block2.0.norm1.weight",
        "block.MRFEB2.faix.0.weight",
        "block.MRFEB1.MRFRB_4.AM.conv_out.0.bias",
        "convtail.convd64x.conv2d.weight",
        "clean.weight",
        "head.weight",
        "",
    ],
)
def test_other_keys_are_handed_back(key):
    tensor = torch.zeros(1)
    assert authors.translate({key: tensor})[f"?{key}"] is tensor


def test_a_network_for_the_authors_weights_keeps_its_features():
    with torch.device("meta"):
        assert authors.build({}, as_released=True).config.redraw_fourier is False
        assert authors.build({}, as_released=True, redraw_fourier=True).config.redraw_fourier


def test_published_size():
    network = on_meta("kanet")
    assert sum(p.numel() for p in network.parameters()) == PUBLISHED_PARAMETERS - PUBLISHED_UNUSED
    features = sum(math.prod(shape) for shape in authors.FOURIER.values())
    assert sum(b.numel() for b in network.buffers()) == PUBLISHED_BUFFERS + features


def test_published_cost():
    with FlopCounterMode(display=False) as counter:
        on_meta("kanet")(torch.zeros(1, 1, 3, 256, 256, device="meta"))
    # 16 tokens here are answered by 48 queries and not by 16: attention and projection of 32 more.
    more = 3 * 2 * 32 * (2 * 16 * 512 + 512 * 512)
    found = (counter.get_total_flops() - more) / 1e9
    assert found == pytest.approx(PUBLISHED_GFLOP, abs=0.005)


@pytest.mark.parametrize(("name", "low", "high"), [("small", 1e6, 3e6), ("tiny", 0.2e6, 0.6e6)])
def test_compact_sizes(name, low, high):
    assert low < sum(p.numel() for p in on_meta(f"kanet-{name}").parameters()) < high


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (6, 8), (7, 7), (2, 37), (10, 16)])
def test_stretched_answers_are_those_of_stretched_queries(size, dtype):
    """The released order: queries are stretched over the tokens and attend then."""
    torch.manual_seed(0)
    attention = QueryAttention(8, 2, 48).to(dtype)
    x = torch.randn(2, *size, 8, dtype=dtype)
    tokens = x.flatten(1, 2)
    query = attention.query(attention.task_query).view(1, 48, 2, 4).transpose(1, 2)
    places = torch.arange(tokens.shape[1], dtype=dtype) * (48 / tokens.shape[1])
    query = query[:, :, places.long()]  # in float32 some of 74 places are one lower than exact ones
    key, value = attention.key_value(tokens).view(2, -1, 2, 2, 4).permute(2, 0, 3, 1, 4)
    scores = (query @ key.transpose(2, 3) / 2).softmax(3)
    expected = attention.project((scores @ value).transpose(1, 2).reshape(tokens.shape))
    torch.testing.assert_close(attention(x), expected.view(x.shape))


def test_fixed_features_come_from_the_seed_and_travel_with_the_weights():
    torch.manual_seed(5)
    a, b, c = (create_model("kanet-tiny", seed=s).eval() for s in (1, 1, 2))
    for network in (b, c):
        own = {k: v for k, v in network.state_dict().items() if "fourier" in k}
        network.load_state_dict(a.state_dict() | own)
    x = frames(1, 1, 48, 64)
    torch.random.manual_seed(0)
    assert torch.equal(restored(a, x), restored(b, x))
    assert not torch.equal(restored(a, x), restored(c, x))
    c.load_state_dict(a.state_dict())
    assert torch.equal(restored(a, x), restored(c, x))


def test_redrawn_features_differ_from_call_to_call_but_not_within_one():
    network = tiny(redraw_fourier=True)
    x = frames(1, 1, 48, 64).expand(2, -1, -1, -1, -1)
    torch.manual_seed(0)
    first, second = restored(network, x), restored(network, x)
    assert not torch.equal(first, second)
    torch.testing.assert_close(first[0], first[1])
    torch.manual_seed(0)
    assert torch.equal(restored(network, x), first)


def test_skip_removal_leaves_the_decoder_as_the_only_way():
    x = frames(1, 1, 64, 80)
    out = {}
    for skip in (True, False):
        network = tiny(skip_removal=skip)
        torch.nn.init.zeros_(network.tail.ups[0].weight)  # nothing of the decoder passes
        before = restored(network, x)
        torch.nn.init.normal_(network.removal.conv1.weight)
        out[skip] = (restored(network, x) - before).abs().max()
    assert out[True] == 0
    assert out[False] > 1e-4


@pytest.mark.parametrize(
    ("length", "start", "stop"),
    [(48, 0, 48), (49, 1, 49), (50, 1, 49), (63, 1, 49), (62, 7, 55), (86, 3, 83), (117, 1, 113)],
)
def test_released_crop(length, start, stop):
    places = torch.arange(length)
    assert torch.equal(released_crop(places.expand(48, -1)), places[start:stop].expand(48, -1))
    assert torch.equal(released_crop(places[:, None].expand(-1, 48))[:, 0], places[start:stop])


def test_crop_cuts_what_is_refused_otherwise():
    x = frames(1, 2, 86, 53)
    with pytest.raises(FramesError, match="86x53 pixels; KANet takes multiples of 16 from 48 up"):
        tiny()(x)
    network = tiny(crop=True)
    assert torch.equal(restored(network, x), restored(network, x[..., 3:83, 1:49]))


@pytest.mark.parametrize("shape", [(1, 1, 3, 47, 64), (1, 1, 3, 32, 32), (1, 3, 64, 64), (64,)])
@pytest.mark.parametrize("crop", [True, False])
def test_frames_that_no_crop_helps_are_refused(shape, crop):
    with pytest.raises(FramesError, match=f"{shape[-2]}x|shape" if len(shape) > 1 else "shape"):
        tiny(crop=crop)(torch.zeros(shape))


def test_as_released_is_all_switches_and_each_overrides_it():
    released = dict.fromkeys(("redraw_fourier", "skip_removal", "crop"), True)
    whole, one_by_one, plain = tiny(as_released=True), tiny(**released), tiny()
    off = tiny(as_released=True, **dict.fromkeys(released, False))
    x = frames(1, 1, 70, 85)
    torch.manual_seed(0)
    cropped = restored(whole, x)
    torch.manual_seed(0)
    assert torch.equal(restored(one_by_one, x), cropped)
    assert torch.equal(restored(off, x[..., :64, :80]), restored(plain, x[..., :64, :80]))


def test_whoever_pads_never_meets_the_crop():
    assert tiny(as_released=True).needs == tiny().needs
    network = tiny(as_released=True, redraw_fourier=False)
    x = frames(1, 1, 50, 90)
    with torch.inference_mode():
        assert padded_forward(network, x).shape == x.shape


def test_z_is_the_mean_of_the_encoders_last_map_before_the_removal():
    network = tiny()
    x = frames(2, 2, 48, 80)
    with torch.inference_mode():
        z = network(x).auxiliary["z"]
        deepest = network.encoder(2 * x.flatten(0, 1) - 1)[-1]
    assert z.shape == (2, 2, network.config.widths[-1])
    torch.testing.assert_close(z, deepest.mean((2, 3)).view(z.shape))


def test_views_and_samples_are_pictures_of_their_own():
    network = tiny()
    x = frames(2, 2, 48, 64)
    singles = [restored(network, x[i : i + 1, v : v + 1]) for i in range(2) for v in range(2)]
    together = restored(network, x).reshape(4, 3, 48, 64)
    torch.testing.assert_close(together, torch.cat(singles)[:, 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 50), (47, 48), (49, 33), (80, 65), (131, 77)])
def test_pictures_of_any_size(size):
    network = tiny()
    x = frames(1, 2, *size)
    with torch.inference_mode():
        out = padded_forward(network, x)
    assert out.shape == x.shape
    assert torch.isfinite(out).all()
    assert out.abs().max() < 1


@pytest.mark.parametrize("name", ["kanet-tiny", "kanet-small"])
@pytest.mark.parametrize("released", [True, False])
def test_gradients_reach_every_parameter(name, released):
    """At 128 pixels: in a smaller picture one attention or another has a single key."""
    torch.manual_seed(0)
    network = create_model(name, as_released=released).eval()
    network(frames(1, 2, 128, 128)).image.square().mean().backward()
    dead = [k for k, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_training_leaves_blocks_out_and_eval_does_not():
    network = tiny(drop_path=0.5)
    shares = [m.share for m in network.encoder.stages.modules() if isinstance(m, DropPath)]
    assert shares == pytest.approx([0.5 * i / 7 for i in range(8)])
    shares = [m.share for m in network.encoder.sides.modules() if isinstance(m, DropPath)]
    assert shares == pytest.approx([0, 0.5 * 2 / 7, 0.5 * 4 / 7])
    shares = [m.share for m in network.decoder.modules() if isinstance(m, DropPath)]
    assert shares == pytest.approx([0, 0.5 / 15, 1 / 15])
    x = frames(1, 2, 48, 48)
    assert torch.equal(restored(network, x), restored(network, x))
    network.train()
    for norm in network.removal.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.eval()
    torch.manual_seed(0)
    assert not torch.equal(restored(network, x), restored(network, x))


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"widths": (16, 24, 32)}, r"widths = \(16, 24, 32\); give 4"),
        ({"side_heads": (1, 0, 2)}, r"side_heads = \(1, 0, 2\)"),
        ({"heads": (1, 2, 5, 4)}, "32 channels in 5 heads"),
        ({"decoder_heads": 3}, "40 channels in 3 heads"),
        ({"widths": (16, 24, 32, 4)}, "at least 8"),
        ({"queries": 0}, "queries = 0"),
        ({"decoder_blocks": 0}, "decoder_blocks = 0"),
        ({"drop_path": 1.0}, r"drop_path = 1\.0"),
        ({"drop_path": float("nan")}, "drop_path = nan"),
        ({"seed": -1}, r"seed = -1; .*from 0 to 2\^63 - 1"),
        ({"seed": 1 << 63}, "seed = 9223372036854775808"),
        ({"crop": "yes"}, "'yes'"),
    ],
)
def test_values_that_make_no_network_are_refused(switches, message):
    with pytest.raises(ConfigError, match=message):
        create_model("kanet-tiny", **switches)


def test_bfloat16_stays_close():
    network = tiny()
    x = frames(1, 2, 64, 80)
    exact = restored(network, x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = restored(network, x)
    pure = restored(network.bfloat16(), x.bfloat16())
    assert pure.dtype == torch.bfloat16
    for rough in (mixed, pure):
        assert (rough.float() - exact).abs().mean() < 0.03 * exact.std()


def test_memory_format_changes_nothing():
    network = tiny()
    x = frames(1, 2, 64, 80)
    exact = restored(network, x)
    network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(restored(network, x), exact, rtol=0, atol=1e-5)


def test_export_gives_the_same_pictures():
    network = tiny()
    program = torch.export.export(PictureOnly(network), (frames(1, 2, 48, 80),), strict=False)
    x = frames(1, 2, 48, 80, seed=1)
    torch.testing.assert_close(program.module()(x), restored(network, x), rtol=0, atol=1e-5)


def test_export_with_free_height_and_width():
    """In steps of 64 pixels from 128 up, where no map is rounded up or a single pixel."""
    network = tiny()
    sides = {i: 64 * torch.export.Dim(f"n{i}", min=2, max=64) for i in (3, 4)}
    program = torch.export.export(
        PictureOnly(network), (frames(1, 1, 192, 256),), dynamic_shapes=(sides,), strict=False
    )
    x = frames(1, 1, 128, 320, seed=1)
    torch.testing.assert_close(program.module()(x), restored(network, x), rtol=0, atol=1e-5)
