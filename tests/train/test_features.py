"""Feature networks of recipes."""

import pytest
import torch
from safetensors.torch import save_file

from deweather.errors import ConfigError, WeightsError
from deweather.losses import RandomFeatures, level_weights
from deweather.models import create_model
from deweather.train.features import make_contrastive, make_features
from deweather.train.sections import FeatureSection
from deweather.weights.files import save_weights

from ..losses.vgg19 import vgg19_state


def frames(seed, b=2, v=1):
    return torch.rand(b, v, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("model", ["stereoirr-tiny"])
def test_the_encoder_of_a_trained_network_gives_its_levels(tmp_path, model):
    path = tmp_path / "w.safetensors"
    network = create_model(model)
    save_weights(path, network, model=model, switches={}, task="haze")
    features = make_features(FeatureSection(kind="encoder", weights=str(path)))
    maps = features(frames(0)[:, 0])
    assert tuple(m.shape[1] for m in maps) == features.channels
    assert [m.shape[-1] for m in maps] == [32, 16, 8]
    with torch.no_grad():
        first = network.encoders[0](network.extract(frames(0)[:, 0]))
    assert torch.allclose(maps[0], first, atol=1e-5)
    assert level_weights(features) == (0.25, 0.5, 1.0) or level_weights(features)[-1] == 1.0
    loss = make_contrastive(FeatureSection(kind="encoder", weights=str(path)))
    assert loss(frames(1), frames(1), frames(2)) == 0


def test_only_encoders_that_are_known_are_taken(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, create_model("apanet-tiny"), model="apanet-tiny", switches={}, task="rain")
    with pytest.raises(ConfigError, match="is a APANet; give weights of StereoIRR"):
        make_features(FeatureSection(kind="encoder", weights=str(path)))


def test_vgg_is_read_from_both_kinds_of_files(tmp_path):
    state = vgg19_state()
    torch.save({**state, "classifier.0.bias": torch.zeros(2)}, tmp_path / "a.pth")
    save_file(state, tmp_path / "a.safetensors")
    pictures = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    maps = [
        make_features(FeatureSection(weights=str(tmp_path / name)))(pictures)[-1]
        for name in ("a.pth", "a.safetensors")
    ]
    assert torch.equal(*maps)
    assert maps[0].std() > 0


def test_vgg_is_fetched_where_no_file_is_named(tmp_path, monkeypatch):
    torch.save(vgg19_state(), tmp_path / "vgg.pth")
    monkeypatch.setattr("deweather.train.features.fetch_vgg19", lambda: tmp_path / "vgg.pth")
    assert make_features(FeatureSection()).channels == (64, 128, 256, 512, 512)


def test_files_that_are_not_vggs_are_named(tmp_path):
    junk = tmp_path / "junk.pth"
    junk.write_bytes(b"no pickle")
    with pytest.raises(WeightsError, match=r"loss\.features: .*junk"):
        make_features(FeatureSection(weights=str(junk)))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds a list"):
        make_features(FeatureSection(weights=str(tmp_path / "list.pth")))


def test_random_features_are_a_choice():
    assert isinstance(make_features(FeatureSection(kind="random")), RandomFeatures)
