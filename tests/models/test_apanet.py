"""APANet: the authors' numbers with weights by formula, equations of its parts, the switch, strips."""

import functools
import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from deweather.errors import ConfigError, FramesError, UnknownNameError
from deweather.inference.sizes import padded_forward
from deweather.models import apanet, create_model
from deweather.models.apanet import Block, Stereo
from deweather.nn import row_chunks
from deweather.nn.external_attention import ExternalAttention
from deweather.weights.authors import apanet as authors
from tests.formula import deviation, image, noise
from tests.graphs import PictureOnly

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("apanet.json").read_text())
MANIFEST = GOLDEN["manifest"]
PUBLISHED_PARAMETERS = 8_013_443
WITHOUT_INFLUENCE = 4_736  # biases of the norms before external attention
PUBLISHED_GFLOP = 167.7  # for a pair of 256x256, two for a multiply-add
DOUBLE = {"rtol": 0, "atol": 1e-11}


def value(key, shape, seed):
    """One tensor of the authors' checkpoint, filled by the formula for its kind."""
    v = noise(key, shape, seed)
    last = key.rsplit(".", 1)[-1]
    if last in ("beta", "gamma"):
        return 0.5 * v
    if last == "bias":
        return 0.1 * v
    return 1 + 0.1 * v if len(shape) == 1 else v * math.sqrt(3 / math.prod(shape[1:]))


@functools.cache
def checkpoint(seed):
    return {key: value(key, shape, seed) for key, shape in MANIFEST.items()}


def filled(case):
    """The published network with the formula's weights, in float64."""
    with torch.device("meta"):
        network = create_model("apanet", as_released=case["variant"] == "official")
    network.load_state_dict(authors.translate(checkpoint(case["seed"])), assign=True)
    return network.eval()


def pair(case):
    """The formula's frames (B, 2, 3, H, W), mirrored to multiples of 8, and the plain ones."""
    size = case["batch"], 3, case["height"], case["width"]
    plain = torch.stack([image(*size), image(*size, shift=5)], dim=1)
    padding = (0, -size[3] % 8, 0, -size[2] % 8)
    padded = F.pad(plain.flatten(1, 2), padding, mode="reflect").unflatten(1, (2, 3))
    return padded, plain


def largest_deviation(outputs, case):
    """Over all outputs of a case."""
    assert set(outputs) == set(case["outputs"])
    return max(deviation(outputs[name], figures) for name, figures in case["outputs"].items())


def outputs(network, case, dtype=torch.float64):
    """All outputs of a golden case under their official names, both views in one tensor."""
    padded, plain = pair(case)
    with torch.inference_mode():
        out = network(padded.to(dtype))
    restored = out.image[..., : plain.shape[3], : plain.shape[4]]
    change = restored - plain.to(dtype)
    return {
        "restored": restored.flatten(1, 2),
        "minus_input": change.flatten(1, 2),
        **out.auxiliary,
    }


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda c: f"{c['seed']}-{c['variant']}")
def test_official_numbers(case):
    assert largest_deviation(outputs(filled(case), case), case) < 1e-9


def test_official_numbers_in_float32():
    case = GOLDEN["cases"][1]
    assert case["variant"] == "corrected"
    assert largest_deviation(outputs(filled(case).float(), case, torch.float32), case) < 1e-4


def on_meta(name, **switches):
    """A network without memory or arithmetic: enough to count."""
    with torch.device("meta"):
        return create_model(name, **switches)


def parameters(name):
    return sum(p.numel() for p in on_meta(name).parameters())


def test_every_key_of_the_manifest_is_used_or_without_influence():
    state = {k: torch.empty(shape, device="meta") for k, shape in MANIFEST.items()}
    translated = authors.translate(state)
    ours = {k: p.shape for k, p in on_meta("apanet").state_dict().items()}
    assert {k: p.shape for k, p in translated.items()} == ours
    dropped = [k for k in state if any(p.fullmatch(k) for p in authors.UNUSED)]
    assert len(dropped) + len(ours) == len(MANIFEST)
    assert sum(state[k].numel() for k in dropped) == WITHOUT_INFLUENCE


