"""The frame of the authors' checkpoints: containers, prefixes, dtypes, errors, recognition."""

import importlib
import random

import numpy as np
import pytest
import torch

from deweather.errors import ConfigError, UnknownNameError, WeightsError
from deweather.models import Network
from deweather.models.dcmpnet import DCMPNetDepth
from deweather.nn.degradation_removal import draw_fourier
from deweather.weights import from_authors
from deweather.weights.authors import (
    CONTAINERS,
    TASKS,
    bare_parameters,
    manifests,
    psidnet,
    recognise,
    switches_of,
)

from . import authors


@pytest.fixture(scope="module")
def state():
    return authors.psidnet()


@pytest.fixture(scope="module")
def network(state):
    return from_authors("psidnet", state)


def test_the_network_is_filled_and_behaves_as_released(state, network):
    assert isinstance(network, Network)
    assert not network.training
    assert network.config.as_released
    ours = network.state_dict()
    assert len(ours) == len(state) - authors.UNUSED
    assert torch.equal(ours["halves.encoder.0.weight"], state["enc_stage2.layer1.weight"])
    given = {t.data_ptr() for t in state.values()}
    assert not given & {
        t.data_ptr() for t in ours.values()
    }  # later training leaves the state alone


def test_the_behaviour_can_be_corrected_as_a_whole_or_in_parts(state):
    assert not from_authors("psidnet", state, as_released=False).config.as_released
    config = from_authors("psidnet", state, crossed_views=False).config
    assert (config.as_released, config.crossed_views) == (True, False)
    with pytest.raises(UnknownNameError, match="crossed_views"):
        from_authors("psidnet", state, crossed=False)


@pytest.mark.parametrize("container", [None, *CONTAINERS])
@pytest.mark.parametrize("prefix", ["", "module.", "module.module."])
def test_containers_and_prefixes_are_taken_off(state, container, prefix):
    keys = list(state)[:3]
    inner = {prefix + k: state[k] for k in keys}
    found = bare_parameters(inner if container is None else {container: inner, "epoch": 7})
    assert list(found) == keys
    assert all(found[k] is state[k] for k in keys)


def test_a_wrapped_checkpoint_gives_the_same_network(state, network):
    wrapped = {"model": {f"module.{k}": t for k, t in state.items()}, "epoch": 3, "optimal": 29.5}
    made = from_authors(wrapped).state_dict()
    for key, tensor in network.state_dict().items():
        assert torch.equal(made[key], tensor)


def test_the_state_may_stand_alone_or_by_name():
    foreign = {"conv.weight": torch.zeros(1)}
    for call in (
        lambda: from_authors(foreign),
        lambda: from_authors(None, foreign),
        lambda: from_authors(state=foreign),
    ):
        with pytest.raises(WeightsError, match=r"conv\.weight belong to no known"):
            call()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_the_dtype_is_kept(state, dtype):
    made = from_authors("psidnet", {k: t.to(dtype) for k, t in state.items()}).state_dict()
    assert {t.dtype for t in made.values()} == {dtype}
    expected = state["fuse_lv1.se.fc.0.weight"].to(dtype)
    assert torch.equal(made["full.cross_views.0.gate.0.weight"], expected)


def test_of_several_dtypes_the_widest_holds_all(state):
    mixed = {k: t.half() if k.endswith("weight") else t for k, t in state.items()}
    assert {t.dtype for t in from_authors(mixed).state_dict().values()} == {torch.float32}


def test_unused_parameters_may_be_missing(state):
    used = {k: t for k, t in state.items() if not any(p.fullmatch(k) for p in psidnet.UNUSED)}
    assert len(used) == len(state) - authors.UNUSED
    from_authors("psidnet", used)


def test_keys_that_do_not_fit_are_listed_by_the_authors_names(state):
    draws = random.Random(0)
    used = [k for k in state if not any(p.fullmatch(k) for p in psidnet.UNUSED)]
    missing, wrong = draws.sample(used, 2), draws.choice(used[:20])
    bad = {k: t for k, t in state.items() if k not in missing} | {wrong: torch.zeros(3, 1, 7, 1)}
    bad["enc_stage4.layer1.weight"] = bad["dec_stage1.layer19.0.bias"] = torch.zeros(1)
    with pytest.raises(WeightsError) as caught:
        from_authors("psidnet", bad)
    text = str(caught.value)
    found = {p.partition(": ")[0]: p.partition(": ")[2] for p in text.rstrip(".").split("; ")[1:]}
    assert found["missing"] == ", ".join(sorted(missing))
    assert found["unknown"] == "dec_stage1.layer19.0.bias, enc_stage4.layer1.weight"
    assert found["misshapen"] == f"{wrong} (3, 1, 7, 1) instead of {tuple(state[wrong].shape)}"


def empty(kind, dtype=torch.float32):
    """A checkpoint without memory: enough to see what is wrong with it."""
    shapes = manifests()[kind].items()
    return {k: torch.empty(shape, dtype=dtype, device="meta") for k, shape in shapes}


