"""Contrastive losses and the frozen networks that they compare features of."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from deweather.errors import ConfigError, FramesError, WeightsError
from deweather.losses import ContrastiveLoss, FeatureNetwork, VGG19Features
from deweather.losses.contrastive import WEIGHTS

from .vgg19 import CONVOLUTIONS, vgg19_state


class RandomFeatures(FeatureNetwork):
    """Five convolutions with fixed random weights; counts its calls."""

    channels = (4, 5, 6, 7, 8)

    def __init__(self):
        super().__init__()
        draws = torch.Generator().manual_seed(0)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1)
            for a, b in zip((3, *self.channels), self.channels, strict=False)
        )
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.normal_(0, 0.3, generator=draws)

    def forward(self, pictures):
        out = []
        for layer in self.layers:
            pictures = F.relu(layer(pictures))
            out.append(pictures)
        return out


def frames(views=1, batch=2, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.rand((3, batch, views, 3, 8, 10), generator=draws)


def by_definition(anchor, positive, negative):
    features, total = RandomFeatures(), 0.0
    for weight, a, p, n in zip(
        WEIGHTS, features(anchor), features(positive), features(negative), strict=True
    ):
        total += weight * (a - p).abs().mean() / ((a - n).abs().mean() + 1e-7)
    return total


def test_one_view_by_the_definition():
    a, p, n = frames()
    expected = by_definition(a[:, 0], p[:, 0], n[:, 0])
    assert torch.allclose(ContrastiveLoss(RandomFeatures())(a, p, n), expected, rtol=1e-5)


def test_views_are_compared_one_by_one():
    a, p, n = frames(views=2)
    loss = ContrastiveLoss(RandomFeatures())
    left, right = (loss(a[:, [v]], p[:, [v]], n[:, [v]]) for v in (0, 1))
    assert torch.allclose(loss(a, p, n), (left + right) / 2, rtol=1e-5)
    swapped = loss(a.flip(1), p.flip(1), n.flip(1))
    assert torch.allclose(loss(a, p, n), swapped, rtol=1e-5)


def test_it_draws_to_the_positive_and_away_from_the_negative():
    a, p, n = frames()
    loss = ContrastiveLoss(RandomFeatures())
    assert loss(p, p, n) == 0
    assert loss(p.lerp(n, 0.2), p, n) < loss(p.lerp(n, 0.8), p, n) < loss(n, p, n)
    assert loss(n, p, n) > 1e4
    assert loss(a, p) == loss(a, p, None) > 0


def test_gradients_reach_the_anchor_alone():
    loss = ContrastiveLoss(RandomFeatures(), projection_seed=0)
    anchor, positive, negative = (f.clone().requires_grad_() for f in frames())
    loss(anchor, positive, negative).backward()
    assert anchor.grad.any()
    assert positive.grad is None
    assert negative.grad is None
    assert not [k for k, q in loss.named_parameters() if q.requires_grad or q.grad is not None]


def test_the_features_stay_in_eval_mode():
    loss = ContrastiveLoss(RandomFeatures())
    assert not loss.train().features.training


def test_released_projections_keep_equal_pictures_apart():
    a, p, n = frames()
    released = ContrastiveLoss(RandomFeatures(), projection_seed=3)
    assert ContrastiveLoss(RandomFeatures())(p, p, n) == 0
    assert released(p, p, n) > 0
    again = ContrastiveLoss(RandomFeatures(), projection_seed=3)
    assert torch.equal(released(a, p, n), again(a, p, n))
    other = ContrastiveLoss(RandomFeatures(), projection_seed=4)
    assert not torch.equal(released(a, p, n), other(a, p, n))


def test_what_does_not_fit_is_refused():
    a, p, n = frames()
    loss = ContrastiveLoss(RandomFeatures())
    with pytest.raises(FramesError, match="negative"):
        loss(a, p, n[..., :4])
    with pytest.raises(FramesError, match="B, V"):
        loss(a[:, 0], p[:, 0], n[:, 0])
    with pytest.raises(ConfigError, match="2 weights for 5"):
        ContrastiveLoss(RandomFeatures(), weights=(1.0, 1.0))


@pytest.fixture(scope="module")
def vgg():
    return vgg19_state()


def sequential(state):
    """VGG-19 up to relu5_1 as a plain list of layers with their published numbers."""
    layers = nn.Sequential()
    for place in range(30):
        if place in (4, 9, 18, 27):
            layers.append(nn.MaxPool2d(2))
        elif place in CONVOLUTIONS:
            weight, bias = (state[f"features.{place}.{k}"] for k in ("weight", "bias"))
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            layer.load_state_dict({"weight": weight, "bias": bias})
            layers.append(layer)
        else:
            layers.append(nn.ReLU())
    return layers


def test_vgg_features_are_taken_behind_the_first_relu_of_each_size(vgg):
    pictures = torch.rand(1, 3, 33, 20, generator=torch.Generator().manual_seed(1))
    expected, x = [], pictures
    with torch.no_grad():
        for place, layer in enumerate(sequential(vgg)):
            x = layer(x)
            if place in (1, 6, 11, 20, 29):
                expected.append(x)
        made = VGG19Features(vgg, input="plain")(pictures)
    assert [m.shape[1] for m in made] == list(VGG19Features.channels)
    for ours, theirs in zip(made, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_vgg_takes_the_input_that_its_loss_was_published_with(vgg):
    pictures = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    plain = VGG19Features(vgg, input="plain")
    for kind, given in (("imagenet", (pictures - mean) / deviation), ("signed", 2 * pictures - 1)):
        torch.testing.assert_close(VGG19Features(vgg, input=kind)(pictures)[-1], plain(given)[-1])


def test_vgg_is_frozen(vgg):
    made = VGG19Features(vgg).train()
    assert not made.training
    assert not any(p.requires_grad for p in made.parameters())


def test_weights_that_are_not_vggs_say_why(vgg):
    lacking = {k: v for k, v in vgg.items() if k != "features.28.bias"}
    with pytest.raises(WeightsError, match=r"features\.28\.bias"):
        VGG19Features(lacking)
    with pytest.raises(WeightsError, match=r"features\.0\.weight"):
        VGG19Features({**vgg, "features.0.weight": torch.zeros(64, 3, 1, 1)})
    with pytest.raises(ConfigError, match="imagenet, signed, plain"):
        VGG19Features(vgg, input="raw")
    with pytest.raises(FramesError, match="16x16"):
        VGG19Features(vgg)(torch.zeros(1, 3, 15, 20))
