"""What every network on the list keeps, whatever it is."""

import copy
import functools
import re

import pytest
import torch

from deweather.errors import FramesError
from deweather.inference.sizes import padded_forward
from deweather.models import Needs, Restoration, create_model, list_models

FAMILIES = sorted({name.split("-")[0] for name in list_models()})

# Designs whose mirror image is the same design with other weights. Strided 3x3 convolutions and
# concatenated views have a left and a right side of their own.
MIRRORED = {"stereoirr", "apanet"}

# Networks that restore each view of a pair as a picture of its own.
MONO = {"kanet", "dcmpnet"}


@functools.cache
def size(name):
    with torch.device("meta"):
        return sum(p.numel() for p in create_model(name).parameters())


# What is computed is computed by the compact sizes; published ones differ from them in numbers alone.
COMPACT = [name for name in list_models() if size(name) <= 3e6]
TINY = [name for name in COMPACT if "tiny" in name]
# The networks for haze invert Koschmieder's law if they are told to.
LAW = [f"{name}+scattering" for name in TINY if not name.startswith("apanet")]
compact = pytest.mark.parametrize("name", COMPACT + LAW)
tiny = pytest.mark.parametrize("name", TINY + LAW)
published = pytest.mark.parametrize("name", list_models())

# Networks whose graphs take pictures of any size from two multiples up. That of KA-Net takes multiples of
# 64 pixels, see its own tests, that of DCMPNet multiples of 32, but it takes minutes to make.
FREE = {"stereoirr", "psidnet", "apanet"}

# Where pictures are smaller, some attention has a single key, and its query no gradient.
ENOUGH = {"kanet": 128}


def fresh(name):
    """A network with fresh weights; `+scattering` sets the switch `output`."""
    variant, _, output = name.partition("+")
    return create_model(variant, **({"output": output} if output else {}))


@functools.cache
def network(name):
    """A network with weights that are all alive: fresh ones may be the identity."""
    torch.manual_seed(0)
    made = fresh(name).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.1)
    return made


def sizes(needs: Needs):
    least = -(-needs.minimum // needs.multiple) * needs.multiple
    return [(least, least), (least + needs.multiple, least), (least, least + 2 * needs.multiple)]


def inputs(name):
    """Frames of every number of views and a few sizes."""
    for views in sorted(network(name).views):
        for height, width in sizes(network(name).needs):
            draws = torch.Generator().manual_seed(height + width)
            yield torch.rand(2, views, 3, height, width, generator=draws)


@functools.cache
def answers(name):
    """Frames of one and of two views, at the least size, and what the network makes of them."""
    made = network(name)
    out = []
    for views in sorted(made.views):
        draws = torch.Generator().manual_seed(views)
        frames = torch.rand(2, views, 3, *sizes(made.needs)[0], generator=draws)
        with torch.inference_mode():
            out.append((frames, made(frames)))
    return out


def rms(x):
    return x.square().mean().sqrt().item()


def test_every_network_has_a_small_and_a_tiny_size():
    for family in FAMILIES:
        assert size(f"{family}-tiny") <= 6e5
        assert 1e6 <= size(f"{family}-small") <= 3e6 < size(family)


@pytest.mark.parametrize("name", list_models())
def test_needs_are_sound(name):
    with torch.device("meta"):
        needs = create_model(name).needs
    assert needs.multiple >= 1
    assert needs.minimum >= 1
    assert "float32" in needs.precisions
    assert needs.tile_overlap is None or needs.tile_overlap >= needs.multiple


@compact
def test_frames_come_back_in_their_shape_and_order(name):
    for frames in inputs(name):
        with torch.inference_mode():
            out = network(name)(frames)
            turned = network(name)(frames.flip(0))
        assert isinstance(out, Restoration)
        assert out.image.shape == frames.shape
        assert out.image.dtype == frames.dtype
        torch.testing.assert_close(turned.image.flip(0), out.image, rtol=0, atol=1e-4)


@tiny
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_pictures_give_finite_ones(name, level):
    for frames in inputs(name):
        with torch.inference_mode():
            assert torch.isfinite(network(name)(torch.full_like(frames, level)).image).all()


@compact
def test_the_input_is_left_alone(name):
    frames = next(inputs(name))
    before = frames.clone()
    with torch.inference_mode():
        network(name)(frames)
    assert torch.equal(frames, before)


@compact
def test_sizes_off_the_grid_are_refused(name):
    needs = network(name).needs
    views = min(network(name).views)
    if needs.multiple > 1:
        off = sizes(needs)[1][0] + 1
        with pytest.raises(FramesError, match=str(off)):
            network(name)(torch.zeros(1, views, 3, off, off))


@compact
def test_gradients_reach_every_parameter(name):
    made = network(name)
    views = max(made.views)
    side = max(sizes(made.needs)[0][0], ENOUGH.get(name.split("-")[0], 32))
    made.zero_grad()
    frames = torch.rand(1, views, 3, side, side, generator=torch.Generator().manual_seed(0))
    made(frames).image.square().mean().backward()
    assert [k for k, p in made.named_parameters() if p.grad is None or not p.grad.any()] == []
    made.zero_grad()


@compact
def test_weights_travel_by_name(name):
    made, other = network(name), fresh(name).eval()
    other.load_state_dict({k: v.clone() for k, v in made.state_dict().items()}, strict=True)
    frames = next(inputs(name))
    with torch.inference_mode():
        assert torch.equal(made(frames).image, other(frames).image)
    places = [p.data_ptr() for p in made.state_dict().values()]
    assert len(set(places)) == len(places)  # safetensors refuses shared memory


@published
def test_every_size_takes_one_view_and_two(name):
    """Shapes alone, on the device that computes nothing."""
    with torch.device("meta"):
        made = create_model(name).eval()
        assert made.views == {1, 2}
        for views in (1, 2):
            frames = torch.empty(1, views, 3, *sizes(made.needs)[-1])
            with torch.inference_mode():
                assert made(frames).image.shape == frames.shape


@tiny
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (3, 2), (13, 37)])
def test_pictures_of_any_size_are_restored_by_padding(name, height, width):
    frames = torch.rand(1, 2, 3, height, width, generator=torch.Generator().manual_seed(height))
    with torch.inference_mode():
        out = padded_forward(network(name), frames)
    assert out.shape == frames.shape
    assert torch.isfinite(out).all()