@pytest.mark.parametrize("kind", list(manifests()))
def test_every_missing_or_misshapen_parameter_is_named(kind):
    module = importlib.import_module(f"deweather.weights.authors.{kind.partition('-')[0]}")
    full = empty(kind)
    used = [k for k in full if not any(p.fullmatch(k) for p in module.UNUSED)]
    said = f"these are not the parameters of {kind}; "
    for key in used[::7]:
        bad = {k: t for k, t in full.items() if k != key}
        with pytest.raises(WeightsError) as caught:
            from_authors(bad)
        assert str(caught.value) == f"{said}missing: {key}."
        with pytest.raises(WeightsError) as caught:
            from_authors(full | {key: torch.zeros(9)})
        shape = tuple(full[key].shape)
        assert str(caught.value) == f"{said}misshapen: {key} (9,) instead of {shape}."
    with pytest.raises(WeightsError) as caught:
        from_authors(kind.partition("-")[0], {"a.b": torch.zeros(1)} | {used[0]: full[used[0]]})
    missing, unknown = str(caught.value).removeprefix(f"{said}missing: ").split("; unknown: ")
    assert missing == ", ".join(sorted(used[1:]))
    assert unknown == "a.b."


@pytest.mark.parametrize("kind", list(manifests()))
def test_methods_are_recognised_by_their_keys(kind):
    keys = list(manifests()[kind])
    assert recognise(keys) == kind.partition("-")[0]
    assert recognise([*keys[1::2], "more"]) == kind.partition("-")[0]
    assert {name.partition("-")[0] for name in manifests()} == set(TASKS)


@pytest.mark.parametrize("kind", [k for k in manifests() if k != "psidnet"])
def test_every_method_keeps_the_dtype_and_the_behaviour(kind):
    state = {k: torch.zeros(t.shape, dtype=torch.bfloat16) for k, t in empty(kind).items()}
    made = from_authors(state)
    assert {t.dtype for t in made.state_dict().values() if t.is_floating_point()} == {
        torch.bfloat16
    }
    assert not made.training
    if kind == "dcmpnet-depth":
        assert isinstance(made, DCMPNetDepth)
    else:
        assert switches_of(made, kind)["as_released"]


def test_random_features_are_those_given_or_those_of_the_seed():
    state = {k: torch.zeros(t.shape) for k, t in empty("kanet").items()}
    fourier = torch.full((512, 64), 2.0, dtype=torch.float64), torch.full((512,), 3.0)
    made = from_authors("kanet", state, fourier=fourier).removal.fourier
    assert (made.frequencies == 2).all()
    assert (made.phases == 3).all()
    assert made.phases.dtype == torch.float32
    assert not made.redraw
    seeded = from_authors("kanet", state, seed=1).removal.fourier
    for features, drawn in zip(seeded.buffers(), draw_fourier(64, 512, seed=1), strict=True):
        assert torch.equal(features, drawn)


@pytest.mark.parametrize("shapes", [[(64, 512), (512,)], [(512, 64)]])
def test_random_features_of_other_shapes_are_refused(shapes):
    state = {k: torch.zeros(t.shape) for k, t in empty("kanet").items()}
    with pytest.raises(ConfigError, match=r"expected \[\(512, 64\), \(512,\)\]"):
        from_authors("kanet", state, fourier=tuple(map(torch.zeros, shapes)))


@pytest.mark.parametrize("fourier", [3, "x", (np.zeros((512, 64)), np.zeros(512))])
def test_random_features_that_are_no_tensors_are_refused(fourier):
    state = {k: torch.zeros(t.shape) for k, t in empty("kanet").items()}
    with pytest.raises(ConfigError, match=f"fourier is of type {type(fourier).__name__}"):
        from_authors("kanet", state, fourier=fourier)


def test_switches_that_change_sizes_are_refused(state):
    with pytest.raises(ConfigError, match=r"\{'width': 16\} make a network of other sizes"):
        from_authors("psidnet", state, width=16)


def test_what_is_no_checkpoint_of_the_method_says_so(state):
    with pytest.raises(WeightsError, match=r"conv\.weight belong to no known.*psidnet, apanet"):
        from_authors({"conv.weight": torch.zeros(1)})
    with pytest.raises(WeightsError, match="those of psidnet, not of kanet"):
        from_authors("kanet", state)
    with pytest.raises(UnknownNameError, match="Did you mean 'psidnet'"):
        from_authors("psidnett", state)
    with pytest.raises(WeightsError, match=r"'state_dict': 'dict'.*model, net, dehaze_net"):
        from_authors({"state_dict": state})
    with pytest.raises(WeightsError, match="nothing"):
        from_authors("psidnet", {})
    with pytest.raises(ConfigError, match="no state"):
        from_authors("psidnet")
    with pytest.raises(ConfigError, match=r"type str; .*torch\.load\(FILE, weights_only=True\)"):
        from_authors("psidnet", "latest.pth")
    with pytest.raises(WeightsError, match="holds 1: 'Tensor' and not named tensors"):
        from_authors({1: torch.zeros(1)})
    with pytest.raises(WeightsError) as caught:
        from_authors("psidnet", {k: t.numpy() for k, t in state.items()})
    assert "'ndarray', … and not" in str(caught.value)
    assert len(str(caught.value)) < 400
    twice = {"a": torch.zeros(1), "module.a": torch.zeros(1)}
    with pytest.raises(WeightsError, match="with and without"):
        from_authors(twice)
    with pytest.raises(ConfigError, match="fourier is for kanet"):
        from_authors("psidnet", state, fourier=(torch.zeros(512, 64), torch.zeros(512)))


def test_switches_make_such_a_network_again(network):
    assert switches_of(network, "psidnet") == {"as_released": True}
