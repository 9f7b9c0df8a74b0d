"""Cost of the networks in their published sizes: parameters, products, time, memory. Linux only.

    python benchmarks/cost/networks.py [--networks NAME ...] [--seconds S]

Time is given in units of a convolution of 64 to 64 channels, 3x3, on 256x256 pixels, float32, two CPU
threads, best against best, measured by turns in one process of their own for each network. Input are
256x256 pixels, of a stereo network a pair. GFLOP (two for a multiply-add) count what the network
computes when nothing is left out: whole attention maps, no masks. Networks behave as released, like the
code that they are compared with; APANet's correction, whose external attention is not silenced, is
given, too.

Memory is what a process takes at most for 512x512 beyond what it holds with the network loaded, where
the C library gives large blocks back at once, so that it is what is in use and not what is kept for
later; and the same for a plain evaluation: same weights, same outputs, no gradients either, but the
layers as they are defined. Every attention map is stored, maps are worked on whole,
concatenated where a layer reads several, enlarged where it reads them enlarged, batch norms are layers.

On CUDA, if there is a device: milliseconds for the same input in float32, in bfloat16, and in
bfloat16 by torch.compile.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from deweather.models import Network, create_model
from deweather.nn.memory import reusing_memory

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import RESULTS, read, table, write

THREADS = 2
STEREO = ("psidnet", "apanet", "stereoirr")
TARGETS = {
    "psidnet": (70.0, 66.0),
    "dcmpnet": (71.0, 42.0),
    "apanet": (185.0, 70.0),
    "kanet": (5.0, 4.5),
}
"""Units that the authors' code takes, and that ours may take at most."""

NETWORKS = [*TARGETS, "apanet corrected", "stereoirr"]

EXACT = {"MALLOC_MMAP_THRESHOLD_": str(4 << 20), "MALLOC_TRIM_THRESHOLD_": str(16 << 20)}
"""Settings of glibc with which every block from 4 MiB is a mapping of its own."""


def build(name: str) -> Network:
    """A network, "NAME corrected" or, where there is a choice, as released."""
    name, _, corrected = name.partition(" ")
    return (
        create_model(name) if name == "stereoirr" else create_model(name, as_released=not corrected)
    )


def make(name: str) -> Network:
    """A network with seeded weights, none of them zero, laid out as loaded ones are."""
    torch.manual_seed(0)
    network = build(name).eval().requires_grad_(False)
    for parameter in network.parameters():
        if not parameter.any():  # a branch that adds nothing yet would be quick for that alone
            parameter.uniform_(-0.1, 0.1)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def frames_for(name: str, side: int, device: str = "cpu") -> Tensor:
    """Seeded frames of a network."""
    views = 2 if name.startswith(STEREO) else 1
    draws = torch.Generator("cpu").manual_seed(0)
    return torch.rand(1, views, 3, side, side, generator=draws, device="cpu").to(device)


def best(run: Callable[[], Any], runs: int) -> float:
    """Least time in seconds of some runs."""
    least = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        run()
        least = min(least, time.perf_counter() - start)
    return least


def measure_time(name: str, seconds: float) -> dict[str, Any]:
    """Parameters, GFLOP, and the time of a network and of the unit."""
    with torch.device("meta"):
        counted = build(name)
        with FlopCounterMode(display=False) as counter:
            counted(frames_for(name, 256, "meta"))
    network, frames = make(name), frames_for(name, 256)
    unit, x = nn.Conv2d(64, 64, 3, padding=1), torch.randn(1, 64, 256, 256)
    with torch.inference_mode(), reusing_memory(torch.device("cpu")):
        network(frames)
        ours = units = float("inf")
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            units = min(units, best(lambda: unit(x), 8))
            ours = min(ours, best(lambda: network(frames), 1))
    return {
        "parameters": sum(p.numel() for p in counted.parameters()),
        "gflop": counter.get_total_flops() / 1e9,
        "unit_seconds": units,
        "seconds": ours,
        "units": ours / units,
    }


