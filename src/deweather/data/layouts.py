"""Folders of data sets: which files are degraded, which clean, which belong together.

A layout is data: for each role and view a template of the names, such as `hazy/{key}_{variant}`.
Files whose keys (and the folders before the template) agree are one sample. Nothing is decoded
here. `deweather.data.layout_table` has the layouts known, `deweather.data.listing` finds samples.

Templates are matched against the path below the root without its extension, in any case of letters,
after any number of leading folders (none where the template begins with a slash):

| part | stands for |
|---|---|
| `{key}` | a name within one folder, as short as possible; `{number}` is one of digits |
| `{path}` | a key that may lie in folders of its own |
| `{a|b}` | a key that is one of these |
| `{variant}` | what tells the degraded versions of one clean picture apart |
| `*`, `**/` | anything within a name, any folders |
| `(a|b)`, `(a)?` | alternatives, an optional part |
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from deweather.errors import ConfigError, PairError
from deweather.image import EXTENSIONS
from deweather.image.disparity import SUFFIXES, MapCode

Role = Literal["degraded", "clean", "disparity", "depth", "camera"]
Half = Literal["left", "right"]
CameraFormat = Literal["kitti", "cityscapes", "middlebury"]

_PARTS = re.compile(r"\{([^}]+)\}|\*\*/|\*|[^{*]+")


@dataclass(frozen=True)
class Slot:
    """Where the files of one role and view lie.

    Attributes:
        role: what they hold.
        view: 0 for a single camera or the left one, 1 for the right one.
        template: of their names, see the module.
        half: the half of a side-by-side picture that is meant; None for whole pictures.
        single: pictures of a single camera, in a layout that has pairs as well.
    """

    role: Role
    view: int
    template: str
    half: Half | None = None
    single: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The template as an expression for a path without its extension."""
        keys = 0
        parts = ["(?P<lead>)" if self.template[0] == "/" else "(?P<lead>(?:[^/]+/)*?)"]
        for match in _PARTS.finditer(self.template.removeprefix("/")):
            name, text = match.group(1), match.group()
            if name == "variant":
                parts.append("(?P<variant>[^/]+?)")
            elif name is not None:
                parts.append(f"(?P<k{keys}>{_KEYS.get(name, name)})")
                keys += 1
            else:
                parts.append(_WILD.get(text) or re.sub(r"[.+\-]", r"\\\g<0>", text))
        return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)

    @property
    def suffixes(self) -> frozenset[str]:
        """Extensions of these files, lower case."""
        if self.role in ("degraded", "clean"):
            return frozenset(EXTENSIONS)
        return frozenset(SUFFIXES if self.role in ("disparity", "depth") else (".txt", ".json"))


_KEYS = {"key": "[^/]+?", "number": "[0-9]+", "path": ".+?"}
_WILD = {"**/": "(?:[^/]+/)*?", "*": "[^/]*"}


