"""The data section of a recipe -> numbered batches of clean scenes, or of pictures with their truth."""

from __future__ import annotations

from pathlib import Path

from torch.utils.data import Dataset

from deweather.data import (
    Curriculum,
    MixedBatches,
    PairBatch,
    PairedBatches,
    Phase,
    Photometric,
    PictureSet,
    SceneBatches,
    SceneLibrary,
    find_samples,
)
from deweather.errors import ConfigError
from deweather.train.batches import share
from deweather.train.recipe import Recipe
from deweather.train.sections import DevSection, DistillationSection, SetSection
from deweather.weather import Scene

TrainingSet = Dataset[Scene | PairBatch]


class PhasedScenes(Dataset[Scene]):
    """Clean scenes in crops that change from phase to phase."""

    def __init__(self, recipe: Recipe, library: SceneLibrary) -> None:
        """Prepare every phase."""
        data, accumulate = recipe.data, recipe.optimizer.accumulate
        self.length = recipe.steps * accumulate
        self.phases = [
            (
                start * accumulate,
                SceneBatches(
                    library,
                    patch=patch,
                    batch_pictures=count,
                    stereo_share=data.stereo_share,
                    layered_share=data.layered_share,
                    scales=data.scales,
                    length=self.length,
                    seed=recipe.seed,
                ),
            )
            for start, patch, count in crops(recipe)
        ]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Scene:
        """Batch `number`; numbers past the end are batches, too."""
        return next(batches for start, batches in reversed(self.phases) if number >= start)[number]


def crops(recipe: Recipe) -> list[tuple[int, int, int]]:
    """First step, side of the crops in pixels and pictures in a batch of every phase."""
    data = recipe.data
    return [
        (0, data.patch, data.batch_pictures),
        *((p.start, p.patch, p.batch_pictures) for p in data.phases),
    ]


