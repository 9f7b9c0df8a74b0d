"""PSIDNet: the authors' numbers with weights by formula, equations of its parts, switches, bands."""

import functools
import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from deweather.errors import ConfigError, FramesError
from deweather.inference.sizes import padded_forward
from deweather.models import create_model, psidnet
from deweather.models.psidnet import CrossView, ResidualPair
from deweather.weights.authors import psidnet as authors
from tests.formula import deviation, image, noise
from tests.graphs import PictureOnly

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("psidnet.json").read_text())
MANIFEST = GOLDEN["manifest"]
PUBLISHED_PARAMETERS = 11_451_017
UNUSED_PARAMETERS = 2_423_808
PUBLISHED_GFLOP = 292.6  # for a pair of 256x256, two for a multiply-add
SWITCHES = ("crossed_views", "unscaled_attention", "whole_stage_pictures")
DOUBLE = {"rtol": 0, "atol": 1e-12}


def value(key, shape, seed):
    """One tensor of the authors' checkpoint, filled by formula."""
    v = noise(key, shape, seed)
    return 0.1 * v if key.endswith("bias") else 0.8 * v * math.sqrt(3 / math.prod(shape[1:]))


@functools.cache
def official(seed):
    """The published network as released with the formula's weights, in float64."""
    with torch.device("meta"):
        network = create_model("psidnet", as_released=True)
    state = {key: value(key, shape, seed) for key, shape in MANIFEST.items()}
    network.load_state_dict(authors.translate(state), assign=True)
    return network.eval()


@functools.cache
def outputs(index, dtype):
    """All outputs for a golden case by the authors' names; pictures cut back to their size."""
    case = GOLDEN["cases"][index]
    h, w = case["height"], case["width"]
    views = [image(case["batch"], 3, h, w, shift) for shift in (0, 5)]
    views = [F.pad(view, (0, -w % 8, 0, -h % 8), mode="replicate") for view in views]
    network = official(case["seed"])
    if dtype is not torch.float64:
        state = {k: p.to(dtype) for k, p in network.state_dict().items()}
        network = create_model("psidnet", as_released=True).eval()
        network.load_state_dict(state)
    with torch.inference_mode():
        out = network(torch.stack(views, dim=1).to(dtype))
    left, right = (out.image[:, v, :, :h, :w] for v in (0, 1))
    return {"dehaze_left": left, "dehaze_right": right, **out.auxiliary}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("index", range(len(GOLDEN["cases"])))
def test_the_authors_numbers(index, dtype, tolerance):
    found, expected = outputs(index, dtype), GOLDEN["cases"][index]["outputs"]
    assert found.keys() == expected.keys()
    for name, figures in expected.items():
        assert deviation(found[name], figures) < tolerance, name


def on_meta(name, **switches):
    """A network without memory or arithmetic: enough to count."""
    with torch.device("meta"):
        return create_model(name, **switches)


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_every_key_of_the_manifest_is_used_or_dropped_on_purpose():
    state = {key: torch.empty(shape, device="meta") for key, shape in MANIFEST.items()}
    translated = authors.translate(state)
    ours = on_meta("psidnet").state_dict()
    assert {k: v.shape for k, v in translated.items()} == {k: v.shape for k, v in ours.items()}
    dropped = [k for k in state if any(p.fullmatch(k) for p in authors.UNUSED)]
    assert len(dropped) + len(translated) == len(state)
    assert sum(v.numel() for v in state.values()) == PUBLISHED_PARAMETERS
    assert sum(state[k].numel() for k in dropped) == UNUSED_PARAMETERS


def test_keys_of_nothing_are_handed_back_as_unknown():
    alien = ["enc_stage4.layer1.weight", "enc_stage1.layer13.0.weight", "dec_stage1.layer16.0.bias"]
    alien += ["enc_stage1.layer2.weight", "fuse_lv2_3.se.fc.0.weight", "fuse_lv1.se.fc.1.weight"]
    translated = authors.translate({key: torch.zeros(1) for key in alien})
    assert sorted(translated) == sorted(f"?{key}" for key in alien)


def test_published_size():
    assert parameters(on_meta("psidnet")) == PUBLISHED_PARAMETERS - UNUSED_PARAMETERS


