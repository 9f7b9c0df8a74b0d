"""StereoIRR: published size and cost, what the views share, tiles, identity when fresh."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from deweather.errors import ConfigError, FramesError
from deweather.models import create_model
from deweather.models.stereoirr import DualViewMutualAttention
from deweather.nn.pool import AveragePool
from tests.graphs import PictureOnly

PUBLISHED_PARAMETERS = 39.69e6
PUBLISHED_MULTIPLY_ADDS = 9.26e9  # for a pair of 128x128


def on_meta(name):
    """A network without memory or arithmetic: enough to count."""
    with torch.device("meta"):
        return create_model(name)


def randomised(name, scale=0.3, **switches):
    """A network whose residual scales are not zero, so that every path shows in its output."""
    torch.manual_seed(0)
    network = create_model(name, **switches).eval()
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if "scale" in key:
                parameter.copy_(scale * torch.randn(parameter.shape))
            elif "attention.weight" in key or "gate" in key:
                parameter.mul_(3)
    return network


def frames(b, v, h, w, seed=0):
    return torch.rand(b, v, 3, h, w, generator=torch.Generator().manual_seed(seed))


def parameters(name):
    return sum(p.numel() for p in on_meta(name).parameters())


def multiply_adds(name, size):
    """Of convolutions, as counted; of row attention, in closed form.

    A DMA on (c, s, s) maps compares s rows of s pixels once, S = QKᵀ, and multiplies S and Sᵀ with
    the values of a view each: three products of s·s·s·c. The fused kernel does S twice, which is
    its own affair and not counted.
    """
    network = on_meta(name)
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 2, 3, size, size, device="meta"))
    counted = counter.get_flop_counts()["Global"]
    convolutions = sum(n for op, n in counted.items() if "convolution" in str(op)) // 2
    attention = 0
    for exchange in network.exchanges:
        if isinstance(exchange, DualViewMutualAttention):
            c = exchange.query.in_channels
            s = size * network.config.width // c
            attention += 3 * s**3 * c
    return convolutions + attention


def test_published_size():
    assert parameters("stereoirr") == pytest.approx(PUBLISHED_PARAMETERS, rel=0.02)


def test_published_cost():
    assert multiply_adds("stereoirr", 128) == pytest.approx(PUBLISHED_MULTIPLY_ADDS, rel=0.05)


def test_most_of_a_dma_acts_on_pooled_descriptors():
    """The publication leaves about 10.5 M parameters but only 1.2 G multiply-adds for all DMAs."""
    network = on_meta("stereoirr")
    inside = sum(p.numel() for p in network.exchanges.parameters())
    gates = sum(p.numel() for e in network.exchanges for p in e.gate.parameters())
    assert inside == pytest.approx(10.5e6, rel=0.05)
    assert gates > 0.75 * inside


@pytest.mark.parametrize(("name", "low", "high"), [("small", 1e6, 3e6), ("tiny", 0.2e6, 0.6e6)])
def test_compact_sizes(name, low, high):
    assert low < parameters(f"stereoirr-{name}") < high


@pytest.mark.parametrize("name", ["stereoirr", "stereoirr-small", "stereoirr-tiny"])
def test_local_variants_take_the_same_weights(name):
    shapes = [
        {k: p.shape for k, p in on_meta(n).state_dict().items()} for n in (name, f"{name}-local")
    ]
    assert shapes[0] == shapes[1]


def test_there_is_an_exchange_between_every_two_groups():
    network = on_meta("stereoirr")
    assert len(network.exchanges) == 2 * len(network.config.encoder)
    assert all(isinstance(e, DualViewMutualAttention) for e in network.exchanges)
    compact = on_meta("stereoirr-small")
    kinds = [type(e) for e in compact.exchanges]
    assert kinds == [nn.Identity] + [DualViewMutualAttention] * 7


def test_the_way_through_the_u():
    """Groups, exchanges and skips in the order that trained weights rely on."""
    n = randomised("stereoirr-tiny", attention_from=0)
    x = frames(1, 2, 16, 24)
    with torch.inference_mode():
        full = n.encoders[0](n.extract(x[0]))
        half = n.encoders[1](n.downs[0](n.exchanges[0](full)))
        quarter = n.encoders[2](n.downs[1](n.exchanges[1](half)))
        eighth = n.middle(n.downs[2](n.exchanges[2](quarter)))
        back = n.decoders[0](n.ups[0](n.exchanges[3](eighth)) + quarter)
        back = n.decoders[1](n.ups[1](n.exchanges[4](back)) + half)
        back = n.decoders[2](n.ups[2](n.exchanges[5](back)) + full)
        torch.testing.assert_close(n(x).image, x + n.predict(back)[None])


@pytest.mark.parametrize("views", [1, 2])
def test_zero_prediction_returns_the_frames(views):
    network = randomised("stereoirr-tiny")
    nn.init.zeros_(network.predict.weight)
    nn.init.zeros_(network.predict.bias)
    x = frames(2, views, 16, 24)
    with torch.inference_mode():
        assert torch.equal(network(x).image, x)


def test_a_fresh_dma_is_the_identity_and_a_trained_one_is_not():
    torch.manual_seed(0)
    dma = DualViewMutualAttention(6, 1.5, AveragePool(None, 1))
    x = torch.randn(4, 6, 8, 8)
    assert torch.equal(dma(x), x)
    nn.init.ones_(dma.scale_left)
    out = dma(x)
    assert not torch.allclose(out[0::2], x[0::2])
    assert torch.equal(out[1::2], x[1::2])


def test_dma_against_the_equations():
    torch.manual_seed(0)
    dma = DualViewMutualAttention(4, 1.5, AveragePool(None, 1)).double()
    with torch.no_grad():
        for parameter in dma.parameters():
            parameter.normal_(0, 0.7)
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    normed = dma.norm(x)
    left, right = normed[:1], normed[1:]
    gate = dma.gate(torch.cat([left, right], 1).mean((2, 3), keepdim=True))
    scores = torch.einsum("nchw,nchv->nhwv", dma.query(left), dma.key(right)) / 2.0
    to_left = torch.einsum("nhwv,nchv->nchw", scores.softmax(3), gate[:, 4:] * dma.value(right))
    back = scores.transpose(2, 3).softmax(3)
    to_right = torch.einsum("nhvw,nchw->nchv", back, gate[:, :4] * dma.value(left))
    expected = torch.cat([x[:1] + dma.scale_left * to_left, x[1:] + dma.scale_right * to_right])
    torch.testing.assert_close(dma(x), expected)


def test_one_view_is_the_network_without_exchange():
    network = randomised("stereoirr-tiny")
    x = frames(1, 2, 16, 24)
    with torch.inference_mode():
        alone = torch.cat([network(x[:, :1]).image, network(x[:, 1:]).image], dim=1)
        together = network(x).image
        for i in range(len(network.exchanges)):
            network.exchanges[i] = nn.Identity()
        without = network(x).image
    torch.testing.assert_close(alone, without)
    assert (alone - together).abs().max() > 1e-3


def test_views_see_each_other():
    network = randomised("stereoirr-tiny")
    x = frames(1, 2, 16, 24)
    y = x.clone()
    y[:, 1] = frames(1, 1, 16, 24, seed=1)[:, 0]
    with torch.inference_mode():
        assert (network(x).image - network(y).image)[:, 0].abs().max() > 1e-4


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("name", ["stereoirr-tiny", "stereoirr-tiny-local"])
def test_a_batch_is_its_singles(name, views):
    network = randomised(name)
    x = frames(3, views, 16, 24)
    with torch.inference_mode():
        singles = torch.cat([network(x[i : i + 1]).image for i in range(3)])
        torch.testing.assert_close(network(x).image, singles, rtol=0, atol=1e-5)


def test_rows_and_views_keep_their_places():
    """A change in the lower right of one sample's left view leaves the other sample alone."""
    network = randomised("stereoirr-tiny")
    x = frames(2, 2, 16, 24)
    y = x.clone()
    y[0, 0, :, 12:, 16:] += 0.5
    with torch.inference_mode():
        change = (network(x).image - network(y).image).abs().amax((2, 3, 4))
    assert change[0].min() > 0
    assert change[1].max() == 0


