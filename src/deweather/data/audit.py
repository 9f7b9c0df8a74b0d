"""Faults of a data set: unreadable files, missing partners, leaks between splits, swapped views."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deweather.data.cache import ArrayCache
from deweather.data.calibration import read_calibration
from deweather.data.layouts import Listing, PictureFile, Sample
from deweather.data.ordered import map_in_order
from deweather.data.pictures import PictureSet, read_view
from deweather.errors import DeweatherError
from deweather.image.bit_depth import to_8_bit
from deweather.image.disparity import Quantity

Array = NDArray[Any]

_ALIKE = 4  # of 63 bits in which the hashes of the same picture, saved anew, may differ
_FLAT = 2.0  # standard deviation of grey values below which a picture has no content to compare
_OFF_ROW = 1.5  # pixels by which matched points of rectified views may lie in other rows
_FEW = 12  # matched points below which nothing is said of a pair


@dataclass(frozen=True)
class Duplicate:
    """Two pictures of different splits that show the same."""

    one: str
    other: str
    splits: tuple[str, str]
    bits: int


@dataclass(frozen=True)
class PairCheck:
    """What matched points say of a stereo pair.

    Attributes:
        id: of the sample.
        points: matched points.
        disparity: their median, pixels; negative where the views seem to be swapped.
        off_row: median distance between the rows of a point in both views, pixels.
        finding: what follows from them.
        ok: False where something is wrong.
    """

    id: str
    points: int
    disparity: float = 0.0
    off_row: float = 0.0
    finding: str = "too few points to tell"
    ok: bool = True


@dataclass
class Audit:
    """The findings on one folder.

    Attributes:
        root: the folder.
        layout: name of the rule.
        samples: how many.
        splits: samples in each split.
        views: pictures of one scene at the same time.
        sizes: pictures of each "WIDTHxHEIGHT", most frequent first.
        unreadable: a message for each picture, map and calibration that cannot be read.
        mismatched: samples whose pictures and maps differ in size.
        unmatched: files without their partners.
        unused: clean pictures of no sample.
        duplicates: the same picture in two splits.
        pairs: stereo pairs that were looked at.
    """

    root: str
    layout: str
    samples: int
    splits: dict[str, int]
    views: int
    sizes: dict[str, int] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    pairs: list[PairCheck] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; clean pictures of no sample do no harm."""
        wrong = (self.unreadable, self.mismatched, self.unmatched, self.duplicates)
        return not any(wrong) and all(pair.ok for pair in self.pairs)


def audit(
    listing: Listing,
    *,
    pairs: int = 20,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Decode all pictures of a folder once and report what is wrong.

    Args:
        listing: the samples, see `find_samples`.
        pairs: stereo pairs in which points are matched, spread over all samples.
        workers: threads that decode.
        progress: is told the pictures done and the pictures in all.
    """
    layout = listing.layout
    found = Audit(
        str(listing.root), layout.name, len(listing.samples), listing.splits, layout.views
    )
    found.unmatched = [
        f"{' + '.join(map(str, part.files))}: {part.missing}" for part in listing.unmatched
    ]
    found.unused = [str(path) for path in listing.unused]
    files = list(dict.fromkeys(p for sample in listing.samples for p in sample.pictures))
    looks: dict[PictureFile, _Look] = {}
    for file, look in zip(files, map_in_order(_look_at, files, workers), strict=True):
        looks[file] = look
        if progress is not None:
            progress(len(looks), len(files))
    found.unreadable = list(dict.fromkeys(look.error for look in looks.values() if look.error))
    sizes = Counter(look.size for look in looks.values() if not look.error)
    found.sizes = {f"{w}x{h}": count for (h, w), count in sizes.most_common()}
    readable = [s for s in listing.samples if not any(looks[p].error for p in s.pictures)]
    mismatched = {s.id: text for s in readable if (text := _mismatch(s, looks, layout.border))}
    found.mismatched = list(mismatched.values())
    for problem, is_read in _bad_maps(readable, looks, listing):
        (found.mismatched if is_read else found.unreadable).append(problem)
    found.unreadable += _bad_cameras(readable, listing)
    found.duplicates = _duplicates(readable, looks)
    if layout.views == 2:
        fitting = [s for s in readable if s.views == 2 and s.id not in mismatched]
        found.pairs = [_check_pair(sample) for sample in _spread(fitting, pairs)]
    return found


@dataclass(frozen=True)
class _Look:
    """What one decoding tells: size (H, W), perceptual hash (None of flat pictures), an error."""

    size: tuple[int, int] = (0, 0)
    hash: int | None = None
    error: str = ""


def _look_at(file: PictureFile) -> _Look:
    try:
        pixels = read_view(file)
    except DeweatherError as error:
        return _Look(error=str(error))
    return _Look((pixels.shape[0], pixels.shape[1]), perceptual_hash(pixels))


def perceptual_hash(picture: Array) -> int | None:
    """63 bits that stay nearly the same when a picture (H, W, 3) is resized or compressed.

    The signs of the lowest 8x8 frequencies, but the mean, of the picture at 32x32 pixels, compared
    with their median (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
    2010). None for a picture that is nearly of one colour.
    """
    top = np.iinfo(picture.dtype).max
    small = cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = cv2.cvtColor(small * np.float32(255 / top), cv2.COLOR_RGB2GRAY)
    if grey.std() < _FLAT:
        return None
    low = cv2.dct(grey)[:8, :8].ravel()[1:]
    return int("".join("1" if bit else "0" for bit in low > np.median(low)), 2)


def _duplicates(samples: Sequence[Sample], looks: dict[PictureFile, _Look]) -> list[Duplicate]:
    """Pictures of different splits whose hashes are alike: clean ones where there are any."""
    hashes: dict[str, dict[PictureFile, int]] = defaultdict(dict)
    for sample in samples:
        for file in (sample.clean or sample.degraded)[:1]:
            value = looks[file].hash
            if value is not None:
                hashes[sample.split][file] = value
    names = sorted(hashes)
    out = []
    for number, split in enumerate(names):
        for other in names[number + 1 :]:
            theirs, values = list(hashes[other]), list(hashes[other].values())
            bits = np.array(values, np.uint64).view(np.uint8).reshape(-1, 8)
            for file, value in hashes[split].items():
                mine = np.array([value], np.uint64).view(np.uint8)
                distance = np.unpackbits(bits ^ mine, axis=1).sum(1)
                out += [
                    Duplicate(str(file.path), str(theirs[i].path), (split, other), int(distance[i]))
                    for i in np.flatnonzero(distance <= _ALIKE)
                ]
    return out


def _mismatch(sample: Sample, looks: dict[PictureFile, _Look], border: int) -> str:
    """What is wrong with the sizes of a sample's pictures, or ""."""
    sizes = [looks[file].size for file in sample.degraded or sample.clean]
    larger = (sizes[0][0] + 2 * border, sizes[0][1] + 2 * border)
    clean = [looks[file].size for file in sample.clean]
    if len(set(sizes)) == 1 and len(set(clean)) < 2 and set(clean) <= {sizes[0], larger}:
        return ""
    listed = [f"{p.path} ({looks[p].size[1]}x{looks[p].size[0]})" for p in sample.pictures]
    return f"{sample.id}: sizes differ: {', '.join(listed)}"


def _bad_maps(
    samples: Sequence[Sample], looks: dict[PictureFile, _Look], listing: Listing
) -> Iterator[tuple[str, bool]]:
    """What is wrong with disparities and depths, and whether they can be read at all."""
    reader = PictureSet(samples, listing.layout, ArrayCache(0))
    shapes: dict[Path, tuple[int, ...] | None] = {}  # samples share maps; None: unreadable
    for sample in samples:
        size = looks[sample.pictures[0]].size
        quantities: tuple[Quantity, ...] = ("disparity", "depth")
        for quantity in quantities:
            for file in filter(None, getattr(sample, quantity)):
                if file not in shapes:
                    try:
                        shapes[file] = reader.read_map(file, quantity).shape
                    except DeweatherError as error:
                        shapes[file] = None
                        yield str(error), False
                shape = shapes[file]
                if shape is not None and shape != size:
                    text = f"{file} is {shape[1]}x{shape[0]}, the pictures {size[1]}x{size[0]}"
                    yield f"{sample.id}: sizes differ: {text}", True


def _bad_cameras(samples: Sequence[Sample], listing: Listing) -> Iterator[str]:
    """What is wrong with calibrations."""
    form = listing.layout.camera_format
    for file in dict.fromkeys(sample.camera for sample in samples):
        if file is not None and form is not None:
            try:
                read_calibration(file, form)
            except DeweatherError as error:
                yield str(error)


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """At most `count` samples, evenly spread."""
    places = np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)
    return [samples[place] for place in places]


