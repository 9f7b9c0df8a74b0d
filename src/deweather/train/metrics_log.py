"""Values of training steps -> `metrics.jsonl` and TensorBoard's events; `versions.json` of a run."""

from __future__ import annotations

import json
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from deweather.atomic import replacing
from deweather.train.checkpoints import explaining_full_disk


class MetricsLog:
    """Means of what steps report, a line of `metrics.jsonl` and points of TensorBoard every so often.

    After a resumption, lines of steps that are to be taken again are gone. Only `seconds` and the
    figures of speed differ from those of a run that was never stopped.

    Args:
        folder: of the run.
        every: steps between lines.
        step: from which the run goes on.
    """

    def __init__(self, folder: Path, every: int, step: int) -> None:
        """Cut the lines off that lie ahead, open the files."""
        self.every = every
        self._path = folder / "metrics.jsonl"
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._since, self._steps, self._waited = time.perf_counter(), 0, 0.0
        if self._path.exists():
            kept = [
                line for line in self._path.read_bytes().splitlines(True) if _before(line, step)
            ]
            with replacing(self._path) as file:
                file.writelines(kept)
        self.board = SummaryWriter(str(folder), purge_step=step + 1)

    def add(self, values: dict[str, float], waited: float) -> None:
        """Take in one step, and the seconds that it waited for its batches."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
        self._steps += 1
        self._waited += waited

    def flush(self, step: int, **more: float) -> None:
        """Write a line if it is time for one: means since the last one, `more`, and speed."""
        if step % self.every or not self._steps:
            return
        seconds = time.perf_counter() - self._since
        line = {"step": step, **{k: s / self._counts[k] for k, s in self._sums.items()}, **more}
        line |= {
            "seconds_per_step": round(seconds / self._steps, 5),
            "share_waited_for_data": round(self._waited / seconds, 4),
        }
        self.write(line)
        self._sums, self._counts = {}, {}
        self._since, self._steps, self._waited = time.perf_counter(), 0, 0.0

    def write(self, line: dict[str, Any]) -> None:
        """Write a line with its `step` to both files."""
        with explaining_full_disk(self._path):
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            for name, value in line.items():
                if name != "step":
                    self.board.add_scalar(name, value, line["step"])

    def show(self, name: str, picture: Tensor, step: int) -> None:
        """Write a picture (3, H, W) to TensorBoard."""
        self.board.add_image(name, picture, step)

    def close(self) -> None:
        """Write out what TensorBoard holds back."""
        self.board.close()

    def state_dict(self) -> dict[str, Any]:
        """The means begun, for a checkpoint."""
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])


def _before(line: bytes, step: int) -> bool:
    """Whether a line is whole and of a step that is done."""
    try:
        return line.endswith(b"\n") and bool(json.loads(line)["step"] <= step)
    except (ValueError, KeyError, TypeError):
        return False


def note_versions(folder: Path, step: int, devices: str) -> None:
    """Add to `versions.json` what program goes on from this step, and on what."""
    path = folder / "versions.json"
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = []
    packages = ("deweather", "torch", "lightning", "numpy", "safetensors", "pydantic")
    entry = {
        "from_step": step,
        "devices": devices,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: version(name) for name in packages},
        "commit": commit(),
    }
    text = json.dumps([*(e for e in before if e["from_step"] < step), entry], indent=1)
    with replacing(path) as file:
        file.write(text.encode() + b"\n")


def commit() -> str | None:
    """The git commit of this package, with `+` if files differ from it; None outside a checkout."""
    here = str(Path(__file__).parent)
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", here, *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--", here))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changes else "")