def test_published_size():
    assert parameters("apanet") + WITHOUT_INFLUENCE == PUBLISHED_PARAMETERS


@pytest.mark.parametrize(("name", "low", "high"), [("small", 1e6, 3e6), ("tiny", 0.2e6, 0.6e6)])
def test_compact_sizes(name, low, high):
    assert low < parameters(f"apanet-{name}") < high


def test_published_cost(monkeypatch):
    """Products as counted; of row attention, in closed form.

    A block on (c, s, s) maps compares s rows of s pixels once and multiplies that map and its
    transpose with the values of a view each: three products of s·s·s·c, masked or not.
    """
    monkeypatch.setattr(apanet, "one_way_row_attention", lambda left, right, *values: values[::-1])
    network, size = on_meta("apanet"), 256
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 2, 3, size, size, device="meta"))
    flop = counter.get_total_flops()
    for level in range(3):
        for blocks in (network.encoders[level], network.decoders[2 - level]):
            c = blocks[0].memory.values.shape[0]
            flop += 6 * len(blocks) * (size >> level) ** 3 * c
    flop += 6 * len(network.middle) * (size >> 3) ** 3 * 256
    assert flop / 1e9 == pytest.approx(PUBLISHED_GFLOP, rel=0.01)


def alive(module, scale=0.5):
    """Give a module seeded weights of which every one shows in its output."""
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=draws)
            fan_in = math.prod(parameter.shape[1:])
            if parameter.ndim == 1:
                parameter.copy_(("norm.weight" in key) + scale * noise)
            else:
                parameter.copy_(noise / math.sqrt(fan_in))
    return module.eval()


@functools.cache
def tiny(**switches):
    with torch.inference_mode(False):  # whoever asks first, others want gradients
        return alive(create_model("apanet-tiny", **switches))


def drawn(*shape, seed=0, dtype=torch.float32):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def frames(b, v, h, w, seed=0):
    return drawn(b, v, 3, h, w, seed=seed)


@pytest.mark.parametrize("epsilon", [1e-9, 0.3, 1e9])
def test_external_attention_against_the_equations(epsilon):
    attention = alive(ExternalAttention(6, 5, epsilon)).double()
    x = 3 * drawn(2, 4, 7, 6, dtype=torch.float64)
    normed = F.layer_norm(x, (6,), attention.norm.weight, torch.full((6,), 0.7).double(), 1e-5)
    weights = (normed.flatten(1, 2) @ attention.keys.T).softmax(1)
    weights = weights / (epsilon + weights.sum(2, keepdim=True))
    read = (weights @ attention.values.T).view(x.shape)
    torch.testing.assert_close(attention(x), x + attention.scale * read, **DOUBLE)


@pytest.mark.parametrize("steep", [1, 300], ids=["plain", "steep"])
def test_external_attention_in_strips(steep, monkeypatch):
    """With scores that exponentials can take, and with others."""
    monkeypatch.setitem(row_chunks._LIMIT, "cpu", 1)
    attention = alive(ExternalAttention(6, 5, 1e-9)).double()
    x = 3 * drawn(2, 20, 7, 6, dtype=torch.float64)
    with torch.no_grad():
        attention.keys *= steep
        expected = attention(x)
        attention.in_place(x, x.new_empty(20 * 7 * 5))
    torch.testing.assert_close(x, expected, **DOUBLE)


@pytest.mark.parametrize("epsilon", [1e-9, 20.0])
def test_external_attention_never_adds_more_than_its_bound(epsilon):
    attention = alive(ExternalAttention(6, 5, epsilon)).double()
    x = 3 * drawn(2, 4, 7, 6, dtype=torch.float64)
    added = (attention(x) - x).abs().amax()
    assert 0.01 * attention.most() < added <= attention.most()


@pytest.mark.parametrize("epsilon", [1e-9, 1e9])
def test_what_is_lost_in_rounding_is_left_out(epsilon):
    attention = alive(ExternalAttention(6, 5, epsilon))
    x = 3 * drawn(2, 4, 7, 6)
    asked: list[int] = []
    attention.norm.register_forward_hook(lambda *_: asked.append(1))
    with torch.no_grad():
        expected = attention(x)
        asked.clear()
        attention.in_place(x, x.new_empty(4 * 7 * 5))
    torch.testing.assert_close(x, expected)
    assert bool(asked) == (epsilon < 1)