@dataclass(frozen=True)
class Layout:
    """The rule of one data set.

    Attributes:
        name: as `--layout` takes it.
        title: the data set and where it is from.
        weather: what the degraded pictures show; clear where there are none.
        slots: of all files; of several for the same role and view the first that is found counts.
        border: clean pictures may be larger by so many pixels at every side, which are cut off.
        by_order: where no names agree, the n-th files of each role and view belong together.
        split: of files whose folders name none.
        lists: text files of `degraded clean` paths, one pair a line, relative to their folders.
        map_code: of the disparity; None for what `deweather.image.disparity.read_map` reads.
        camera_format: of the camera files.
    """

    name: str
    title: str
    weather: Literal["haze", "rain", "any", "clear"]
    slots: tuple[Slot, ...]
    border: int = 0
    by_order: bool = False
    split: str = "all"
    lists: tuple[str, ...] = ()
    map_code: MapCode | None = None
    camera_format: CameraFormat | None = None

    @property
    def views(self) -> int:
        """1 for single cameras, 2 for rectified pairs; see `mixed` for sets of both."""
        return 1 + max(slot.view for slot in self.slots)

    @property
    def mixed(self) -> bool:
        """Whether there are single pictures beside the pairs."""
        return any(slot.single for slot in self.slots)

    def has(self, role: Role) -> bool:
        """Whether any file has this role."""
        return any(slot.role == role for slot in self.slots)

    def names(self) -> list[str]:
        """The names looked for, a line each."""
        lines = []
        for slot in self.slots:
            paired = self.views == 2 and not slot.single
            view = ("left ", "right ")[slot.view] if paired else ""
            half = f" ({slot.half} half)" if slot.half else ""
            kinds = {"disparity": ".(npy|npz|pfm|png)", "depth": ".(npy|npz|pfm|png)"}
            suffix = "" if slot.role == "camera" else kinds.get(slot.role, ".PICTURE")
            lines.append(f"{view}{slot.role}: {slot.template}{suffix}{half}")
        return lines + [f"list of pairs: {name}" for name in self.lists]


@dataclass(frozen=True)
class PictureFile:
    """A picture on disk, or one half of a side-by-side one."""

    path: Path
    half: Half | None = None


@dataclass(frozen=True)
class Sample:
    """Files that show one scene; V is 1, or 2 for a rectified pair (left, right).

    Attributes:
        id: folders, key and variant; distinct within a listing.
        split: train, val, test, or what the layout says.
        degraded: V pictures; none in sets of clear pictures.
        clean: V pictures; none in sets without ground truth.
        disparity: V files or None each, pixels; empty where there are none.
        depth: likewise, metres.
        camera: calibration file.
    """

    id: str
    split: str
    degraded: tuple[PictureFile, ...] = ()
    clean: tuple[PictureFile, ...] = ()
    disparity: tuple[Path | None, ...] = ()
    depth: tuple[Path | None, ...] = ()
    camera: Path | None = None

    @property
    def views(self) -> int:
        """Number of views V."""
        return len(self.degraded or self.clean)

    @property
    def pictures(self) -> tuple[PictureFile, ...]:
        """All pictures, degraded ones first."""
        return self.degraded + self.clean


@dataclass(frozen=True)
class Unmatched:
    """Files that should be part of a sample, and what is missing."""

    files: tuple[Path, ...]
    missing: str


@dataclass(frozen=True)
class Listing:
    """What a layout found in a folder.

    Attributes:
        root: the folder.
        layout: its rule.
        samples: in natural order of their ids.
        unmatched: degraded pictures without clean ones, views without the other, names that are
            taken.
        unused: clean pictures of no sample.
    """

    root: Path
    layout: Layout
    samples: tuple[Sample, ...]
    unmatched: tuple[Unmatched, ...] = ()
    unused: tuple[Path, ...] = ()

    @property
    def splits(self) -> dict[str, int]:
        """Number of samples in each split."""
        return dict(sorted(Counter(sample.split for sample in self.samples).items()))

    def of_split(self, split: str | None) -> Sequence[Sample]:
        """The samples of one split; all if None.

        Raises:
            ConfigError: there are none; names those that there are.
        """
        chosen = [s for s in self.samples if split in (None, s.split)]
        if not chosen:
            held = ", ".join(f"{name} ({count})" for name, count in self.splits.items())
            raise ConfigError(f"{self.root}: no samples of split {split!r}; there are {held}.")
        return chosen

    def check_complete(self) -> None:
        """Refuse a folder with unmatched files.

        Raises:
            PairError: names the first few.
        """
        if self.unmatched:
            first = "; ".join(f"{u.files[0]}: {u.missing}" for u in self.unmatched[:5])
            more = f"; and {len(self.unmatched) - 5} more" if len(self.unmatched) > 5 else ""
            raise PairError(f"{first}{more}. Add what is missing, or remove these files.")
