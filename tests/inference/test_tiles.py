import logging
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from deweather.inference.forward import Forward
from deweather.inference.sizes import padded, padded_forward, padded_size
from deweather.inference.tiles import restore_tiled, spans
from deweather.models import Needs, create_model
from tests.inference.networks import Pointwise, shaken

CPU = torch.device("cpu")


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    length=st.integers(1, 3000),
    tile=st.integers(16, 700),
    overlap=st.integers(0, 350),
    multiple=st.sampled_from([1, 8, 16]),
)
def test_spans_cover_an_axis_with_weights_that_add_up_to_one(length, tile, overlap, multiple):
    overlap = min(overlap, 3 * tile // 4)
    total = np.zeros(length)
    tiles = spans(length, tile, overlap, multiple)
    for before, after in pairwise(tiles):
        assert before.first < after.first <= before.last < after.last
    for span in tiles:
        assert span.start <= span.first < span.last <= span.stop
        assert span.start % multiple == 0
        assert 0 < span.stop - span.start <= max(tile, multiple)
        total[span.first : span.last] += span.weight
    assert np.abs(total - 1).max() < 1e-5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7), (257, 143)])
@pytest.mark.parametrize("views", [1, 2])
def test_tiles_of_an_identity_give_the_picture(dtype, size, views):
    rng = np.random.default_rng(0)
    if dtype == np.float32:
        pictures = [rng.random((*size, 3), dtype=np.float32) for _ in range(views)]
    else:
        top = np.iinfo(dtype).max
        pictures = [rng.integers(0, top + 1, (*size, 3)).astype(dtype) for _ in range(views)]
    results = [p.copy() for p in pictures]
    changed = restore_tiled(Forward(Pointwise(), CPU), results, tile=64)
    assert changed == any(not np.array_equal(*p) for p in zip(results, pictures, strict=True))
    for result, picture in zip(results, pictures, strict=True):
        assert result.dtype == dtype
        assert np.abs(result.astype(np.float64) - picture).max() <= (
            1e-6 if dtype == np.float32 else 0
        )


def test_pairs_are_cut_into_full_rows():
    network = Pointwise()
    picture = np.zeros((200, 304, 3), np.uint8)
    restore_tiled(Forward(network, CPU), [picture, picture], tile=96)
    assert {w for _, w in network.sizes} == {304}
    assert len(network.sizes) > 1


def test_tiles_shrink_when_memory_runs_out(caplog):
    network = Pointwise(factor=0.5, limit=300 * 300)
    picture = np.full((700, 500, 3), 200, np.uint8)
    with caplog.at_level(logging.WARNING):
        assert restore_tiled(Forward(network, CPU), [picture], tile=640)
    assert (picture == 100).all()
    assert [r.args[1] for r in caplog.records] == [320, 160]  # said once, not for each tile


def test_a_tile_that_never_fits_is_an_error_with_a_remedy():
    network = Pointwise(limit=1)
    with pytest.raises(MemoryError, match="cpu"):
        restore_tiled(Forward(network, CPU), [np.zeros((64, 64, 3), np.uint8)], tile=256)


def test_other_errors_are_not_taken_for_missing_memory():
    class Broken(Pointwise):
        def forward(self, frames):
            raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        restore_tiled(Forward(Broken(), CPU), [np.zeros((64, 64, 3), np.uint8)])


def largest_difference(name: str) -> float:
    """Largest difference between a tiled and an untiled result, in levels of 255."""
    network = shaken(name)
    rng = np.random.default_rng(1)
    picture = rng.random((384, 512, 3), dtype=np.float32)
    picture[:, 256:] *= 0.3  # so that the average of a tile is not that of the picture
    whole, tiled = picture.copy(), picture.copy()
    restore_tiled(Forward(network, CPU), [whole], tile=2048)
    restore_tiled(Forward(network, CPU), [tiled], tile=320)
    assert np.abs(whole - picture).mean() > 0.01  # it does something
    return float(np.abs(whole - tiled).max()) * 255


def test_tiles_of_the_local_variant_agree_with_the_whole():
    assert largest_difference("stereoirr-tiny-local") < 1


def test_the_global_variant_is_never_cut():
    network = create_model("stereoirr-tiny")
    assert network.needs.tile_overlap is None
    assert largest_difference("stereoirr-tiny") == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (17, 5), (16, 16)])
def test_any_size_goes_through_a_network(size):
    network = shaken("stereoirr-tiny")
    frames = torch.rand(2, 2, 3, *size)
    with torch.inference_mode():
        assert padded_forward(network, frames).shape == frames.shape
    assert all(n % 8 == 0 and n >= 8 for n in padded_size(*size, network.needs))


@pytest.mark.parametrize(
    ("padding", "row", "pixel"),
    [("reflect", [0, 1, 2, 1, 0, 1, 2, 1], [5] * 8), ("replicate", [0, 1, 2] + [2] * 5, [5] * 8)],
)
def test_padding_is_what_the_network_asks_for(padding, row, pixel):
    needs = Needs(8, 8, tile_overlap=None, whole_rows=False, padding=padding)
    out = padded(torch.arange(3.0).view(1, 3), needs)
    assert out.tolist() == [row] * 8
    assert torch.equal(padded(torch.arange(3.0).view(3, 1), needs), out.T)
    assert padded(torch.full((1, 1), 5.0), needs).tolist() == [pixel] * 8
    whole = torch.rand(2, 8, 16)
    assert padded(whole, needs) is whole


@pytest.mark.parametrize("padding", ["reflect", "replicate"])
def test_padding_is_that_of_torch_where_torch_can(padding):
    frames = torch.rand(2, 3, 13, 22, generator=torch.Generator().manual_seed(0))
    needs = Needs(16, 16, tile_overlap=None, whole_rows=False, padding=padding)
    assert torch.equal(padded(frames, needs), F.pad(frames, (0, 10, 0, 3), mode=padding))