def test_stereo_against_the_equations():
    stereo = alive(Stereo(4)).double()
    x = drawn(4, 3, 7, 4, dtype=torch.float64)
    left, right = x[:2], x[2:]
    (q_left, v_left), (q_right, v_right) = stereo.left(left), stereo.right(right)
    scores = torch.einsum("bhic,bhjc->bhij", q_left, q_right) / 2
    scores = scores.masked_fill(torch.ones(7, 7).triu(1).bool(), -math.inf)
    to_left = scores.softmax(3) @ v_right
    to_right = scores.softmax(2).transpose(2, 3) @ v_left
    expected = [left + stereo.left.scale * to_left, right + stereo.right.scale * to_right]
    torch.testing.assert_close(stereo(x), torch.cat(expected), **DOUBLE)


def test_views_see_each_other_as_far_as_disparities_allow():
    stereo = alive(Stereo(4))
    x = drawn(2, 2, 8, 4)
    in_right, in_left = x.clone(), x.clone()
    in_right[1, :, 5] += 1
    in_left[0, :, 5] += 1
    left = (stereo(in_right) - stereo(x))[0].abs().amax((0, 2)) > 1e-6
    right = (stereo(in_left) - stereo(x))[1].abs().amax((0, 2)) > 1e-6
    assert left.tolist() == [False] * 5 + [True] * 3
    assert right.tolist() == [True] * 6 + [False] * 2


