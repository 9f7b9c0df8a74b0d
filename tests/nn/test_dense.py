"""The dilated dense block against its definition."""

import torch
import torch.nn.functional as F

from deweather.nn.dense import DilatedDenseBlock


def test_against_the_definition():
    torch.manual_seed(0)
    block = DilatedDenseBlock(3, 4).double()
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64)
    maps = x
    for layer in block.layers:
        maps = torch.cat([maps, F.relu(layer(maps))], dim=1)
    torch.testing.assert_close(block(x), x + F.relu(block.fuse(maps)))


def test_gradients_against_differences():
    torch.manual_seed(0)
    block = DilatedDenseBlock(2, 2).double()
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, (x,))
