"""What every network on the list keeps, whatever it is."""

import copy
import functools
import re

import pytest
import torch

from deweather.errors import FramesError
from deweather.models import Needs, Restoration, create_model, list_models
from deweather.restore.sizes import padded_forward
from tests.graphs import PictureOnly

FAMILIES = sorted({name.split("-")[0] for name in list_models()})

# Weight names of each view, to be exchanged where a pair is mirrored: (pattern, replacement).
# Only designs are listed whose mirror image is the same design with other weights: strided 3x3
# convolutions and concatenated views have a left and a right side of their own.
MIRRORED = {"stereoirr": {"query": "key", "key": "query", "_left": "_right", "_right": "_left"}}

# Networks that restore each view of a pair as a picture of its own.
MONO = {"kanet", "dcmpnet"}


@functools.cache
def size(name):
    with torch.device("meta"):
        return sum(p.numel() for p in create_model(name).parameters())


# What is computed is computed by the tiny sizes; the others differ from them in numbers alone.
TINY = [name for name in list_models() if size(name) <= 6e5]
tiny = pytest.mark.parametrize("name", TINY)
published = pytest.mark.parametrize("name", list_models())


@functools.cache
def network(name):
    """A tiny network with weights that are all alive: fresh ones may be the identity."""
    torch.manual_seed(0)
    made = create_model(name).eval()
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


@tiny
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


@tiny
def test_the_input_is_left_alone(name):
    frames = next(inputs(name))
    before = frames.clone()
    with torch.inference_mode():
        network(name)(frames)
    assert torch.equal(frames, before)


@tiny
def test_sizes_off_the_grid_are_refused(name):
    needs = network(name).needs
    views = min(network(name).views)
    if needs.multiple > 1:
        off = sizes(needs)[1][0] + 1
        with pytest.raises(FramesError, match=str(off)):
            network(name)(torch.zeros(1, views, 3, off, off))


@tiny
def test_gradients_reach_every_parameter(name):
    made = network(name)
    views = max(made.views)
    # In a small picture some attention has a single key, and its query no gradient.
    side = max(sizes(made.needs)[0][0], 128)
    made.zero_grad()
    frames = torch.rand(1, views, 3, side, side, generator=torch.Generator().manual_seed(0))
    made(frames).image.square().mean().backward()
    assert [k for k, p in made.named_parameters() if p.grad is None or not p.grad.any()] == []
    made.zero_grad()


@tiny
def test_weights_travel_by_name(name):
    made, other = network(name), create_model(name).eval()
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


@tiny
def test_outputs_stay_within_reach_of_the_picture(name):
    """Neither clamped nor rounded, but of the scale of sRGB in [0, 1]."""
    for _, out in answers(name):
        image = out.image
        assert image.abs().max() < 100
        assert not torch.equal(image, image.clamp(0, 1)) or image.unique().numel() > 256


@tiny
def test_auxiliary_outputs_are_named_finite_tensors(name):
    for frames, out in answers(name):
        for key, tensor in out.auxiliary.items():
            assert key.isidentifier()
            assert tensor.shape[0] == frames.shape[0]
            assert torch.isfinite(tensor).all()


@tiny
def test_nothing_is_random_in_eval_mode(name):
    state = torch.random.get_rng_state()
    for frames, out in answers(name):
        with torch.inference_mode():
            assert torch.equal(network(name)(frames).image, out.image)
    assert torch.equal(torch.random.get_rng_state(), state)  # nothing was drawn


@tiny
def test_memory_format_changes_nothing(name):
    made = copy.deepcopy(network(name)).to(memory_format=torch.channels_last)
    for frames, out in answers(name):
        strided = frames.movedim(2, -1).contiguous().movedim(-1, 2)
        with torch.inference_mode():
            again = made(strided).image
        torch.testing.assert_close(again, out.image, rtol=1e-4, atol=1e-4)


@tiny
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
    frames, out = answers(f"{family}-tiny")[-1]
    program = torch.export.export(PictureOnly(network(f"{family}-tiny")), (frames,))
    with torch.inference_mode():
        again = program.module()(frames)
    torch.testing.assert_close(again, out.image, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", sorted(MONO & set(FAMILIES)))
def test_views_are_pictures_of_their_own_to_a_mono_network(family):
    frames, out = answers(f"{family}-tiny")[-1]
    made = network(f"{family}-tiny")
    with torch.inference_mode():
        swapped = made(frames.flip(1)).image
        single = made(frames[:, :1]).image
    torch.testing.assert_close(swapped.flip(1), out.image, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(single, out.image[:, :1], rtol=1e-4, atol=1e-4)


def mirror_image(name, state):
    """The weights with which a network treats mirrored pairs as it treated pairs before."""
    names = MIRRORED[name.split("-")[0]]
    pattern = re.compile("|".join(names))
    mirrored = {}
    for key, tensor in state.items():
        value = tensor.flip(-1) if tensor.ndim == 4 and tensor.shape[-1] > 1 else tensor
        if re.fullmatch(r"ups\.\d+\.0\.weight", key):  # neighbours in a row change places
            value = tensor.unflatten(0, (-1, 2, 2)).flip(2).flatten(0, 2)
        if re.search(r"gate\.0\.weight|gate\.2\.(weight|bias)", key):  # halves: left, right
            axis = 1 if ".gate.0." in key else 0
            value = torch.cat(value.chunk(2, axis)[::-1], axis)
        mirrored[pattern.sub(lambda m: names[m[0]], key)] = value
    return mirrored


@pytest.mark.parametrize("family", sorted(MIRRORED))
def test_mirrored_pairs_with_mirrored_weights_give_mirrored_pictures(family):
    """A mirrored pair with its views exchanged is a rectified pair again."""
    name = f"{family}-tiny"
    frames, out = answers(name)[-1]
    other = create_model(name).eval()
    other.load_state_dict(mirror_image(name, network(name).state_dict()))
    with torch.inference_mode():
        again = other(frames.flip(1, -1)).image.flip(1, -1)
    torch.testing.assert_close(again, out.image, rtol=1e-3, atol=1e-3)
    assert (out.image[:, 0] - out.image[:, 1]).abs().max() > 1e-2