def test_a_fresh_block_is_the_identity():
    block = Block(8, apanet.VARIANTS["apanet-tiny"], stereo=True)
    x = drawn(2, 4, 8, 8)
    assert torch.equal(block(x, pair=True), x)


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("shape", [(8, 8), (24, 136), (44, 12)])
def test_strips_are_the_whole(monkeypatch, shape, views):
    network = tiny(stereo_from=0)
    x = frames(2, views, *shape)
    with torch.no_grad():
        monkeypatch.setitem(row_chunks._LIMIT, "cpu", 1 << 40)
        whole = network(x).image
        monkeypatch.setitem(row_chunks._LIMIT, "cpu", 1)
        assert row_chunks.chunk_rows(torch.zeros(4, *shape, 3))[0].shape[1] == 8
        torch.testing.assert_close(network(x).image, whole, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(network(x).image.detach(), whole, rtol=1e-5, atol=1e-5)


def test_strips_leave_the_input_alone(monkeypatch):
    monkeypatch.setitem(row_chunks._LIMIT, "cpu", 1)
    x = frames(1, 2, 24, 16).contiguous()
    before = x.clone()
    with torch.inference_mode():
        tiny()(x)
    assert torch.equal(x, before)


def test_more_pixels_than_float16_can_count():
    """Sums of exponentials over 264x264 pixels pass its end at 65504."""
    network, x = alive(create_model("apanet-tiny")), frames(1, 1, 264, 264)
    with torch.no_grad():
        expected = network(x).image
        image = network.half()(x.half()).image
    torch.testing.assert_close(image.float(), expected, rtol=0, atol=0.05)


def without_memory(network, x):
    """What the network would make of x if external attention added nothing."""
    kept = {k: p.clone() for k, p in network.state_dict().items()}
    muted = {k: torch.zeros_like(p) if "memory.scale" in k else p for k, p in kept.items()}
    return torch.func.functional_call(network, muted, (x,)).image


def test_the_released_normaliser_silences_external_attention():
    x = frames(1, 2, 16, 24)
    with torch.inference_mode():
        released, corrected = tiny(as_released=True)(x).image, tiny()(x).image
        assert torch.equal(released, without_memory(tiny(as_released=True), x))
        assert (corrected - without_memory(tiny(), x)).abs().max() > 1e-2
        assert torch.equal(tiny(normaliser=1e9)(x).image, released)
        assert torch.equal(tiny(as_released=True, normaliser=1e-9)(x).image, corrected)


def test_compact_sizes_exchange_below_full_resolution_only():
    for name in ("apanet-small", "apanet-tiny"):
        network = on_meta(name)
        assert all(block.stereo is None for block in network.encoders[0])
        assert all(block.stereo is None for block in network.decoders[-1])
        assert all(block.stereo is not None for block in network.middle)
    assert all(block.stereo is not None for block in on_meta("apanet").encoders[0])


def test_one_view_is_the_network_without_exchange():
    network, x = tiny(), frames(2, 2, 16, 24)
    muted = {
        k: torch.zeros_like(p) if "stereo" in k and k.endswith("scale") else p
        for k, p in network.state_dict().items()
    }
    with torch.inference_mode():
        alone = torch.cat([network(x[:, :1]).image, network(x[:, 1:]).image], dim=1)
        without = torch.func.functional_call(network, muted, (x,)).image
        torch.testing.assert_close(alone, without, rtol=1e-5, atol=1e-5)
        assert (network(x).image - without).abs().max() > 1e-2


@pytest.mark.parametrize("views", [1, 2])
def test_a_batch_is_its_singles(views):
    x = frames(3, views, 16, 24)
    with torch.inference_mode():
        together = tiny()(x)
        singles = [tiny()(x[i : i + 1]) for i in range(3)]
    images = torch.cat([single.image for single in singles])
    torch.testing.assert_close(together.image, images, rtol=1e-5, atol=1e-5)
    for name, features in together.auxiliary.items():
        joined = torch.cat([single.auxiliary[name] for single in singles])
        torch.testing.assert_close(features, joined, rtol=1e-5, atol=1e-5)


def test_auxiliary_outputs_by_name():
    with torch.inference_mode():
        one, two = tiny()(frames(2, 1, 8, 16)).auxiliary, tiny()(frames(2, 2, 8, 16)).auxiliary
    assert {k: tuple(t.shape) for k, t in one.items()} == {
        "feat_enc1_left": (2, 16, 8, 16),
        "feat_dec1_left": (2, 32, 8, 16),
    }
    assert set(two) == {*one, "feat_enc1_right", "feat_dec1_right"}


@pytest.mark.parametrize("views", [1, 2])
def test_zero_prediction_returns_the_frames(views):
    network = alive(create_model("apanet-tiny"))
    nn.init.zeros_(network.predict.weight)
    nn.init.zeros_(network.predict.bias)
    x = frames(2, views, 16, 24)
    with torch.inference_mode():
        assert torch.equal(network(x).image, x)


@pytest.mark.parametrize("as_released", [False, True])
def test_gradients_reach_every_parameter(as_released):
    network = alive(create_model("apanet-tiny", as_released=as_released))
    network(frames(1, 2, 16, 24)).image.square().mean().backward()
    dead = [k for k, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_one_view_leaves_the_exchange_without_gradient():
    network = alive(create_model("apanet-tiny"))
    network(frames(1, 1, 16, 16)).image.square().mean().backward()
    without = [k for k, p in network.named_parameters() if p.grad is None]
    assert without == [k for k, _ in network.named_parameters() if ".stereo." in k]


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (13, 29)])
def test_every_size(shape, views):
    x = frames(1, views, *shape)
    with torch.inference_mode():
        out = padded_forward(tiny(), x)
    assert out.shape == x.shape
    assert torch.isfinite(out).all()


def test_needs():
    assert on_meta("apanet").needs.multiple == on_meta("apanet").needs.minimum == 8
    assert on_meta("apanet-tiny").needs.multiple == 4
    assert on_meta("apanet").needs.tile_overlap is None
    assert on_meta("apanet").needs.whole_rows
    with pytest.raises(FramesError, match=r"12x16 pixels.*multiples of 8"):
        on_meta("apanet")(torch.zeros(1, 2, 3, 12, 16))


