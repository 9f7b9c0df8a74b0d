"""The command `deweather`, one file per verb. Verbs import torch when they run, help does not."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit: 0 done, 1 some failed, 2 usage, 130 interrupted."""
    try:
        from deweather.cli.app import app

        app(prog_name="deweather")
    except KeyboardInterrupt:  # before a verb was there to say something about it
        sys.exit(130)
