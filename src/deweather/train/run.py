"""A run: recipe and clean pictures in, `weights.safetensors` out; resumable at every checkpoint.

An epoch is `checkpoint_every` steps. Batches, weather and learning rate are functions of the step,
and a checkpoint is written at the end of every epoch with optimizer, schedule and averaged weights.
So a resumed run takes the very steps that the interrupted one would have taken.
"""

from __future__ import annotations

import logging
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, Timer, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, Subset

from deweather.data import SceneBatches, SceneLibrary
from deweather.errors import ConfigError
from deweather.metrics import psnr
from deweather.train.recipe import Recipe
from deweather.train.task import RestorationTask
from deweather.weather import Scene
from deweather.weights.files import save_weights

logger = logging.getLogger(__name__)

_NOT_OURS = (
    ".*does not have many workers.*",  # batches are cheap; workers are the caller's choice
    "Checkpoint directory .* exists and is not empty",  # that is what resuming is
    ".*LeafSpec.*is deprecated",  # Lightning's own use of torch
)
"""Warnings of Lightning that say nothing to the user of a run."""


class SceneModule(lightning.LightningDataModule):
    """Serves the batches of one epoch at a time, by their number in the run."""

    def __init__(self, batches: SceneBatches, epoch_steps: int, workers: int) -> None:
        """Take all batches of the run and how many of them are one epoch."""
        super().__init__()
        self.batches, self.epoch_steps, self.workers = batches, epoch_steps, workers

    def train_dataloader(self) -> DataLoader[Any]:
        """The batches of the current epoch, in order."""
        assert self.trainer is not None  # Lightning sets it before it asks
        start = self.trainer.current_epoch * self.epoch_steps
        part = Subset(self.batches, range(start, min(start + self.epoch_steps, len(self.batches))))
        return DataLoader(part, batch_size=None, shuffle=False, num_workers=self.workers)

    def transfer_batch_to_device(self, batch: Scene, device: torch.device, index: int) -> Scene:
        """Scenes move themselves."""
        return batch.to(device)


class Panels(Callback):
    """Writes a sheet of degraded, restored and target pictures and their PSNR to TensorBoard."""

    def __init__(self, batches: SceneBatches, every: int) -> None:
        """Take fixed scenes that the run does not train on (numbers past its end)."""
        self.batches, self.every = batches, every

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Every `every` epochs: restore the fixed batches with the averaged weights."""
        if (trainer.current_epoch + 1) % self.every:
            return
        scores, sheets = [], []
        for offset in range(4):
            index = len(self.batches) + offset
            scene = self.batches[index].to(pl_module.device)
            with torch.inference_mode():
                example = pl_module.example(scene, seed=900_000_000 + offset * 100)
                restored = pl_module.average.module(example.degraded).image.clamp(0, 1)
            scores.append((psnr(example.degraded, example.target), psnr(restored, example.target)))
            rows = [example.degraded, restored, example.target]
            sheets.append(
                torch.cat([torch.cat(list(r.flatten(0, 1)[:8]), dim=2) for r in rows], dim=1)
            )
        before = torch.cat([s[0] for s in scores]).clamp_max(60)
        after = torch.cat([s[1] for s in scores]).clamp_max(60)
        bad = before < 45
        board = trainer.logger.experiment
        step = trainer.global_step
        gain, clear = (after - before)[bad].mean(), after[~bad].mean()
        board.add_scalar("panel/psnr_gain_in_weather", gain, step)
        board.add_scalar("panel/psnr_in_clear_air", clear, step)
        board.add_image("panel/degraded_restored_target", torch.cat(sheets, dim=1).cpu(), step)
        logger.info("step %d: %+.2f dB in weather, %.2f dB in clear air", step, gain, clear)


class Keep(Callback):
    """Writes the averaged weights beside every checkpoint, and now and then a copy that stays."""

    def __init__(self, out: Path, every: int) -> None:
        """Take the run's folder and the epochs between copies in `out/snapshots`."""
        self.out, self.every = out, every

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Write `weights.safetensors`, and every so often `snapshots/STEP.safetensors`."""
        write_weights(pl_module, self.out / "weights.safetensors")
        loss = trainer.callback_metrics.get("loss", torch.tensor(float("nan")))
        steps = pl_module.recipe.steps
        logger.info("step %d of %d: loss %.4f", trainer.global_step, steps, loss)
        if (trainer.current_epoch + 1) % self.every == 0:
            folder = self.out / "snapshots"
            folder.mkdir(exist_ok=True)
            write_weights(pl_module, folder / f"{trainer.global_step:07d}.safetensors")


def write_weights(task: RestorationTask, path: Path) -> Path:
    """Write the averaged weights of a task."""
    model = task.recipe.model
    save_weights(
        path,
        task.average.module,
        model=model.name,
        switches=model.switches,
        task=task.recipe.weather.kind,
    )
    return path


def claim_folder(out: Path, recipe: Recipe, resume: bool) -> None:
    """Make the run's folder and note the recipe in it; only its number of steps may change later.

    Raises:
        ConfigError: `out` is a file, or its checkpoint belongs to another recipe.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; name a folder for the run.")
    out.mkdir(parents=True, exist_ok=True)
    note = out / "recipe.yaml"
    plan = recipe.model_dump(mode="json")
    if resume and note.exists():
        before = yaml.safe_load(note.read_text(encoding="utf-8"))
        differing = [k for k in plan if k not in ("name", "steps") and plan[k] != before.get(k)]
        if differing:
            raise ConfigError(
                f"{out} holds a run of another recipe (other: {', '.join(differing)}); "
                "name another folder, or start over with --fresh."
            )
    note.write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")