def _check_pair(sample: Sample) -> PairCheck:
    left, right = map(read_view, sample.clean or sample.degraded)
    points = match_points(left, right)
    if len(points) < _FEW:
        return PairCheck(sample.id, len(points))
    shift = points[:, 0] - points[:, 1]
    disparity, off_row = float(np.median(shift[:, 0])), float(np.median(np.abs(shift[:, 1])))
    finding, ok = "good", True
    if off_row > _OFF_ROW:
        finding, ok = "not rectified: points lie in different rows", False
    elif disparity < -0.5 and (shift[:, 0] < 0).mean() > 0.8:
        finding, ok = "left and right seem swapped: disparities are negative", False
    return PairCheck(sample.id, len(points), round(disparity, 2), round(off_row, 2), finding, ok)


def match_points(left: Array, right: Array, largest: int = 1024) -> Array:
    """Points seen in both views: (N, 2, 2), pixels, of (left, right) times (x, y).

    SIFT features (Lowe, IJCV 2004) whose nearest neighbours are each other's, and clearly nearer
    than the second nearest. The fundamental matrix that most of them agree on drops wrong matches;
    it holds for any two cameras, so it does not presume that the pair is rectified.

    Args:
        left: (H, W, 3), uint8 or uint16.
        right: the same shape.
        largest: pictures are reduced to this many pixels.
    """
    factor = min(1.0, largest / max(left.shape[:2]))
    sift = cv2.SIFT.create(nfeatures=2000)
    found = []
    for view in (left, right):
        grey = cv2.cvtColor(np.ascontiguousarray(to_8_bit(view)), cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        found.append(sift.detectAndCompute(small, None))
    (left_points, left_features), (right_points, right_features) = found
    nothing = np.zeros((0, 2, 2), np.float32)
    if min(len(left_points), len(right_points)) < 2:
        return nothing
    there = cv2.BFMatcher().knnMatch(left_features, right_features, k=2)
    back = {m.queryIdx: m.trainIdx for m in cv2.BFMatcher().match(right_features, left_features)}
    pairs = [
        (left_points[m.queryIdx].pt, right_points[m.trainIdx].pt)
        for m, second in there
        if m.distance < 0.75 * second.distance and back[m.trainIdx] == m.queryIdx
    ]
    points = np.array(pairs, np.float32).reshape(-1, 2, 2)
    if len(points) < _FEW:
        return nothing
    cv2.setRNGSeed(0)
    _, inside = cv2.findFundamentalMat(points[:, 0], points[:, 1], cv2.FM_RANSAC, 2.0)
    return nothing if inside is None else points[inside.ravel() > 0] / np.float32(factor)
