"""From the authors' checkpoint to the authors' numbers: all outputs of every official case."""

from __future__ import annotations

import pytest
import torch

from deweather.inference.sizes import padded
from deweather.weights import from_authors
from deweather.weights.authors import manifests
from tests.formula import deviation, image

from . import authors

CASES = [(kind, case) for kind in manifests() for case in authors.golden(kind)[1]]
FIRST = [next(c for c in CASES if c[0] == kind) for kind in manifests()]
WRAPPERS = (
    ("net", "", {"initial_epoch": 3, "optimizer": {"state": {}}}),
    ("model", "module.", {"epoch": 1}),
    ("dehaze_net", "", {"epoch_dehaze": 7, "dehaze_net_best_psnr": 40.1}),
    ("depth_net", "module.", {}),
    (None, "module.", {}),
)


def saved(state, index):
    """A state as it may be saved: inside of something, beside something, with a prefix."""
    container, prefix, beside = WRAPPERS[index % len(WRAPPERS)]
    inner = {prefix + key: tensor for key, tensor in state.items()}
    return {container: inner, **beside} if container else inner


def imported(kind, case, dtype, index=0):
    """The network for a case, of a checkpoint with this dtype; named in every other case."""
    state = authors.by_formula(kind, case["seed"])
    state = {k: t.to(dtype) if t.is_floating_point() else t for k, t in state.items()}
    switches = {"fourier": authors.fourier(case["seed"])} if kind == "kanet" else {}
    name = kind.partition("-")[0] if index % 2 else None
    released = case.get("variant", "official") == "official"
    return from_authors(name, saved(state, index), as_released=released, **switches)


def outputs(kind, network, case, dtype):
    """All outputs of a case by the authors' names."""
    height, width = case["height"], case["width"]
    shifts = (0, 5) if kind in ("psidnet", "apanet") else (0,)
    views = [image(case["batch"], 3, height, width, shift) for shift in shifts]
    frames = torch.stack(views, dim=1).to(dtype)
    crops = kind == "kanet"  # as released, it cuts the picture down by itself
    with torch.inference_mode():
        out = network(frames if crops else padded(frames, network.needs))
    restored, more = out.image[..., :height, :width], dict(out.auxiliary)
    if kind == "psidnet":
        return {"dehaze_left": restored[:, 0], "dehaze_right": restored[:, 1], **more}
    if kind == "apanet":
        change = restored - frames
        return {"restored": restored.flatten(1, 2), "minus_input": change.flatten(1, 2), **more}
    more = {name: tensor[:, 0] for name, tensor in more.items()}
    if kind == "kanet":
        return {"clean": restored[:, 0], **more}
    if kind == "dcmpnet":
        signed, change = 2 * restored[:, 0] - 1, 2 * (restored - frames)[:, 0]
        return {"dehazed": signed, "minus_input": change, **more}
    return more


def largest_deviation(found, case):
    """Over all outputs of a case."""
    return max(deviation(found[name], figures) for name, figures in case["outputs"].items())


@pytest.mark.parametrize("index", range(len(CASES)))
def test_double_precision(index):
    kind, case = CASES[index]
    network = imported(kind, case, torch.float64, index)
    assert largest_deviation(outputs(kind, network, case, torch.float64), case) < 1e-9


@pytest.mark.parametrize(("kind", "case"), FIRST, ids=lambda v: v if isinstance(v, str) else "")
def test_single_precision(kind, case):
    network = imported(kind, case, torch.float32)
    assert largest_deviation(outputs(kind, network, case, torch.float32), case) < 1e-4


@pytest.mark.parametrize("kind", list(manifests()))
def test_parameters_are_those_of_the_official_list(kind):
    assert manifests()[kind] == authors.golden(kind)[0]
