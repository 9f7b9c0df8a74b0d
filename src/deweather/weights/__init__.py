"""Weight cards, the bundled checkpoints, the authors' ones, and the files that hold weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deweather.weights.cards import Card, find_weights, list_weights, read_card

if TYPE_CHECKING:
    from deweather.weights.authors import from_authors

__all__ = ["Card", "find_weights", "from_authors", "list_weights", "read_card"]


def __getattr__(name: str) -> Any:
    """Import `from_authors` when it is first used: cards are read without torch."""
    if name != "from_authors":
        raise AttributeError(f"module 'deweather.weights' has no attribute {name!r}")
    from deweather.weights.authors import from_authors

    return from_authors
