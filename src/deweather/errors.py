"""Typed errors. Every message names the value at fault and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn


class DeweatherError(Exception):
    """Base of all errors that this package raises on purpose."""


class PictureError(DeweatherError):
    """A picture file cannot be read or written, or is not what its user thinks it is."""


class PairError(DeweatherError):
    """Left and right pictures do not belong together: other names, other sizes."""


class FramesError(DeweatherError, ValueError):
    """A tensor or array does not have the shape, dtype or range that the call takes."""


class UnknownNameError(DeweatherError, ValueError):
    """A name (of a model, weights, preset, switch) is not in the list of valid ones."""

    def __init__(self, kind: str, name: str, valid: Iterable[str]) -> None:
        """Build the message from the kind of thing, the name given and the valid names."""
        names = sorted(valid)
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"unknown {kind} {name!r}.{hint} Valid: {', '.join(names) or 'none'}.")
        self._given = (kind, name, names)

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, list[str]]]:
        """Lets the error travel between processes: exceptions are rebuilt from their arguments."""
        return type(self), self._given


class ConfigError(DeweatherError, ValueError):
    """A recipe or a parameter has a value outside of what is allowed."""


class WeightsError(DeweatherError):
    """A weights file is missing, damaged, or does not fit the network."""


class TrainingError(DeweatherError):
    """A training run cannot go on: it diverged, the disk is full, its checkpoints are damaged."""


class Cancelled(DeweatherError):  # noqa: N818 - an answer to a wish of the caller, as in asyncio
    """The caller asked to stop. No file was written; arrays worked on in place may be half done.

    It is a `DeweatherError`, so whoever catches these must catch this one before them.
    """


class MissingExtraError(DeweatherError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        """Name the missing package and the extra that installs it."""
        super().__init__(
            f"{package!r} is not installed; run: pip install 'deweather[{extra}]'", name=package
        )
        self._given = (package, extra)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Lets the error travel between processes, like `UnknownNameError`."""
        return type(self), self._given


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, torch (on any device) or OpenCV says that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's
        return True
    # CPUs and MPS say so in a bare RuntimeError, OpenCV in an error of its own.
    said = str(error).lower()
    words = ("out of memory", "allocate memory", "not enough memory", "insufficient memory")
    return any(word in said for word in words)


def names_of_earlier_versions(module: str, table: Mapping[str, str]) -> Callable[[str], NoReturn]:
    """A module's `__getattr__` that tells what has become of its earlier names.

    Args:
        module: its name.
        table: earlier names, and what to use instead.
    """

    def refuse(name: str) -> NoReturn:
        if name in table:  # `from module import name` would swallow the text of an AttributeError
            raise ImportError(f"{module}.{name} is gone; use {table[name]}.", name=module)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return refuse
