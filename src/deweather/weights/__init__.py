"""Weight cards, the bundled checkpoints, and the files that hold weights."""

from deweather.weights.cards import Card, find_weights, list_weights, read_card

__all__ = ["Card", "find_weights", "list_weights", "read_card"]