@compact
def test_outputs_stay_within_reach_of_the_picture(name):
    """Neither clamped nor rounded, but of the scale of sRGB in [0, 1]."""
    for _, out in answers(name):
        image = out.image
        assert image.abs().max() < 100
        assert not torch.equal(image, image.clamp(0, 1)) or image.unique().numel() > 256


@compact
def test_auxiliary_outputs_are_named_finite_tensors(name):
    for frames, out in answers(name):
        for key, tensor in out.auxiliary.items():
            assert key.isidentifier()
            assert tensor.shape[0] == frames.shape[0]
            assert torch.isfinite(tensor).all()


@compact
def test_nothing_is_random_in_eval_mode(name):
    state = torch.random.get_rng_state()
    for frames, out in answers(name):
        with torch.inference_mode():
            assert torch.equal(network(name)(frames).image, out.image)
    assert torch.equal(torch.random.get_rng_state(), state)  # nothing was drawn


@compact
def test_memory_format_changes_nothing(name):
    made = copy.deepcopy(network(name)).to(memory_format=torch.channels_last)
    for frames, out in answers(name):
        strided = frames.movedim(2, -1).contiguous().movedim(-1, 2)
        with torch.inference_mode():
            again = made(strided).image
        torch.testing.assert_close(again, out.image, rtol=1e-4, atol=1e-4)


@compact
def test_bfloat16_and_float64_stay_near_float32(name):
    for dtype, most in ((torch.bfloat16, 0.1), (torch.float64, 1e-4)):
        made = copy.deepcopy(network(name)).to(dtype)
        for frames, out in answers(name):
            with torch.inference_mode():
                image = made(frames.to(dtype)).image
            assert image.dtype == dtype
            assert rms(image.float() - out.image) < most * rms(out.image)


