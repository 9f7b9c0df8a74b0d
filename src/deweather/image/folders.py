"""Find the pictures in files and folders, name the outputs, and match left with right."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from deweather.errors import PairError, PictureError
from deweather.image.files import OutputFormat, output_name
from deweather.image.formats import EXTENSIONS, READ_ONLY, default_suffix

Source = str | os.PathLike[str]


@dataclass(frozen=True)
class Found:
    """A picture file and the name under which its output is filed.

    Attributes:
        path: the file.
        relative: below the folder that was searched; for a file given by itself, its name.
    """

    path: Path
    relative: Path


@dataclass(frozen=True)
class FoundPair:
    """The two files of a stereo pair; `relative` is the left one's."""

    left: Path
    right: Path
    relative: Path


def find_pictures(sources: Sequence[Source], *, recursive: bool = True) -> list[Found]:
    """The pictures among files and in folders, in natural order (2 before 10) within each source.

    A file is taken whatever its extension; in folders the known extensions count, in any case.
    Hidden files and folders are skipped; links are followed, but no folder is entered twice.

    Args:
        sources: files and folders.
        recursive: whether to search folders within folders.

    Raises:
        PictureError: where a source is missing, a folder holds no picture, or two pictures would
            get the same name.
    """
    found: list[tuple[Found, str]] = []  # with the name of the folder each came from
    for source in map(Path, sources):
        if os.path.isdir(source):  # unlike Path.is_dir it takes names of any length
            paths = _walk(source, recursive)
            if not paths:
                known = ", ".join(sorted(EXTENSIONS))
                raise PictureError(
                    f"{source}: there are no pictures in this folder. Known extensions: {known}."
                )
            label = source.resolve().name
            found += [(Found(path, path.relative_to(source)), label) for path in paths]
        elif os.path.lexists(source):
            label = Path(os.path.abspath(source)).parent.name
            found.append((Found(source, Path(source.name)), label))
        else:
            raise PictureError(f"{source}: there is no such file or folder. Check the path.")
    return _distinct(list(dict.fromkeys(found)))


def _distinct(found: list[tuple[Found, str]]) -> list[Found]:
    """Put the name of its folder before each relative name that occurs twice."""
    count = Counter(item.relative for item, _ in found)
    named = [
        item if count[item.relative] == 1 else Found(item.path, Path(label) / item.relative)
        for item, label in found
    ]
    seen: dict[Path, Path] = {}
    for item in named:
        if item.relative in seen:
            raise PictureError(
                f"{seen[item.relative]} and {item.path} would both be called {item.relative}. "
                "Process them one after the other, into different folders."
            )
        seen[item.relative] = item.path
    return named


