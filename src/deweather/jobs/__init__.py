"""Files in, files out: jobs planned from names, done one by one or on many machines, and outcomes.

    for job in plan_restore([Path("photos")], Path("better")):
        print(run(job, restorer).as_dict())

The kinds of jobs have a file each, with its `run` and `run_all`; the names here are those of restoring.
They are imported when first used: a plan needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deweather.jobs.outcome import Outcome
    from deweather.jobs.plan import Job, RestoreJob, plan_files, plan_restore
    from deweather.jobs.restore import run, run_all

__all__ = ["Job", "Outcome", "RestoreJob", "plan_files", "plan_restore", "run", "run_all"]

_HOMES = {
    "Job": "plan",
    "Outcome": "outcome",
    "RestoreJob": "plan",
    "plan_files": "plan",
    "plan_restore": "plan",
    "run": "restore",
    "run_all": "restore",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'deweather.jobs' has no attribute {name!r}")
    return getattr(importlib.import_module(f"deweather.jobs.{_HOMES[name]}"), name)