def train(
    recipe: Recipe,
    data: str | Path,
    out: str | Path,
    *,
    max_time: timedelta | None = None,
    max_steps: int | None = None,
    resume: bool = True,
    workers: int = 0,
    accelerator: str = "auto",
    progress: bool = False,
) -> Path:
    """Train by a recipe and return the path of the weights.

    Args:
        recipe: what to do.
        data: folder of clean pictures, see `SceneLibrary.read`.
        out: folder of the run: `last.ckpt`, TensorBoard events, `weights.safetensors`, `snapshots/`.
        max_time: stop at the first checkpoint after this long (per call, not per run).
        max_steps: stop at the first checkpoint at or after this step.
        resume: continue from `out/last.ckpt` if it is there.
        workers: processes that read and crop pictures.
        accelerator: Lightning's name of the device: auto, cpu, gpu, mps.
        progress: show a bar.

    Raises:
        ConfigError: the recipe does not fit the network or the pictures, or `out` is a file or
            holds the run of another recipe.
        KeyboardInterrupt: it was interrupted; the last checkpoint stays.
    """
    out = Path(out)
    d, every = recipe.data, recipe.checkpoint_every
    task = RestorationTask(recipe)
    multiple = task.network.needs.multiple
    if d.patch % multiple:
        raise ConfigError(
            f"data.patch = {d.patch}; {recipe.model.name} takes multiples of {multiple}."
        )
    checkpoint = out / "last.ckpt"
    resume = resume and checkpoint.exists()
    claim_folder(out, recipe, resume)
    if resume:
        logger.info("resuming from %s", checkpoint)
    elif recipe.model.weights is not None:
        task.start_from(recipe.model.weights)
    batches = SceneBatches(
        SceneLibrary.read(data),
        patch=d.patch,
        views=d.views,
        stereo_share=d.stereo_share,
        layered_share=d.layered_share,
        scales=d.scales,
        length=recipe.steps,
        seed=recipe.seed,
    )
    steps = min(recipe.steps, max_steps or recipe.steps)
    # Lightning's own notes (devices found, advice, advertisements) are not this run's.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    callbacks: list[Any] = [
        Panels(batches, every=max(1, 500 // every)),
        Keep(out, every=max(1, 1000 // every)),
        ModelCheckpoint(
            out, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        ),
    ]
    if max_time is not None:
        callbacks.append(Timer(max_time, interval="epoch"))
    if progress:
        callbacks.append(TQDMProgressBar())
    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=-(-steps // every),
        reload_dataloaders_every_n_epochs=1,
        gradient_clip_val=recipe.optimizer.clip,
        logger=TensorBoardLogger(out, name="", version=""),
        callbacks=callbacks,
        enable_progress_bar=progress,
        enable_model_summary=False,
        log_every_n_steps=min(20, every),
    )
    with warnings.catch_warnings():
        for message in _NOT_OURS:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(
                task,
                datamodule=SceneModule(batches, every, workers),
                ckpt_path=str(checkpoint) if resume else None,
            )
        except SystemExit as stopped:  # what Lightning makes of an interrupt
            raise KeyboardInterrupt from stopped
    logger.info("%d of %d steps are done", task.global_step, recipe.steps)
    return write_weights(task, out / "weights.safetensors")
