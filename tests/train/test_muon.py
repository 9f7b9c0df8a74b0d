"""Muon: orthogonal steps for matrices, Adam's for the rest, and a state that can be kept."""

import copy

import pytest
import torch
from torch import nn

from deweather.train.muon import Muon, is_matrix, orthogonalised


@pytest.mark.parametrize("shape", [(16, 16), (12, 40), (64, 9)])
def test_singular_values_become_about_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_a_step_is_as_long_as_one_of_adam():
    weight = nn.Parameter(torch.zeros(32, 16, 3, 3))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    Muon([weight], lr=0.01).step()
    assert 0.1 < float(weight.detach().square().mean().sqrt()) / 0.01 < 0.3


def test_what_holds_no_matrix_takes_the_steps_of_adam():
    torch.manual_seed(0)
    mine = [nn.Parameter(torch.randn(20)), nn.Parameter(torch.randn(24, 1, 3, 3))]
    theirs = [nn.Parameter(p.detach().clone()) for p in mine]
    assert not any(map(is_matrix, mine))
    ours = Muon(mine, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    reference = torch.optim.AdamW(theirs, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    for _ in range(5):
        for a, b in zip(mine, theirs, strict=True):
            a.grad = torch.randn(a.shape)
            b.grad = a.grad.clone()
        ours.step()
        reference.step()
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_a_kept_state_goes_on_bit_for_bit():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 1))
    x = torch.randn(2, 8, 9, 9)

    def steps(module, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            module(x).square().mean().backward()
            optimizer.step()

    optimizer = Muon(network.parameters(), lr=0.01)
    steps(network, optimizer, 3)
    other = copy.deepcopy(network)
    again = Muon(other.parameters(), lr=0.01)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    steps(network, optimizer, 3)
    steps(other, again, 3)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
