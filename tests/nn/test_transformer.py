"""Transformer blocks: attention against its equations, norms, what is dropped, fresh weights."""

import pytest
import torch
from torch import nn

from deweather.nn.transformer import (
    DropPath,
    ReducedAttention,
    TransformerBlock,
    TransformerStage,
    attend,
    fresh_transformer,
    to_nchw,
    to_nhwc,
)


def test_tokens_and_maps_share_memory():
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert to_nhwc(x).is_contiguous()
    assert to_nhwc(x).data_ptr() == x.data_ptr()
    assert torch.equal(to_nchw(to_nhwc(x)), x)


def test_attend_against_the_equations():
    torch.manual_seed(0)
    query = torch.randn(2, 5, 6, dtype=torch.float64)
    key_value = torch.randn(2, 7, 12, dtype=torch.float64)
    out = attend(query, key_value, heads=2)
    for n, head in [(0, 0), (1, 1)]:
        part = slice(3 * head, 3 * head + 3)
        q, k, v = query[n, :, part], key_value[n, :, :6][:, part], key_value[n, :, 6:][:, part]
        expected = (q @ k.T / 3**0.5).softmax(1) @ v
        torch.testing.assert_close(out[n, :, part], expected)


def test_reduced_attention_makes_one_key_of_a_square():
    torch.manual_seed(0)
    attention = ReducedAttention(4, 2, reduction=2).double()
    x = torch.randn(2, 5, 6, 4, dtype=torch.float64)
    cells = x[:, :4].reshape(2, 2, 2, 3, 2, 4).permute(0, 1, 3, 5, 2, 4).reshape(2, 6, 4, 2, 2)
    keys = torch.einsum("nlcij,ocij->nlo", cells, attention.reduce.weight) + attention.reduce.bias
    key_value = attention.key_value(attention.norm(keys))
    expected = attention.project(attend(attention.query(x).reshape(2, 30, 4), key_value, 2))
    torch.testing.assert_close(attention(x), expected.view(x.shape))


def test_without_reduction_there_is_nothing_to_reduce_with():
    attention = ReducedAttention(4, 1, reduction=1)
    assert {k.split(".")[0] for k, _ in attention.named_parameters()} == {
        "query",
        "key_value",
        "project",
    }


def test_a_block_adds_attention_and_mlp_of_normalised_tokens():
    torch.manual_seed(0)
    block = TransformerBlock(4, ReducedAttention(4, 2, 1), ratio=3)
    x = torch.randn(1, 3, 5, 4)
    after = x + block.attention(block.norm1(x))
    torch.testing.assert_close(block(x), after + block.mlp(block.norm2(after)))
    assert block.norm1.eps == block.norm2.eps == 1e-6
    assert block.mlp.expand.out_features == 12


@pytest.mark.parametrize(("kernel", "stride"), [(7, 4), (3, 2)])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (9, 13)])
def test_a_stage_rounds_sizes_up(kernel, stride, size):
    stage = TransformerStage((3, 4), kernel, stride, [nn.Identity()])
    out = stage(torch.randn(2, 3, *size))
    assert out.shape == (2, 4, *(-(-n // stride) for n in size))
    assert stage.proj_norm.eps == 1e-5
    assert stage.norm.eps == 1e-6


def test_drop_path_keeps_the_mean_and_whole_samples():
    torch.manual_seed(0)
    drop = DropPath(0.25)
    out = drop(torch.ones(4000, 2, 3))
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(out.amin((1, 2)), out.amax((1, 2)))
    assert out.mean().item() == pytest.approx(1, abs=0.05)
    x = torch.randn(3, 2)
    assert drop.eval()(x) is x


def test_fresh_weights():
    torch.manual_seed(0)
    block = TransformerBlock(64, ReducedAttention(64, 2, 2), ratio=2).apply(fresh_transformer)
    assert block.attention.query.weight.std().item() == pytest.approx(0.02, rel=0.05)
    reduce, depthwise = block.attention.reduce.weight, block.mlp.depthwise.weight
    assert reduce.std().item() == pytest.approx((2 / (4 * 64)) ** 0.5, rel=0.05)
    assert depthwise.std().item() == pytest.approx((2 / 9) ** 0.5, rel=0.08)
    assert not block.attention.reduce.bias.any()
