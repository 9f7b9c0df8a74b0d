"""`deweather demo`: haze, rain and clear air, before and after, without downloading anything."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from deweather.cli.console import say, say_json, say_table
from deweather.cli.options import Device, Json, Weights, make_folder


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pictures.")] = Path(
        "demo"
    ),
    weights: Weights = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Restore a hazy, a rainy and a clear scene, each as a picture and as a stereo pair.

    Writes sheets (before, after, truth) and single pictures, and prints PSNR before and after. For
    the clear scene the score after is that of the output against the input. Needs the extra `demo`.
    """
    from deweather.inference import Restorer
    from deweather.jobs.demo import demo_scenes, run_demo
    from deweather.metrics import REPORT

    scenes = demo_scenes()
    restorer = Restorer("auto", weights=weights or (), device=device)
    make_folder(out)
    scores = list(run_demo(scenes, restorer, out))
    if as_json:
        say_json([{**asdict(score), "protocol": REPORT.of("psnr")} for score in scores])
        return
    say_table(
        ["scene", "views", "PSNR before (dB)", "PSNR after (dB)"],
        [(s.scene, s.views, f"{s.before:.2f}", f"{s.after:.2f}") for s in scores],
    )
    say(
        f"Protocol: {REPORT.of('psnr')}; equal pictures get {REPORT.cap:g}. Clear: the output "
        "against the input."
    )
    say(f"Pictures: {out}")
