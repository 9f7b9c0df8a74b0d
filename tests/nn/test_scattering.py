"""The head that inverts Koschmieder's law."""

import math

import pytest
import torch

from deweather.image.transfer import linear_to_srgb, srgb_to_linear
from deweather.nn.scattering import LEAST, ScatteringHead


def head(transmission=0.5, law=0.0, reach=0.0):
    """A head that sees this transmission everywhere, without a residual."""
    torch.manual_seed(0)
    made = ScatteringHead(4, 6, 8)
    share = (transmission - LEAST) / (1 - LEAST)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        made.thickness.bias.fill_(math.log(share / (1 - share)) - 2.0)
        made.law.bias.fill_(law)
        made.reach.fill_(reach)
    return made.double()


def inputs(n=2, h=32, w=48, seed=0):
    g = torch.Generator().manual_seed(seed)
    pictures = 0.3 + 0.5 * torch.rand(n, 3, h, w, generator=g).double()
    features = torch.randn(n, 4, h, w, generator=g).double()
    context = torch.randn(n, 6, h // 8, w // 8, generator=g).double()
    return pictures, features, context


@pytest.mark.parametrize("transmission", [0.2, 0.6, 0.95])
def test_haze_put_back_gives_the_picture_in_srgb(transmission):
    pictures, features, context = inputs()
    image, t, air = head(transmission, law=-60)(pictures, features, context, 1)
    assert torch.allclose(t, torch.full_like(t, transmission))
    torch.testing.assert_close(image * t + air * (1 - t), pictures)


@pytest.mark.parametrize("transmission", [0.5, 0.95])
def test_haze_put_back_gives_the_picture_in_linear_light(transmission):
    pictures, features, context = inputs()
    image, t, air = head(transmission, law=60)(pictures, features, context, 1)
    bright = image > 0  # below black the curve is left
    hazy = srgb_to_linear(image) * t + srgb_to_linear(air) * (1 - t)
    assert bright.float().mean() > 0.5
    torch.testing.assert_close(linear_to_srgb(hazy)[bright], pictures[bright])


def test_colours_as_grey_as_the_air_stay_grey():
    pictures, features, context = inputs()
    grey = pictures.mean(1, keepdim=True).expand_as(pictures)
    image, _, _ = head(0.4)(grey, features, context, 1)
    torch.testing.assert_close(image, image.mean(1, keepdim=True).expand_as(image))


def test_the_views_of_a_pair_share_their_air_and_pairs_do_not():
    pictures, features, context = inputs(4)
    torch.manual_seed(1)
    made = ScatteringHead(4, 6, 8).double()
    air = made(pictures, features, context, 2).airlight
    assert torch.equal(air[0], air[1])
    assert torch.equal(air[2], air[3])
    assert not torch.allclose(air[0], air[2])
    single = made(pictures, features, context, 1).airlight
    assert not torch.allclose(single[0], single[1])


@pytest.mark.parametrize(("reach", "differ"), [(-20.0, 0.3), (20.0, 0.01)])
def test_a_reach_decides_how_far_the_air_may_vary(reach, differ):
    pictures, features, context = inputs(1, 32, 64)
    pictures[..., :32], pictures[..., 32:] = 0.2, 0.8
    air = head(reach=reach)(pictures, features, context, 1).airlight.detach()
    change = float(air[..., -1].mean() - air[..., 0].mean())
    assert (change > differ) if reach < 0 else (change < differ)


def test_air_is_looked_for_where_the_score_is_high():
    pictures, features, context = inputs(1, 32, 64)
    pictures[..., :32], pictures[..., 32:] = 0.2, 0.8
    context = context.zero_()
    context[:, 0, :, 4:] = 1.0
    made = head(reach=20.0)
    with torch.no_grad():
        made.air.weight[0, 0] = 8.0
    air = made(pictures, features, context, 1).airlight
    torch.testing.assert_close(air, torch.full_like(air, 0.8), atol=2e-3, rtol=0)