def stored_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Attention by its definition: the map of scores is stored, as is its softmax."""
    scores = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        scores = scores.masked_fill(scores.new_ones(scores.shape[-2:]).triu(1).bool(), -torch.inf)
    return (scores if attn_mask is None else scores + attn_mask).softmax(-1) @ value


def upsampled_first(x: Tensor, weight: Tensor, factor: int, stride: int) -> Tensor:
    """`upsampled_conv` by its definition."""
    x = F.interpolate(x, scale_factor=factor, mode="nearest")
    return F.conv2d(x, weight, stride=stride, padding=1)


def dense(self: Any, x: Tensor) -> Tensor:
    """A dense block by its definition."""
    maps = x
    for layer in self.layers:
        maps = torch.cat([maps, F.relu(layer(maps))], dim=1)
    return F.relu(self.fuse(maps)) + x


def normed(self: Any, *maps: Tensor) -> Tensor:
    """A normed convolution by its definition."""
    return F.relu(self.norm(self.conv(torch.cat(maps, dim=1))))


def plain_evaluation() -> contextlib.ExitStack:
    """Evaluates layers by their definitions: with gradients on, the networks cut nothing up."""
    stack = contextlib.ExitStack()
    stack.enter_context(torch.enable_grad())  # the weights want none, so nothing is kept
    for target, plain in (
        ("torch.nn.functional.scaled_dot_product_attention", stored_attention),
        ("deweather.models.dcmpnet.upsampled_conv", upsampled_first),
        ("deweather.nn.dense.DilatedDenseBlock.forward", dense),
        ("deweather.nn.unet.NormedConv.forward", normed),
    ):
        stack.enter_context(mock.patch(target, plain))
    return stack


def status(field: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at most."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"{field}:\s+(\d+)", text)
    return int(found[1]) * 1024 if found else 0


def measure_memory(name: str, *, plain: bool) -> dict[str, Any]:
    """What restoring 512x512 takes beyond the loaded network, and what comes out of it."""
    network, frames = make(name), frames_for(name, 512)
    with plain_evaluation() if plain else torch.inference_mode():
        network(frames_for(name, 64))  # the kernels are loaded
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
        held = status("VmRSS")
        image = network(frames).image
        taken = status("VmHWM") - held
    return {"bytes": taken, "mean": image.double().mean().item()}


def measure_cuda(name: str) -> dict[str, Any]:
    """Milliseconds on CUDA in float32, bfloat16, and bfloat16 compiled."""
    out: dict[str, Any] = {"device": torch.cuda.get_device_name()}
    for column, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        network, frames = make(name).cuda().to(dtype), frames_for(name, 256, "cuda").to(dtype)
        if column == "bfloat16" and column not in network.needs.precisions:
            out[column] = out["compiled"] = None
            continue
        for label, run in ((column, network), ("compiled", torch.compile(network))):
            if label == "compiled" and column == "float32":
                continue

            def once(run: Callable[[Tensor], Any] = run, frames: Tensor = frames) -> None:
                run(frames)
                torch.cuda.synchronize()

            with torch.inference_mode():
                best(once, 3)
                out[label] = 1000 * best(once, 20)
    return out


def child(kind: str, name: str, seconds: float) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--child", kind, "--networks", name]
    command += ["--seconds", str(seconds)]
    environment = os.environ | (EXACT if kind in ("memory", "plain") else {})
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def measure(kind: str, name: str, seconds: float) -> dict[str, Any]:
    """One measurement in this process."""
    if kind == "time":
        torch.set_num_threads(THREADS)
        return measure_time(name, seconds)
    torch.set_num_threads(1)  # memory is the same, and other work on the machine does not matter
    if kind == "cuda":
        return measure_cuda(name)
    return measure_memory(name, plain=kind == "plain")


def row(case: dict[str, Any]) -> list[Any]:
    """A network's row of the table."""
    cells = [
        case["network"],
        f"{case['parameters'] / 1e6:.2f}",
        f"{case['gflop']:.1f}",
        case["units"],
        case["authors_units"],
        case["target_units"],
        round(case["peak_bytes"] / 2**20),
        round(case["plain_bytes"] / 2**20),
        f"{case['peak_bytes'] / case['plain_bytes']:.0%}",
    ]
    cuda = case["cuda"] or {}
    return cells + [cuda.get(k) for k in ("float32", "bfloat16", "compiled")]


def main() -> None:
    """Measure every network, print the table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--seconds", type=float, default=20.0, help="for the time of each network")
    parser.add_argument(
        "--child", choices=["time", "memory", "plain", "cuda"], help=argparse.SUPPRESS
    )
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.child, args.networks[0], args.seconds)))
        return
    torch.set_num_threads(THREADS)
    cases = []
    for name in args.networks:
        memory, plain = (child(kind, name, 0) for kind in ("memory", "plain"))
        if abs(memory["mean"] - plain["mean"]) > 1e-4:
            raise SystemExit(f"{name}: both evaluations differ, {memory} and {plain}")
        authors, target = TARGETS.get(name, (None, None))
        cases.append(
            {
                "network": name,
                **child("time", name, args.seconds),
                "authors_units": authors,
                "target_units": target,
                "peak_bytes": memory["bytes"],
                "plain_bytes": plain["bytes"],
                "cuda": child("cuda", name, 0) if torch.cuda.is_available() else None,
            }
        )
    head = ["network", "M parameters", "GFLOP", "time", "authors'", "target", "peak MiB",
            "plain MiB", "of plain", "CUDA ms", "bfloat16", "compiled"]  # fmt: skip
    print(table(head, [row(case) for case in cases]))
    if (
        RESULTS / "networks.json"
    ).exists():  # networks that were not measured this time keep their figures
        measured = {case["network"] for case in cases}
        held = read("networks")["cases"]
        cases += [case for case in held if case["network"] not in measured]
        cases.sort(key=lambda case: NETWORKS.index(case["network"]))
    write("networks", {"threads": THREADS, "cases": cases})


if __name__ == "__main__":
    main()
