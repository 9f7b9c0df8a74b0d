"""Samples with their truth, and ways to restore them -> scores of each sample, failures, and means.

The one loop behind `deweather evaluate`, the benchmarks of quality and the figures on weight cards.
What is wrong with one sample does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from numpy.typing import NDArray

from deweather.data import Layout, PictureSet, find_samples
from deweather.data.cache import ArrayCache
from deweather.data.listing import split_of
from deweather.errors import ConfigError, PairError
from deweather.image.frames import to_frames
from deweather.jobs.outcome import reason
from deweather.jobs.plan import Job
from deweather.metrics import REPORT, Protocol, Summary, psnr, ssim, summarise

Pixels = NDArray[Any]
Views = Sequence[Pixels]
"""V arrays (H, W, 3), uint8, uint16 or floating in [0, 1]: a picture, or left and right."""

Restore = Callable[[Views], Views]
"""Takes degraded views, which it leaves as they are, and gives restored ones."""

BEFORE = "before"
"""The way of leaving a sample as it is."""


@dataclass(frozen=True)
class Case:
    """A sample to be scored.

    Attributes:
        id: its name.
        load: gives the degraded views and the clean ones.
    """

    id: str
    load: Callable[[], tuple[Views, Views]]

    @classmethod
    def of(cls, id: str, degraded: Views, clean: Views) -> Case:
        """A sample that is in memory."""
        return cls(id, lambda: (degraded, clean))


@dataclass(frozen=True)
class SampleScores:
    """The scores of a sample by way; `before` is the way of doing nothing.

    Attributes:
        id: of the sample.
        psnr: dB, mean over the views.
        ssim: mean over the views.
    """

    id: str
    psnr: Mapping[str, float]
    ssim: Mapping[str, float]


@dataclass(frozen=True)
class Failure:
    """A sample that could not be scored, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Evaluation:
    """The scores of a set.

    Attributes:
        protocol: of all scores.
        samples: those that could be scored, in order.
        failed: the others.
    """

    protocol: Protocol
    samples: tuple[SampleScores, ...]
    failed: tuple[Failure, ...] = ()

    def summary(self, way: str) -> Summary:
        """Means of PSNR before and after a way of restoring.

        Raises:
            ConfigError: no sample could be scored.
        """
        return summarise(
            [s.psnr[BEFORE] for s in self.samples], [s.psnr[way] for s in self.samples]
        )

    def mean_ssim(self, way: str) -> float:
        """Mean SSIM of a way; there must be a sample."""
        return sum(sample.ssim[way] for sample in self.samples) / len(self.samples)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON; `mean` is left out where no sample could be scored."""
        ways = list(self.samples[0].psnr) if self.samples else []
        means = {
            "psnr": {way: self.summary(way).after for way in ways},
            "ssim": {way: self.mean_ssim(way) for way in ways},
        }
        return {
            "protocol": self.protocol.name,
            "samples": [
                {"id": s.id, "psnr": dict(s.psnr), "ssim": dict(s.ssim)} for s in self.samples
            ],
            "failed": [{"id": f.id, "reason": f.reason} for f in self.failed],
            **({"mean": means} if ways else {}),
        }


def evaluate(
    cases: Iterable[Case],
    ways: Mapping[str, Restore],
    protocol: Protocol = REPORT,
    *,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Restore every sample in every way and compare with its truth.

    Args:
        cases: the samples.
        ways: how each is restored, by name.
        protocol: of the scores.
        progress: is told the number of samples done.
    """
    samples: list[SampleScores] = []
    failed: list[Failure] = []
    for done, case in enumerate(cases, start=1):
        try:
            samples.append(_scores(case, ways, protocol))
        except Exception as error:  # also a lack of memory; one sample must not stop the others
            failed.append(Failure(case.id, reason(error, Job((), ()))))
        if progress is not None:
            progress(done)
    return Evaluation(protocol, tuple(samples), tuple(failed))


def _scores(case: Case, ways: Mapping[str, Restore], protocol: Protocol) -> SampleScores:
    degraded, clean = case.load()
    truth = to_frames(clean)
    found: dict[str, tuple[float, float]] = {}
    for name, restore in {BEFORE: _unchanged, **ways}.items():
        restored = to_frames(restore(degraded))
        found[name] = float(psnr(restored, truth, protocol)), float(ssim(restored, truth, protocol))
    return SampleScores(
        case.id, {n: p for n, (p, _) in found.items()}, {n: s for n, (_, s) in found.items()}
    )


def _unchanged(views: Views) -> Views:
    return views


def find_cases(root: str | Path, layout: Layout | str, split: str | None = None) -> list[Case]:
    """The samples of a data set that comes with its truth.

    Pictures without their partners are cases that fail.

    Args:
        root: the folder.
        layout: a rule, or its name.
        split: which samples; all if None.

    Raises:
        UnknownNameError: no layout has this name.
        ConfigError: nothing in the folder fits, nothing is of this split, or the layout has no
            degraded or no clean pictures.
    """
    listing = find_samples(root, layout)
    for role in ("degraded", "clean"):
        if not listing.layout.has(role):
            raise ConfigError(
                f"layout {listing.layout.name!r} has no {role} pictures; scores want a degraded "
                "picture and its truth. See `deweather data layouts`."
            )
    # Each picture is asked for once, so nothing is kept.
    pictures = PictureSet(listing.of_split(split), listing.layout, ArrayCache(0))
    cases = [
        Case(sample.id, partial(_load, pictures, index))
        for index, sample in enumerate(pictures.samples)
    ]
    for unmatched in listing.unmatched:
        place = unmatched.files[0].relative_to(listing.root)
        if split in (None, split_of(place) or listing.layout.split):
            cases.append(Case(str(place), partial(_refuse, unmatched.files[0], unmatched.missing)))
    return cases


def _load(pictures: PictureSet, index: int) -> tuple[Views, Views]:
    decoded = pictures.load(index)
    return decoded.degraded, decoded.clean


def _refuse(file: Path, missing: str) -> NoReturn:
    raise PairError(f"{file}: {missing}. Add what is missing, or remove the file.")