@pytest.mark.parametrize("views", [1, 2])
def test_tiles_agree_with_the_whole_as_released_only(views):
    released, corrected = tiny(as_released=True), tiny()
    overlap = released.needs.tile_overlap
    x = frames(1, views, 320, 8) * torch.linspace(0, 1, 320).view(320, 1) ** 2
    cut = 240
    used = slice(cut - (overlap - 64) // 2)  # tiles are blended within 64 pixels
    assert used.stop > 100
    with torch.inference_mode():
        for network, alike in ((released, True), (corrected, False)):
            whole, tile = (
                network(x).image[..., used, :],
                network(x[..., :cut, :]).image[..., used, :],
            )
            assert bool((whole - tile).abs().max() < 1e-4) is alike


def test_the_declared_overlap_covers_the_reach():
    """A pixel's change is felt up to the declared reach, and no further."""
    network = alive(create_model("apanet-tiny", as_released=True)).double()
    reach = (network.needs.tile_overlap - 64) // 2
    x = frames(1, 1, 16, 4).double()
    x = F.pad(x, (0, 0, 0, 2 * reach + 8 - (2 * reach) % 4), value=0.5)
    y = x.clone()
    y[..., 0, :] += 1
    with torch.inference_mode():
        change = (network(x).image - network(y).image).abs().amax((0, 1, 2, 4))
    last = int((change > 1e-9).nonzero().max())
    assert reach // 2 < last <= reach


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_stay_close(dtype):
    network = alive(create_model("apanet-tiny"), scale=0.1)
    x = frames(1, 2, 16, 24)
    with torch.inference_mode():
        exact = network(x).image
        rough = network.to(dtype)(x.to(dtype)).image
    assert rough.dtype == dtype
    distance = (exact.double() - rough.double()).abs().mean() / exact.std()
    assert distance < (0.03 if dtype == torch.bfloat16 else 1e-5)


def test_memory_format_does_not_matter():
    network, x = tiny(), frames(2, 2, 16, 24)
    last = x.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (2, 2))
    with torch.inference_mode():
        torch.testing.assert_close(network(last).image, network(x).image, rtol=1e-5, atol=1e-5)


def test_export_with_free_height_and_width():
    sides = {i: 4 * torch.export.Dim(f"n{i}", min=2, max=64) for i in (3, 4)}
    program = torch.export.export(
        PictureOnly(tiny()), (frames(1, 2, 16, 24),), dynamic_shapes=(sides,), strict=False
    )
    x = frames(1, 2, 24, 12, seed=1)
    with torch.inference_mode():
        exported = program.module()(x)
        torch.testing.assert_close(exported, tiny()(x).image, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "switches",
    [
        {"width": 0},
        {"width": 5},
        {"encoder": ()},
        {"decoder": (1,)},
        {"decoder": (1, -1)},
        {"middle": -1},
        {"slots": 0},
        {"stereo_from": -1},
        {"normaliser": 0.0},
        {"normaliser": float("nan")},
        {"normaliser": float("inf")},
    ],
)
def test_switches_out_of_range_are_refused(switches):
    with pytest.raises(ConfigError, match=next(iter(switches))):
        create_model("apanet-tiny", **switches)


def test_unknown_switches_are_refused():
    with pytest.raises(UnknownNameError, match="normaliser"):
        create_model("apanet", normalizer=1e9)


def test_translation_reports_what_it_does_not_know():
    state = {
        "latent.0.spatial_block.gama": torch.zeros(1),
        "encoder_level4.0.stereo_block.beta": torch.zeros(1, 8, 1, 1),
        "latent.00.stereo_block.beta": torch.zeros(1, 8, 1, 1),
        "module.project_in.bias": torch.zeros(32),
    }
    assert set(authors.translate(state)) == {f"?{key}" for key in state}


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("latent.0.stereo_block.beta", (256,)),
        ("latent.0.stereo_block.beta", (1, 256)),
        ("latent.0.stereo_block.beta", (2, 256, 1, 1)),
        ("latent.0.stereo_block.beta", (1, 256, 1, 2)),
        ("latent.0.stereo_block.l_proj1.weight", (256, 256)),
        ("latent.0.stereo_block.l_proj1.weight", (256, 256, 3, 3)),
    ],
)
def test_misshapen_tensors_stay_so(key, shape):
    ((ours, tensor),) = authors.translate({key: torch.zeros(shape, device="meta")}).items()
    assert tensor.shape != on_meta("apanet").state_dict()[ours].shape


def test_translation_keeps_the_dtype():
    state = {k: torch.zeros(s, dtype=torch.float16, device="meta") for k, s in MANIFEST.items()}
    assert {tensor.dtype for tensor in authors.translate(state).values()} == {torch.float16}
