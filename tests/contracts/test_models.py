"""What every network on the list keeps, whatever it is."""

import functools

import pytest
import torch

from deweather.errors import FramesError
from deweather.models import Needs, Restoration, create_model, list_models


@functools.cache
def size(name):
    with torch.device("meta"):
        return sum(p.numel() for p in create_model(name).parameters())


COMPACT = [name for name in list_models() if size(name) < 5e6]
compact = pytest.mark.parametrize("name", COMPACT)


@functools.cache
def network(name):
    """A compact network with weights that are all alive: fresh ones may be the identity."""
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


def test_every_network_has_a_compact_size():
    assert {n.split("-")[0] for n in COMPACT} == {n.split("-")[0] for n in list_models()}


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


@compact
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
    side = max(sizes(made.needs)[0][0], 32)
    made.zero_grad()
    made(torch.rand(1, views, 3, side, side)).image.square().mean().backward()
    assert [k for k, p in made.named_parameters() if p.grad is None or not p.grad.any()] == []
    made.zero_grad()


@compact
def test_weights_travel_by_name(name):
    made, other = network(name), create_model(name).eval()
    other.load_state_dict({k: v.clone() for k, v in made.state_dict().items()}, strict=True)
    frames = next(inputs(name))
    with torch.inference_mode():
        assert torch.equal(made(frames).image, other(frames).image)
    places = [p.data_ptr() for p in made.state_dict().values()]
    assert len(set(places)) == len(places)  # safetensors refuses shared memory
