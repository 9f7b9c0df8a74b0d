"""The samples of a folder: its files sorted by the rule of a layout."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deweather.data.layout_table import LAYOUTS, find_layout
from deweather.data.layouts import Layout, Listing, PictureFile, Role, Sample, Unmatched
from deweather.errors import ConfigError
from deweather.image.folders import natural_key

_ENOUGH = 100  # files of a folder that tell its layout
_WORD = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}

Group = tuple[str, str]  # leading folders and key


@dataclass
class _Found:
    """Files by their role: those of all views of a key, degraded ones by variant as well."""

    degraded: dict[tuple[Group, str], dict[int, PictureFile]] = field(default_factory=dict)
    clean: dict[Group, dict[int, PictureFile]] = field(default_factory=dict)
    disparity: dict[Group, dict[int, Path]] = field(default_factory=dict)
    depth: dict[Group, dict[int, Path]] = field(default_factory=dict)
    camera: dict[Group, dict[int, Path]] = field(default_factory=dict)
    single: set[Group] = field(default_factory=set)
    taken: list[Unmatched] = field(default_factory=list)


def find_samples(root: str | Path, layout: Layout | str) -> Listing:
    """List the samples of a folder.

    Args:
        root: the folder.
        layout: a rule, or the name of one in `LAYOUTS`.

    Raises:
        UnknownNameError: no layout has this name.
        ConfigError: there is no such folder, it cannot be read, or nothing in it fits; the message
            then says which names were looked for, what is there, and which layouts do fit.
    """
    root = Path(root)
    layout = find_layout(layout) if isinstance(layout, str) else layout
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise ConfigError(f"{root} {what}; name the folder of a data set.")
    files = list(_walk(root))
    listing = fit(root, files, layout)
    if not listing.samples:
        raise ConfigError(_explain(root, files, layout, listing))
    return listing


def _explain(root: Path, files: Sequence[str], layout: Layout, listing: Listing) -> str:
    """Why a folder does not fit: the names looked for, the names found, the layouts that fit."""
    sought = "; ".join(layout.names())
    folders: Counter[str] = Counter()
    few = []  # of each folder: trying all layouts on all files of a large set would take minutes
    for file in files:
        folder = os.path.dirname(file) or "."
        folders[folder] += 1
        if folders[folder] <= _ENOUGH:
            few.append(file)
    shown = ", ".join(f"{name} ({count} files)" for name, count in list(folders.items())[:8])
    more = f", and {len(folders) - 8} more folders" if len(folders) > 8 else ""
    example = f", such as {files[0]}" if files else ""
    lacking = "".join(f" Of {u.files[0]} there is {u.missing}." for u in listing.unmatched[:1])
    fitting = [
        other.name
        for other in LAYOUTS.values()
        if other.slots[0].template != "{path}" and fit(root, few, other).samples
    ]
    hint = f" Layouts that do fit: {', '.join(fitting)}." if fitting else ""
    return (
        f"{root} has no samples of layout {layout.name!r}. Looked for {sought}. "
        f"Found {shown or 'no files'}{more}{example}.{lacking}{hint}"
    )


def fit(root: Path, files: Sequence[str], layout: Layout) -> Listing:
    """The samples that a layout sees in these files, given by their paths below the root."""
    if lists := [root / file for file in files if os.path.basename(file) in layout.lists]:
        return _listed(root, lists, layout)
    found = _sort_in(root, files, layout)
    if layout.by_order:
        _align_by_order(found)
    samples: list[Sample] = []
    unmatched = found.taken
    used: set[Group] = set()
    keys = list(found.degraded) if layout.has("degraded") else [(g, "") for g in found.clean]
    for group, variant in sorted(keys, key=lambda k: natural_key("/".join((*k[0], k[1])))):
        used.add(group)
        parts: dict[Role, dict[int, PictureFile]] = {
            "degraded": found.degraded.get((group, variant), {}),
            "clean": found.clean.get(group, {}),
        }
        count = 1 if group in found.single else layout.views
        missing = [
            f"no {'' if count == 1 else ('left ', 'right ')[view]}{role} picture"
            for role, views in parts.items()
            for view in range(count)
            if layout.has(role) and view not in views
        ]
        if missing:
            there = tuple(s.path for views in parts.values() for s in views.values())
            unmatched.append(Unmatched(there, " and ".join(missing)))
        else:
            samples.append(_sample(root, layout, found, group, variant))
    unused = [s.path for g, v in found.clean.items() if g not in used for s in v.values()]
    return Listing(root, layout, tuple(samples), tuple(unmatched), tuple(unused))


def _sample(root: Path, layout: Layout, found: _Found, group: Group, variant: str) -> Sample:
    def ordered(views: dict[int, PictureFile]) -> tuple[PictureFile, ...]:
        return tuple(views[v] for v in sorted(views))

    degraded = ordered(found.degraded.get((group, variant), {}))
    clean = ordered(found.clean.get(group, {}))

    def maps(views: dict[int, Path]) -> tuple[Path | None, ...]:
        return tuple(views.get(v) for v in range(len(degraded or clean))) if views else ()

    split = split_of((degraded or clean)[0].path.relative_to(root)) or layout.split
    return Sample(
        "".join(group) + (f"_{variant}" if variant else ""),
        split,
        degraded,
        clean,
        maps(found.disparity.get(group, {})),
        maps(found.depth.get(group, {})),
        next(iter(found.camera.get(group, {}).values()), None),
    )


def split_of(path: Path) -> str | None:
    """The split that a folder of a path names, the outermost first; None if none does.

    Words count, also those of `RainTrainH` and `rain_data_test_Light`.
    """
    for part in path.parts[:-1]:
        for word in _WORD.findall(part):
            if split := _SPLITS.get(word.lower()):
                return split
    return None


def _listed(root: Path, lists: Sequence[Path], layout: Layout) -> Listing:
    """The samples of text files with two paths, below the folder of the file, in each line."""
    samples: list[Sample] = []
    unmatched: list[Unmatched] = []
    for file in lists:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            # The lists of some sets begin paths with a slash, and mean their own folder.
            paths = [file.parent / word.lstrip("./") for word in line.split()]
            missing = [str(path) for path in paths if not path.is_file()]
            if len(paths) == 2 and not missing:
                degraded, clean = paths
                place = degraded.relative_to(root)
                split = split_of(place) or split_of(Path(file.name, "_")) or layout.split
                name = place.with_suffix("").as_posix()
                samples.append(Sample(name, split, (PictureFile(degraded),), (PictureFile(clean),)))
            elif paths:
                lacking = f"no file {missing[0]}" if missing else "two paths expected"
                unmatched.append(Unmatched((file,), f"line {number}: {lacking}"))
    return Listing(root, layout, tuple(samples), tuple(unmatched))


def _walk(root: Path) -> Iterator[str]:
    """All files below a folder but hidden ones, as paths with slashes, in natural order.

    Links are followed, but none that leads back to a folder above it. Several may lead to one
    folder: versions of a set share their clean pictures.

    Raises:
        ConfigError: a folder cannot be read.
    """
    above = {os.fspath(root): frozenset([os.path.realpath(root)])}
    for folder, folders, names in os.walk(root, followlinks=True, onerror=_refuse):
        way = above.pop(folder)  # real paths of this folder and of those that led to it
        visible = sorted((n for n in folders if not n.startswith(".")), key=natural_key)
        folders.clear()
        for name in visible:
            path = os.path.join(folder, name)
            if (real := os.path.realpath(path)) not in way:
                above[path] = way | {real}
                folders.append(name)
        for name in sorted(names, key=natural_key):
            if not name.startswith("."):
                yield Path(folder, name).relative_to(root).as_posix()


def _refuse(error: OSError) -> None:
    raise ConfigError(
        f"{error.filename}: the folder cannot be read ({error.strerror}). "
        "Change its permissions or move it away."
    ) from error


def _sort_in(root: Path, files: Sequence[str], layout: Layout) -> _Found:
    found = _Found()
    for slot in layout.slots:
        before: set[Path] = set()  # files of this very slot
        for file in files:
            stem, suffix = os.path.splitext(file)
            if suffix.lower() not in slot.suffixes:
                continue
            match = slot.pattern.fullmatch(file if slot.role == "camera" else stem)
            if match is None:
                continue
            parts = match.groupdict()
            keys = [value for name, value in sorted(parts.items()) if name[0] == "k" and value]
            group = (parts["lead"], "/".join(keys))
            path = root / file
            if slot.single:
                found.single.add(group)
            if slot.role == "degraded":
                views = found.degraded.setdefault((group, parts.get("variant") or ""), {})
                held = views.setdefault(slot.view, PictureFile(path, slot.half)).path
            elif slot.role == "clean":
                views = found.clean.setdefault(group, {})
                held = views.setdefault(slot.view, PictureFile(path, slot.half)).path
            else:
                maps: dict[Group, dict[int, Path]] = getattr(found, slot.role)
                held = maps.setdefault(group, {}).setdefault(slot.view, path)
            if held == path:
                before.add(path)
            # One of an earlier slot is preferred, and a link to the same file does no harm.
            elif held in before and os.path.realpath(held) != os.path.realpath(path):
                found.taken.append(Unmatched((path,), f"name taken by {held}"))
    return found


def _align_by_order(found: _Found) -> None:
    """Where no name is that of all roles and views of a folder, give the n-th of each the key n.

    Files are sorted by their name up to the first dot. Folders of other counts stay as they are.
    """
    degraded = {group: views for (group, _), views in found.degraded.items()}
    for lead in {lead for lead, _ in degraded}:
        columns: dict[tuple[str, int], dict[str, PictureFile]] = {}
        for role, groups in (("degraded", degraded), ("clean", found.clean)):
            for (folder, key), views in groups.items():
                for view, source in views.items() if folder == lead else ():
                    columns.setdefault((role, view), {})[key] = source
        keys = [set(column) for column in columns.values()]
        if set.intersection(*keys) or len({len(k) for k in keys}) > 1:
            continue
        for (role, view), column in columns.items():
            for n, key in enumerate(sorted(column, key=lambda name: name.split(".")[0])):
                group = (lead, f"{n:06d}")
                if role == "degraded":
                    found.degraded.setdefault((group, ""), {})[view] = column[key]
                    found.degraded.pop(((lead, key), ""), None)
                else:
                    found.clean.setdefault(group, {})[view] = column[key]
                    found.clean.pop((lead, key), None)
