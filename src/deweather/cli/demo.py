"""`deweather demo`: haze, rain and clear air, before and after, without downloading anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deweather.cli.console import say, say_json, say_table
from deweather.errors import ConfigError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

_MARGIN = 4  # pixels between the pictures of a sheet
_HEADLINE = 20  # pixels above them, for labels


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pictures.")] = Path(
        "demo"
    ),
    weights: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|FILE", help="Weights instead of the bundled ones."),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Restore a hazy, a rainy and a clear scene, each as a picture and as a stereo pair.

    Writes sheets (before, after, truth) and single pictures, and prints PSNR before and after. For
    the clear scene the score after is that of the output against the input. Needs the extra `demo`.
    """
    from deweather.inference import Restorer
    from deweather.jobs.demo import demo_scenes
    from deweather.metrics import PSNR_PROTOCOL, psnr

    scenes = demo_scenes()
    restorer = Restorer("auto", weights=weights or (), device=device)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: the folder cannot be made ({error.strerror}).") from error
    rows = []
    for scene in scenes:
        for views in (1, 2):
            seen, truth = scene.seen[:, :views], scene.truth[:, :views]
            restored = restorer.restore(seen)
            write_pictures(
                out, scene.name, scene.weather, seen=seen, restored=restored, truth=truth
            )
            rows.append(
                {
                    "scene": scene.name,
                    "views": views,
                    "before": _finite(psnr(seen, truth)),
                    "after": _finite(psnr(restored, truth)),
                    "protocol": PSNR_PROTOCOL,
                }
            )
    if as_json:
        say_json(rows)
        return
    say_table(
        ["scene", "views", "PSNR before (dB)", "PSNR after (dB)"],
        [(r["scene"], r["views"], _decibels(r["before"]), _decibels(r["after"])) for r in rows],
    )
    say(f"Protocol: {PSNR_PROTOCOL}. Clear: the output against the input.")
    say(f"Pictures: {out}")


def _finite(score: Tensor) -> float | None:
    """A score, or None for equal pictures, whose PSNR is infinite and no JSON."""
    value = float(score)
    return None if value == float("inf") else round(value, 3)


def _decibels(score: Any) -> str:
    return "equal" if score is None else f"{score:.2f}"


def write_pictures(
    out: Path, name: str, weather: str, *, seen: Tensor, restored: Tensor, truth: Tensor
) -> None:
    """Write the sheet of a scene, and its single pictures into the folder `pictures`.

    Args:
        out: folder.
        name: of the scene.
        weather: in words, for the labels.
        seen: (1, V, 3, H, W), likewise the next two.
        restored: what became of it.
        truth: without weather.
    """
    from PIL import Image

    from deweather.image.frames import from_frames

    singles = out / "pictures"
    singles.mkdir(exist_ok=True)
    stereo = seen.shape[1] == 2
    labels = (f"before: {weather}", "after", "truth")
    columns = [[Image.fromarray(a) for a in from_frames(f)] for f in (seen, restored, truth)]
    sides = ("_left", "_right") if stereo else ("",)
    for kind, pictures in zip(("before", "after", "truth"), columns, strict=True):
        for side, picture in zip(sides, pictures, strict=True):
            _save(picture, singles / f"{name}_{kind}{side}.png")
    _save(sheet(columns, labels), out / f"{name}{'_stereo' if stereo else ''}.png")


def sheet(columns: list[list[Image.Image]], labels: tuple[str, ...]) -> Image.Image:
    """Columns of pictures of one size under their labels, one row for each view."""
    from PIL import Image, ImageDraw

    width, height = columns[0][0].size
    across, down = width + _MARGIN, height + _MARGIN
    size = (across * len(columns) - _MARGIN, _HEADLINE + down * len(columns[0]) - _MARGIN)
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    for x, (label, pictures) in enumerate(zip(labels, columns, strict=True)):
        draw.text((x * across + 4, 4), label, fill="black")
        for y, picture in enumerate(pictures):
            page.paste(picture, (x * across, _HEADLINE + y * down))
    return page


def _save(image: Image.Image, path: Path) -> None:
    """Write a PNG under a temporary name first: a killed demo leaves no half of one."""
    temporary = path.with_name(f".{path.name}.tmp")
    image.save(temporary, "PNG")
    temporary.replace(path)