@pytest.mark.parametrize("name", ["stereoirr-tiny", "stereoirr-small-local"])
def test_gradients_reach_every_parameter(name):
    network = randomised(name)
    network(frames(1, 2, 32, 32)).image.square().mean().backward()
    dead = [k for k, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_one_view_leaves_the_exchanges_without_gradient():
    network = randomised("stereoirr-tiny")
    network(frames(1, 1, 16, 16)).image.square().mean().backward()
    without = {k.split(".")[0] for k, p in network.named_parameters() if p.grad is None}
    assert without == {"exchanges"}


@settings(derandomize=True, max_examples=12, deadline=None)
@given(b=st.integers(1, 2), v=st.integers(1, 2), h=st.integers(1, 4), w=st.integers(1, 5))
def test_every_size_on_the_grid(b, v, h, w):
    network = create_model("stereoirr-tiny").eval()
    x = frames(b, v, 8 * h, 8 * w)
    with torch.inference_mode():
        out = network(x)
    assert out.image.shape == x.shape
    assert out.auxiliary == {}
    assert torch.isfinite(out.image).all()


@pytest.mark.parametrize("shape", [(1, 1, 3, 20, 16), (1, 1, 3, 16, 20), (1, 1, 3, 8, 16)])
def test_wrong_sizes_name_themselves_and_the_multiple(shape):
    network = create_model("stereoirr-small")
    with pytest.raises(FramesError, match=rf"{shape[3]}x{shape[4]} pixels.*multiples of 16"):
        network(torch.zeros(shape))


def test_other_frames_are_refused():
    network = create_model("stereoirr-tiny")
    with pytest.raises(FramesError, match=r"V = 3 views; expected .* V = 1 or 2"):
        network(torch.zeros(1, 3, 3, 16, 16))
    with pytest.raises(FramesError, match=r"\(1, 3, 16, 16\).*\(B, V, 3, H, W\)"):
        network(torch.zeros(1, 3, 16, 16))
    with pytest.raises(FramesError, match="uint8"):
        network(torch.zeros(1, 1, 3, 16, 16, dtype=torch.uint8))


def test_needs():
    assert create_model("stereoirr-small").needs.multiple == 16
    assert create_model("stereoirr-tiny").needs.multiple == 8
    assert create_model("stereoirr-tiny").needs.tile_overlap is None
    local = create_model("stereoirr-tiny", pool_window=80).needs
    # Less than the window could not do: two pixels that far apart weigh in the same mean.
    assert local.tile_overlap > 80
    assert local.whole_rows


def disagreement(network, x, cut, overlap):
    """Largest difference in grey levels between a picture and its upper part cut off at `cut`.

    The outer quarter of an overlap is left out: tiles are blended without it.
    """
    with torch.inference_mode():
        whole, tile = network(x).image, network(x[..., :cut, :]).image
    used = slice(cut - overlap // 4)
    return ((whole[..., :cut, :] - tile)[..., used, :].abs().max() * 255).item()


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("name", ["stereoirr-small", "stereoirr-tiny"])
def test_tiles_agree_with_the_whole_in_the_local_variant_only(name, views):
    local, everywhere = randomised(f"{name}-local"), randomised(name)
    overlap = local.needs.tile_overlap
    # Contrast grows downwards, so the upper part has another mean than the whole.
    x = frames(1, views, 480, 48) * torch.linspace(0, 1, 480).view(480, 1) ** 2
    assert disagreement(local, x, 240, overlap) < 1
    assert disagreement(everywhere, x, 240, overlap) > 1


@pytest.mark.parametrize("views", [1, 2])
def test_tiles_start_on_the_grid_of_the_pools(views):
    local = randomised("stereoirr-tiny-local")
    used = local.needs.tile_overlap // 4
    x = frames(1, views, 320, 24) * torch.linspace(1, 0, 320).view(320, 1) ** 2
    with torch.inference_mode():
        whole = local(x).image
        tile = local(x[..., 80:, :]).image
    assert (whole[..., 80 + used :, :] - tile[..., used:, :]).abs().max() < 1 / 255


@pytest.mark.parametrize("views", [1, 2])
def test_columns_of_single_pictures_may_be_cut_too_but_not_those_of_pairs(views):
    local = randomised("stereoirr-tiny-local")
    overlap = local.needs.tile_overlap
    x = frames(1, views, 24, 320) * torch.linspace(0, 1, 320) ** 2
    with torch.inference_mode():
        whole, tile = local(x).image[..., :160], local(x[..., :160]).image
    alike = bool((whole - tile)[..., : 160 - overlap // 4].abs().max() < 1 / 255)
    assert alike is (views == 1)


def test_a_window_over_the_whole_picture_is_the_global_network():
    everywhere = randomised("stereoirr-tiny")
    local = create_model("stereoirr-tiny", pool_window=4096).eval()
    local.load_state_dict(everywhere.state_dict())
    x = frames(1, 2, 24, 40)
    with torch.inference_mode():
        torch.testing.assert_close(local(x).image, everywhere(x).image, rtol=0, atol=1e-5)


def test_small_pixels_in_bfloat16_stay_close():
    network = randomised("stereoirr-tiny", scale=0.1)
    x = frames(1, 2, 32, 32)
    with torch.inference_mode():
        exact = network(x).image
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(x).image
    assert (exact - rough.float()).abs().mean() < 0.02


@pytest.mark.parametrize(("name", "views"), [("stereoirr-small", 1), ("stereoirr-small-local", 2)])
def test_export_gives_the_same_pictures(name, views):
    network = randomised(name)
    program = torch.export.export(PictureOnly(network), (frames(1, views, 32, 48),), strict=False)
    x = frames(1, views, 32, 48, seed=1)
    with torch.inference_mode():
        exported = program.module()(x)
        torch.testing.assert_close(exported, network(x).image, rtol=0, atol=1e-5)


def test_export_with_free_height_and_width():
    network = randomised("stereoirr-tiny")
    sides = {i: 8 * torch.export.Dim(f"n{i}", min=2, max=64) for i in (3, 4)}
    program = torch.export.export(
        PictureOnly(network), (frames(1, 2, 32, 48),), dynamic_shapes=(sides,), strict=False
    )
    x = frames(1, 2, 48, 24, seed=1)
    with torch.inference_mode():
        exported = program.module()(x)
        torch.testing.assert_close(exported, network(x).image, rtol=0, atol=1e-5)


def test_the_law_gives_transmission_and_airlight_of_every_view():
    network = create_model("stereoirr-tiny", output="scattering").eval()
    given = frames(2, 2, 32, 48)
    with torch.no_grad():
        out = network(given)
        alone = network(given[:, :1])
    assert out.image.shape == given.shape
    assert out.auxiliary["transmission"].shape == (2, 2, 1, 32, 48)
    assert out.auxiliary["airlight"].shape == given.shape
    assert (out.auxiliary["transmission"] <= 1).all()
    assert (out.auxiliary["transmission"] > 0).all()
    assert torch.equal(out.auxiliary["airlight"][:, 0], out.auxiliary["airlight"][:, 1])
    assert alone.auxiliary["transmission"].shape == (2, 1, 1, 32, 48)


def test_an_output_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="output"):
        create_model("stereoirr-tiny", output="painting")
