"""Weight cards, the bundled checkpoints, and the files that hold weights."""
