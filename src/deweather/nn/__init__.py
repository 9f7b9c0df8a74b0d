"""Building blocks that two networks or more share. One block a file, shapes in every docstring."""