def curriculum(recipe: Recipe, views: int, pictures: int | None = None) -> Curriculum:
    """The phases for samples of so many views each.

    Args:
        recipe: names the phases.
        views: of a sample.
        pictures: in a batch at first, which later phases change as they change
            data.batch_pictures; None: data.batch_pictures.
    """
    phases, whole = crops(recipe), recipe.data.batch_pictures
    first = whole if pictures is None else pictures
    ends = [start * recipe.optimizer.accumulate for start, _, _ in phases[1:]]
    return Curriculum(
        tuple(
            Phase(patch, max(1, first * now // whole // views), end)
            for (_, patch, now), end in zip(phases, [*ends, None], strict=True)
        )
    )


def training_set(recipe: Recipe, folder: str | Path | None) -> TrainingSet:
    """The batches that a recipe trains on.

    Args:
        recipe: what is trained.
        folder: of clean pictures, or what the folders of data sets are below; None takes the
            recipe's.

    Raises:
        ConfigError: no folder is named, or nothing in it fits.
        PictureError: no clean picture can be read.
        PairError: pictures lack their partners.
    """
    root = recipe.data.folder if folder is None else Path(folder)
    if not recipe.data.sets:
        if root is None:
            raise ConfigError("no pictures: give --data DIR, or data.folder in the recipe.")
        return PhasedScenes(recipe, SceneLibrary.read(root))
    sets = [(open_set(recipe, s, root), s.weight) for s in recipe.data.sets]
    if len(sets) == 1:
        return sets[0][0]
    length = recipe.steps * recipe.optimizer.accumulate
    return MixedBatches(sets, length=length, seed=recipe.seed)


def open_set(recipe: Recipe, section: SetSection, root: Path | None) -> TrainingSet:
    """The batches of one data set; raises as `training_set`."""
    folder = section.folder if root is None else root / section.folder
    pictures = PictureSet.find(folder, section.layout, section.split)
    if section.singles:
        pictures = pictures.singles()
    if not pictures.layout.has("degraded"):
        return PhasedScenes(recipe, SceneLibrary.of(pictures))
    if not pictures.layout.has("clean"):
        raise ConfigError(
            f"{folder}: layout {section.layout!r} has no truth to train on; "
            "name the folder in loss.real of a distillation."
        )
    changes = section.photometric
    return PairedBatches(
        pictures,
        curriculum=curriculum(recipe, pictures.samples[0].views),
        scales=section.scales,
        mirror=section.mirror,
        quarter_turns=section.quarter_turns,
        photometric=None if changes is None else Photometric(**changes.model_dump()),
        length=recipe.steps * recipe.optimizer.accumulate,
        seed=recipe.seed,
    )


def dev_set(recipe: Recipe, section: DevSection) -> TrainingSet:
    """The batches that weights are chosen by; raises as `training_set`.

    Where there are pairs alone, or photographs alone, only these are scored.
    """
    if section.layout is None:
        library, shares = SceneLibrary.read(section.folder), {}
        if not library.photos:
            shares = {"stereo_share": 1.0, "layered_share": 0.0}
        elif not library.pairs:
            shares = {"stereo_share": 0.0}
        data = recipe.data.model_copy(update=shares)
        return PhasedScenes(recipe.model_copy(update={"data": data}), library)
    chosen = find_samples(section.folder, section.layout).of_split(section.split)
    if any(sample.split == "test" for sample in chosen):
        raise ConfigError(
            f"{section.folder}: holds a test split, which weights must not be chosen by; "
            "set dev.split to train or val, or name another folder."
        )
    whole = SetSection(
        folder=section.folder, layout=section.layout, split=section.split, mirror=False
    )
    return open_set(recipe, whole, None)


def real_set(recipe: Recipe, folder: str | Path | None) -> PairedBatches | None:
    """The pictures without truth that a distillation wants, else None.

    Args:
        recipe: what is trained.
        folder: what the real pictures lie in; None takes the recipe's.

    Raises:
        ConfigError: nothing in the folder fits.
        PairError: pictures lack their partners.
    """
    loss = recipe.loss
    if not isinstance(loss, DistillationSection):
        return None
    root = recipe.data.folder if folder is None else Path(folder)
    place = loss.real if root is None else root / loss.real
    pictures = PictureSet.find(place, loss.real_layout)
    views = pictures.samples[0].views
    if loss.real_batch_pictures < views:
        raise ConfigError(
            f"loss.real_batch_pictures = {loss.real_batch_pictures}; give {views} or more."
        )
    return PairedBatches(
        pictures,
        curriculum=curriculum(recipe, views, loss.real_batch_pictures),
        mirror=loss.real_mirror,
        length=recipe.steps * recipe.optimizer.accumulate,
        seed=recipe.seed,
    )


def check_parts(dataset: TrainingSet, real: PairedBatches | None, count: int) -> None:
    """Raise ConfigError unless so many devices can share every batch of the run."""
    for samples in sorted(sizes(dataset) | (set() if real is None else sizes(real))):
        share(samples, 0, count)


def sizes(dataset: TrainingSet) -> set[int]:
    """How many samples the batches of a run hold."""
    if isinstance(dataset, MixedBatches):
        return set().union(*map(sizes, dataset.sets))
    if isinstance(dataset, PairedBatches):
        return {phase.batch for phase in dataset.curriculum.phases}
    assert isinstance(dataset, PhasedScenes)  # there is nothing else
    scenes = [batches for _, batches in dataset.phases]
    return {s.batch_pictures // 2 for s in scenes if s.stereo_share > 0} | {
        s.batch_pictures for s in scenes if s.stereo_share < 1
    }


def describe(dataset: TrainingSet) -> str:
    """What is there, in words."""
    if isinstance(dataset, MixedBatches):
        parts = zip(dataset.sets, dataset.shares, strict=True)
        return "; ".join(f"{describe(batches)} ({share:.0%})" for batches, share in parts)
    if isinstance(dataset, PairedBatches):
        return f"{len(dataset.pictures)} samples of layout {dataset.pictures.layout.name}"
    assert isinstance(dataset, PhasedScenes)  # there is nothing else
    clean = dataset.phases[0][1].clean
    return f"{len(clean.photos)} photographs and {len(clean.pairs)} pairs for weather"