@pytest.mark.parametrize("family", FAMILIES)
def test_export_gives_the_same_pictures(family):
    """The network itself can be exported, with free height and width where its design allows it."""
    made = network(f"{family}-tiny")
    frames, shapes = answers(f"{family}-tiny")[-1][0], None
    other = frames.flip(-1)
    if family in FREE:
        step = made.needs.multiple
        draws = torch.Generator().manual_seed(0)
        frames = torch.rand(1, 2, 3, 2 * step, 3 * step, generator=draws)
        other = torch.rand(1, 2, 3, 4 * step, 2 * step, generator=draws)
        shapes = ({i: step * torch.export.Dim(f"n{i}", min=2, max=64) for i in (3, 4)},)
    with torch.no_grad():
        program = torch.export.export(made, (frames,), dynamic_shapes=shapes, strict=False)
        found, expected = program.module()(other), made(other)
    assert isinstance(found, Restoration)
    assert found.auxiliary.keys() == expected.auxiliary.keys()
    torch.testing.assert_close(found.image, expected.image, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", sorted(MONO & set(FAMILIES)))
def test_views_are_pictures_of_their_own_to_a_mono_network(family):
    frames, out = answers(f"{family}-tiny")[-1]
    made = network(f"{family}-tiny")
    with torch.inference_mode():
        swapped = made(frames.flip(1)).image
        single = made(frames[:, :1]).image
    torch.testing.assert_close(swapped.flip(1), out.image, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(single, out.image[:, :1], rtol=1e-4, atol=1e-4)


def exchanged(key, names):
    """A key with names of one view replaced by those of the other."""
    both = names | {other: one for one, other in names.items()}
    return re.sub("|".join(both), lambda m: both[m[0]], key)


def shuffled(tensor, axis=0):
    """Channels that make neighbours in a row, or were made of such, change places in pairs."""
    return tensor.unflatten(axis, (-1, 2)).flip(axis + 1).flatten(axis, axis + 1)


def mirrored_stereoirr(key, tensor):
    """The weight of StereoIRR that takes a weight's part where pictures are mirrored."""
    value = tensor.flip(-1) if tensor.ndim == 4 and tensor.shape[-1] > 1 else tensor
    if re.fullmatch(r"ups\.\d+\.0\.weight", key):
        value = shuffled(value)
    if re.search(r"gate\.0\.weight|gate\.2\.(weight|bias)", key):  # halves: left, right
        axis = 1 if ".gate.0." in key else 0
        value = torch.cat(value.chunk(2, axis)[::-1], axis)
    return exchanged(key, {"query": "key", "_left": "_right"}), value


def mirrored_apanet(key, tensor):
    """The same of APANet, which makes channels of neighbours in a row below full resolution."""
    value = tensor.flip(-1) if tensor.ndim == 4 else tensor
    levels = len(network("apanet-tiny").config.encoder)
    group, number = re.match(r"([a-z]+)\.?(\d*)", key).groups()
    level = {"middle": levels, "decoders": levels - 1 - int(number or 0)}.get(group, number)
    below = group not in ("extract", "predict") and int(level) > 0
    if group == "ups":
        value = shuffled(shuffled(value, 1))
        if int(number) < levels - 1:  # neighbours that become channels of another level below
            value = value.unflatten(0, (-1, 2, 4)).flip(1).flatten(0, 2)
    elif group == "downs":
        value = shuffled(value, 1) if below else value
    elif group == "merges":
        value = shuffled(shuffled(value, 1)) if value.ndim > 1 else shuffled(value)
    elif below:
        inside = r"keys|expand\.weight|query\.weight|value\.weight"
        outside = r"memory\.norm|values|scale|mlp\.norm|project|stereo.*(norm|value)"
        if re.search(inside, key):
            value = shuffled(value, 1)
        if re.search(outside, key):
            value = shuffled(value)
    return exchanged(key, {"left": "right"}), value


@pytest.mark.parametrize("family", sorted(MIRRORED))
def test_mirrored_pairs_with_mirrored_weights_give_mirrored_pictures(family):
    """A mirrored pair with its views exchanged is a rectified pair again."""
    name = f"{family}-tiny"
    frames, out = answers(name)[-1]
    other = create_model(name).eval()
    mirrored = {"stereoirr": mirrored_stereoirr, "apanet": mirrored_apanet}[family]
    other.load_state_dict(dict(mirrored(*item) for item in network(name).state_dict().items()))
    with torch.inference_mode():
        again = other(frames.flip(1, -1)).image.flip(1, -1)
    torch.testing.assert_close(again, out.image, rtol=1e-3, atol=1e-3)
    assert (out.image[:, 0] - out.image[:, 1]).abs().max() > 1e-2
