import pytest
import torch

from deweather.errors import Cancelled, ConfigError, FramesError, is_out_of_memory
from deweather.inference.forward import Forward
from deweather.inference.hooks import Hooks
from deweather.models import Network, Restoration, create_model
from tests.inference.networks import Pointwise, shaken

CPU = torch.device("cpu")


def images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


class Counts(Pointwise):
    """Remembers the numbers of samples of its calls; may fail on more than some."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__(factor=0.5)
        self.most, self.counts = most, []

    def forward(self, frames):
        self.counts.append(len(frames))
        if self.most is not None and len(frames) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(frames)


@pytest.mark.parametrize(
    ("pixels", "counts"), [(16 * 24 * 5, [5]), (16 * 24 * 2 + 1, [2, 2, 1]), (1, [1] * 5)]
)
def test_batches_are_as_large_as_they_may_be(pixels, counts):
    network = Counts()
    forward = Forward(network, CPU, batch_pixels=pixels)
    x = images(5, 1, 3, 16, 24)
    assert torch.equal(forward(x), x * 0.5)
    assert network.counts == counts


def test_a_batch_is_halved_for_good_when_memory_runs_out():
    network = Counts(most=3)
    forward = Forward(network, CPU, batch_pixels=1 << 20)
    x = images(10, 1, 3, 8, 8)
    assert torch.equal(forward(x), x * 0.5)
    assert network.counts == [10, 5, 2, 2, 2, 2, 2]
    network.counts.clear()
    forward(x)
    assert network.counts == [2] * 5


def test_one_sample_that_does_not_fit_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        Forward(Counts(most=0), CPU)(images(4, 1, 3, 8, 8))


def test_a_network_gives_a_batch_what_it_gives_each():
    forward = Forward(shaken("stereoirr-tiny"), CPU, batch_pixels=1 << 20)
    x = images(3, 2, 3, 21, 37)
    each = torch.cat([forward(one[None]) for one in x])
    assert (forward(x) - each).abs().max() < 1e-6


def test_other_dtypes_become_float32():
    x = images(1, 1, 3, 8, 8)
    out = Forward(Pointwise(factor=0.5), CPU)(x.double())
    assert out.dtype == torch.float32
    assert torch.equal(out, x * 0.5)


def test_nothing_is_begun_after_a_cancel():
    network = Counts()
    asked = []

    def cancelled():
        asked.append(True)
        return len(asked) == 2

    forward = Forward(network, CPU, batch_pixels=1)
    with pytest.raises(Cancelled):
        forward(images(5, 1, 3, 8, 8), Hooks(cancelled=cancelled))
    assert network.counts == [1]


class Broken(Network):
    @property
    def needs(self):
        return Pointwise().needs

    def forward(self, frames):
        return Restoration(frames * torch.nan)


def test_nan_is_an_error_and_not_a_picture():
    with pytest.raises(FramesError, match="NaN"):
        Forward(Broken(), CPU)(images(1, 1, 3, 8, 8))


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [
        ("cpu", "auto", torch.float32),
        ("cpu", "bfloat16", torch.bfloat16),
        ("cuda", "auto", torch.bfloat16),
        ("cuda", "float32", torch.float32),
        ("mps", "auto", torch.float32),
    ],
)
def test_precision_of_a_network_that_is_sound_in_both(monkeypatch, device, precision, expected):
    network = create_model("kanet-tiny")
    assert network.needs.precisions == ("float32", "bfloat16")
    monkeypatch.setattr(type(network), "to", lambda self, _: self)  # no such device here
    assert Forward(network, torch.device(device), precision=precision).dtype == expected


def test_precision_is_only_what_a_network_is_sound_in(monkeypatch):
    monkeypatch.setattr(Pointwise, "to", lambda self, _: self)
    assert Forward(Pointwise(), torch.device("cuda")).dtype == torch.float32
    with pytest.raises(ConfigError, match="not sound in bfloat16"):
        Forward(Pointwise(), CPU, precision="bfloat16")
    with pytest.raises(ConfigError, match="float8"):
        Forward(Pointwise(), CPU, precision="float8")
    with pytest.raises(ConfigError, match=r"network\.float\(\)"):
        Forward(create_model("kanet-tiny").bfloat16(), CPU)


def test_bfloat16_gives_float32_close_to_it():
    torch.manual_seed(0)
    network = create_model("kanet-tiny").eval()
    x = images(1, 1, 3, 64, 64)
    full = Forward(network, CPU)(x)
    half = Forward(network, CPU, precision="bfloat16")(x)
    assert half.dtype == torch.float32
    assert not torch.equal(half, full)
    assert (half - full).abs().max() < 0.02


def test_the_network_is_put_into_eval_mode():
    assert not Forward(Pointwise().train(), CPU).network.training


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("not enough memory: you tried to allocate"), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("allocate"), False),
    ],
)
def test_what_counts_as_a_lack_of_memory(error, expected):
    assert is_out_of_memory(error) == expected