def test_published_cost():
    """Ours plus what `merge` is spared: of six products of C x C per pixel of the features, two."""
    network = on_meta("psidnet")
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 2, 3, 256, 256, device="meta"))
    counted = counter.get_flop_counts()["Global"]
    convolutions = sum(n for op, n in counted.items() if "convolution" in str(op))
    spared = 3 * 2 * 2 * 128 * 128 * 64 * 64
    # Scores once and two gatherings, rows of 32, 64 and 64 pixels of the features (64, 64).
    attention = sum(2 * 3 * 128 * 64 * 64 * width for width in (32, 64, 64))
    total = (convolutions + spared + attention) / 1e9
    assert total == pytest.approx(PUBLISHED_GFLOP, rel=1e-3)


@pytest.mark.parametrize(("name", "low", "high"), [("small", 1e6, 3e6), ("tiny", 0.2e6, 0.6e6)])
def test_compact_sizes(name, low, high):
    assert low < parameters(on_meta(f"psidnet-{name}")) < high


@functools.cache
def tiny(**switches):
    """A small network in float64 whose views matter to each other."""
    torch.manual_seed(0)
    network = create_model("psidnet-tiny", **switches).double().eval()
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if key.endswith("weight"):
                parameter.mul_(2 if "cross_views" in key else 1.5)
    return network