def _walk(folder: Path, recursive: bool) -> list[Path]:
    """Pictures below a folder, in natural order."""

    def refuse(error: OSError) -> None:
        raise PictureError(
            f"{error.filename}: the folder cannot be read ({error.strerror}). "
            "Change its permissions or leave it out."
        ) from error

    paths: list[Path] = []
    entered = {_identity(folder)}
    for root, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        visible = sorted((n for n in folders if not n.startswith(".")), key=natural_key)
        folders.clear()
        for name in visible if recursive else ():
            identity = _identity(Path(root, name))
            if identity not in entered:
                entered.add(identity)
                folders.append(name)
        paths += [
            Path(root, name)
            for name in names
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS
        ]
    return sorted(paths, key=lambda path: [natural_key(part) for part in path.parts])


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def natural_key(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Sorts `frame2` before `frame10`, numbers before words, and upper like lower case."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    numeric = [part[0] in "0123456789" for part in parts]
    return [
        (not n, int(part) if n else 0, "" if n else part)
        for n, part in zip(numeric, parts, strict=True)
    ], name


def plan_outputs(
    items: Sequence[Found], out_dir: Source, format: OutputFormat = "keep"
) -> list[tuple[Path, Path]]:
    """Where each picture's output goes: (source, target) in the order of `items`.

    Sources that differ in their extension only would meet when converted; their outputs keep the
    old extension before the new one, `a.jpg.png` beside `a.bmp.png`. Pictures of a format that is
    not written (AVIF, HEIC) become PNG where the format is to be kept.

    Raises:
        PictureError: where two outputs would still meet.
    """
    plain = [_output_name(item.relative, format) for item in items]
    # Folders that ignore case (Windows, macOS) would make A.png and a.png meet as well.
    count = Counter(str(name).casefold() for name in plain)
    plan: dict[Path, Path] = {}
    for item, name in zip(items, plain, strict=True):
        unique = name == item.relative or count[str(name).casefold()] == 1
        target = Path(out_dir) / (name if unique else _appended(item.relative, name))
        if target in plan:
            raise PictureError(
                f"{plan[target]} and {item.path} would both be written to {target}. "
                "Rename one of them."
            )
        plan[target] = item.path
    return [(source, target) for target, source in plan.items()]


def _output_name(relative: Path, format: OutputFormat) -> Path:
    """The name in its new format."""
    read_only = EXTENSIONS.get(relative.suffix.lower()) in READ_ONLY
    return output_name(relative, "png" if read_only and format == "keep" else format)


def _appended(relative: Path, converted: Path) -> Path:
    """`a.jpg.png` for a picture to be converted; one that has the extension stays as it is."""
    if relative == converted:
        return relative
    suffix = default_suffix(EXTENSIONS[converted.suffix.lower()])
    return relative.with_name(relative.name + suffix)


def find_pairs(
    left: Sequence[Source], right: Sequence[Source]
) -> tuple[list[FoundPair], list[Path], list[Path]]:
    """Match the left with the right pictures of stereo pairs, as far as they have partners.

    One file on either side make a pair, whatever they are called. Otherwise they are matched by
    their names relative to the folders given; where extensions differ, by the names without them.

    Returns:
        The pairs, the left pictures without a partner, and the right ones.

    Raises:
        PictureError: see `find_pictures`.
        PairError: where no picture has a partner; the message lists the first few.
    """
    lefts, rights = find_pictures(left), find_pictures(right)
    singles = len(lefts) == len(rights) == 1
    if singles and not any(Path(s).is_dir() for s in (*left, *right)):
        return [FoundPair(lefts[0].path, rights[0].path, lefts[0].relative)], [], []
    exact = {item.relative: item.path for item in rights}
    stems = Counter(item.relative.with_suffix("") for item in rights)
    left_stems = Counter(item.relative.with_suffix("") for item in lefts)
    by_stem = {item.relative.with_suffix(""): item for item in rights}
    pairs: list[FoundPair] = []
    unpaired_lefts: list[Path] = []
    for item in lefts:
        stem = item.relative.with_suffix("")
        partner = exact.get(item.relative)
        if partner is None and stems[stem] == left_stems[stem] == 1:
            partner = by_stem[stem].path
        if partner is None:
            unpaired_lefts.append(item.path)
        else:
            pairs.append(FoundPair(item.path, partner, item.relative))
    taken = {pair.right for pair in pairs}
    unpaired_rights = [item.path for item in rights if item.path not in taken]
    if not pairs and (unpaired_lefts or unpaired_rights):
        raise _without_partner(unpaired_lefts + unpaired_rights)
    return pairs, unpaired_lefts, unpaired_rights


def _without_partner(unpaired: Sequence[Path]) -> PairError:
    shown = ", ".join(str(path) for path in unpaired[:5])
    more = f" and {len(unpaired) - 5} more" if len(unpaired) > 5 else ""
    return PairError(f"no partner for {shown}{more}. Give left and right pictures the same names.")


def split_side_by_side(pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Left and right halves (H, W, 3) of a picture (H, 2W, 3), as views.

    Raises:
        PairError: where the width is odd.
    """
    width = pixels.shape[1]
    if width % 2 or width == 0:
        raise PairError(
            f"a side-by-side picture {width} pixels wide has no two equal halves. "
            "Crop it to an even width."
        )
    return pixels[:, : width // 2], pixels[:, width // 2 :]