def frames(b, v, h, w, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.rand(b, v, 3, h, w, generator=draws, dtype=torch.float64)


def run(network, x):
    with torch.inference_mode():
        return network(x)


@pytest.mark.parametrize("unscaled", [False, True])
@pytest.mark.parametrize("crossed", [False, True])
def test_cross_view_against_the_equations(crossed, unscaled):
    torch.manual_seed(0)
    cross = CrossView(32, crossed=crossed, unscaled=unscaled).double()
    x = torch.randn(4, 32, 3, 5, dtype=torch.float64)
    left, right = x[0::2], x[1::2]

    def merge(a, b):
        return F.gelu(cross.merge(torch.cat([a, b], dim=1)))

    fused = merge(left, right)
    fused = fused * cross.gate(fused.mean((2, 3)))[..., None, None]
    query, key = F.gelu(cross.match(left)), F.gelu(cross.match(right))
    scores = torch.einsum("ncyi,ncyj->nyij", query, key) / (1 if unscaled else math.sqrt(32))
    on_left = torch.einsum("nyij,ncyj->ncyi", scores.softmax(3), merge(right, fused))
    on_right = torch.einsum("nyij,ncyi->ncyj", scores.softmax(2), merge(left, fused))
    if crossed:
        on_left, on_right = on_right, on_left
    out = cross(x)
    torch.testing.assert_close(out[0::2], left + on_left, **DOUBLE)
    torch.testing.assert_close(out[1::2], right + on_right, **DOUBLE)


def grid(x, rows, columns):
    """The parts of pictures, row by row."""
    return [part for row in x.chunk(rows, dim=-2) for part in row.chunk(columns, dim=-1)]


def paste(parts, rows, columns):
    """The pictures of parts, row by row."""
    lines = [torch.cat(parts[columns * r : columns * (r + 1)], dim=-1) for r in range(rows)]
    return torch.cat(lines, dim=-2)


def step_by_step(network, x, *, whole):
    """The three stages part by part: final picture, and what stages one and two decode."""

    def encode_and_read(stage, pictures, rows, columns):
        features = [stage.encoder(part) for part in grid(pictures, rows, columns)]
        pairs = zip(stage.cross_views, features, strict=True)
        return paste([cross(part) for cross, part in pairs], rows, columns)

    n, hazy = network, x.flatten(0, 1)
    features = encode_and_read(n.quarters, hazy, 2, 2)
    stage1 = paste([n.quarters.decoder(part) for part in grid(features, 2, 1)], 2, 1)
    features = encode_and_read(n.halves, hazy + stage1, 2, 1) + features
    stage2 = n.halves.decoder(features)
    features = n.full.cross_views[0](n.full.encoder(hazy + stage2) + features)
    added = 0 if whole else hazy
    final = n.full.decoder(features)
    return [t.reshape(x.shape) for t in (final, added + stage1, added + stage2)]


@pytest.mark.parametrize("whole", [False, True])
def test_the_three_stages_part_by_part(whole):
    network, x = tiny(whole_stage_pictures=whole), frames(2, 2, 16, 24)
    out = run(network, x)
    with torch.inference_mode():
        final, stage1, stage2 = step_by_step(network, x, whole=whole)
    torch.testing.assert_close(out.image, final, **DOUBLE)
    for v, side in enumerate(("left", "right")):
        top, bottom = (out.auxiliary[f"stage1_{side}_{half}"] for half in ("top", "bottom"))
        torch.testing.assert_close(torch.cat([top, bottom], dim=2), stage1[:, v], **DOUBLE)
        torch.testing.assert_close(out.auxiliary[f"stage2_{side}"], stage2[:, v], **DOUBLE)


def settings_of(network):
    cross = network.halves.cross_views[1]
    whole = network.config.released(network.config.whole_stage_pictures)
    return cross.crossed, cross.scale == 1.0, whole


def test_as_released_sets_the_switches_that_are_not_given():
    assert settings_of(on_meta("psidnet")) == (False, False, False)
    assert settings_of(on_meta("psidnet", as_released=True)) == (True, True, True)
    for i, switch in enumerate(SWITCHES):
        for released in (False, True):
            found = settings_of(on_meta("psidnet", as_released=released, **{switch: not released}))
            assert found == tuple(released != (i == k) for k in range(3))


def test_each_switch_changes_what_it_says():
    x = frames(1, 2, 16, 24)
    plain = run(tiny(), x)
    for switch in SWITCHES:
        other = tiny(**{switch: True})
        other.load_state_dict(tiny().state_dict())
        out = run(other, x)
        if switch != "whole_stage_pictures":
            assert (out.image - plain.image).abs().max() > 1e-4, switch
            continue
        assert torch.equal(out.image, plain.image)
        difference = plain.auxiliary["stage2_right"] - out.auxiliary["stage2_right"]
        torch.testing.assert_close(difference, x[:, 1], **DOUBLE)


@pytest.mark.parametrize("views", [1, 2])
def test_chunks_and_bands_change_nothing(monkeypatch, views):
    network, x = tiny(), frames(3, views, 40, 24)
    whole = run(network, x)
    shapes = []
    count = network.full.encoder[1].conv1.register_forward_hook(
        lambda module, given, out: shapes.append(tuple(out.shape))
    )
    monkeypatch.setattr(psidnet, "_CHUNK_PIXELS", 2 * 40 * 24)
    monkeypatch.setattr(psidnet, "_BAND_PIXELS", 500)
    cut = run(network, x)
    count.remove()
    assert max(n for n, *_ in shapes) <= 2
    assert max(h for *_, h, _ in shapes) < 30  # rows of a band and the two above and below
    torch.testing.assert_close(cut.image, whole.image, **DOUBLE)
    for name, picture in whole.auxiliary.items():
        torch.testing.assert_close(cut.auxiliary[name], picture, **DOUBLE)


@pytest.mark.parametrize("height", [1, 2, 7, 8, 9, 10, 17, 33])
def test_a_residual_pair_in_bands_of_any_height(monkeypatch, height):
    torch.manual_seed(height)
    pair, x = ResidualPair(3).double(), torch.randn(2, 3, height, 5, dtype=torch.float64)
    expected = x + pair.conv2(pair.conv1(x).relu())
    monkeypatch.setattr(psidnet, "_BAND_PIXELS", 1)
    with torch.no_grad():
        torch.testing.assert_close(pair(x), expected.detach(), **DOUBLE)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_gradients_on_or_off_and_memory_format_give_the_same(memory_format):
    torch.manual_seed(0)
    network = create_model("psidnet-tiny").eval()
    x = frames(1, 2, 16, 24).float()
    with torch.no_grad():
        expected = network(x).image
    traced = network.to(memory_format=memory_format)(x).image
    assert traced.requires_grad
    torch.testing.assert_close(traced.detach(), expected, rtol=0, atol=1e-5)


def test_one_view_is_the_network_without_exchange():
    x = frames(1, 2, 16, 24)
    network = create_model("psidnet-tiny").double().eval()
    network.load_state_dict(tiny().state_dict())
    alone = [run(network, x[:, v : v + 1]) for v in (0, 1)]
    together = run(network, x).image
    assert set(alone[0].auxiliary) == {"stage1_left_top", "stage1_left_bottom", "stage2_left"}
    for stage in (network.quarters, network.halves, network.full):
        stage.cross_views = nn.ModuleList(nn.Identity() for _ in stage.cross_views)
    alone = torch.cat([out.image for out in alone], dim=1)
    torch.testing.assert_close(run(network, x).image, alone, **DOUBLE)
    assert (alone - together).abs().max() > 1e-3


def test_views_see_each_other():
    x = frames(1, 2, 16, 24)
    y = torch.stack([x[:, 0], frames(1, 1, 16, 24, seed=1)[:, 0]], dim=1)
    change = (run(tiny(), x).image - run(tiny(), y).image)[:, 0]
    assert change.abs().max() > 1e-4


@pytest.mark.parametrize("views", [1, 2])
def test_a_batch_is_its_singles(views):
    x = frames(3, views, 16, 24)
    singles = torch.cat([run(tiny(), x[i : i + 1]).image for i in range(3)])
    torch.testing.assert_close(run(tiny(), x).image, singles, **DOUBLE)


def test_gradients_reach_every_parameter():
    network = create_model("psidnet-small")
    network(frames(1, 2, 16, 24).float()).image.square().mean().backward()
    assert [k for k, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_one_view_leaves_the_exchange_without_gradient():
    network = create_model("psidnet-tiny")
    network(frames(1, 1, 16, 16).float()).image.square().mean().backward()
    without = {k.split(".")[1] for k, p in network.named_parameters() if p.grad is None}
    assert without == {"cross_views"}


@settings(derandomize=True, max_examples=10, deadline=None)
@given(b=st.integers(1, 2), v=st.integers(1, 2), h=st.integers(1, 4), w=st.integers(1, 5))
def test_every_size_on_the_grid(b, v, h, w):
    x = frames(b, v, 8 * h, 8 * w)
    out = run(tiny(), x)
    assert out.image.shape == x.shape
    for name, picture in out.auxiliary.items():
        rows = 4 * h if "stage1" in name else 8 * h
        assert picture.shape == (b, 3, rows, 8 * w)
    assert torch.isfinite(out.image).all()


@pytest.mark.parametrize("shape", [(1, 1, 3, 1, 1), (1, 2, 3, 9, 15), (2, 2, 3, 3, 17)])
def test_any_size_by_padding(shape):
    with torch.inference_mode():
        out = padded_forward(tiny(), frames(*shape[:2], *shape[3:]))
    assert out.shape == shape
    assert torch.isfinite(out).all()


@pytest.mark.parametrize(("h", "w"), [(12, 16), (20, 16), (68, 64), (17, 16), (4, 8)])
def test_sizes_off_the_grid_name_themselves(h, w):
    with pytest.raises(FramesError, match=rf"{h}x{w} pixels.*multiples of 8"):
        tiny()(frames(1, 2, h, w))


@pytest.mark.parametrize("switches", [{"width": 0}, {"pairs": 0}, {"crossed_views": 1}])
def test_wrong_switches_are_refused(switches):
    with pytest.raises(ConfigError, match=next(iter(switches))):
        create_model("psidnet-tiny", **switches)


def test_bfloat16_stays_close():
    torch.manual_seed(0)
    network = create_model("psidnet-tiny").eval()
    x = frames(1, 2, 32, 32).float()
    exact = run(network, x).image
    rough = run(network.bfloat16(), x.bfloat16()).image
    assert rough.dtype == torch.bfloat16
    assert (exact - rough.float()).abs().mean() < 0.02 * exact.abs().mean()


@pytest.mark.parametrize("views", [1, 2])
def test_export_with_free_height_and_width(views):
    sides = {i: 8 * torch.export.Dim(f"n{i}", min=2, max=256) for i in (3, 4)}
    with torch.no_grad():
        program = torch.export.export(
            PictureOnly(tiny()),
            (frames(1, views, 32, 48),),
            dynamic_shapes=(sides,),
            strict=False,
        )
        x = frames(1, views, 48, 24, seed=1)
        exported = program.module()(x)
    torch.testing.assert_close(exported, run(tiny(), x).image, **DOUBLE)
