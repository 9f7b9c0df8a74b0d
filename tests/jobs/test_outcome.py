from __future__ import annotations

import json
from pathlib import Path

import pytest

from deweather.errors import PictureError
from deweather.jobs.outcome import Outcome, reason
from deweather.jobs.plan import Job

PAIR = Job((Path("l.png"), Path("r.png")), (Path("out/l.png"), Path("out/r.png")))
ONE = Job((Path("a.png"),), (Path("out/a.png"),))


def test_json_has_every_fact_but_the_contents():
    outcome = Outcome.of(
        PAIR, "done", seconds=1.23456, width=4, height=3, notes=("Left: odd.",), contents=(b"x",)
    )
    assert json.loads(json.dumps(outcome.as_dict())) == {
        "source": "l.png",
        "right": "r.png",
        "outputs": ["out/l.png", "out/r.png"],
        "status": "done",
        "seconds": 1.235,
        "width": 4,
        "height": 3,
        "notes": ["Left: odd."],
        "error": None,
    }


@pytest.mark.parametrize(
    ("status", "there"), [("done", 1), ("skipped", 1), ("failed", 0), ("cancelled", 0)]
)
def test_outputs_are_there_if_the_job_was_done(status, there):
    outcome = Outcome.of(ONE, status)
    assert outcome.outputs == ("out/a.png",)[:there]
    assert (outcome.as_dict()["source"], outcome.as_dict()["right"]) == ("a.png", None)


@pytest.mark.parametrize(
    ("error", "job", "said"),
    [
        (PictureError("a.png: the file is empty."), ONE, "the file is empty."),
        (PictureError("out/a.png: cannot be written."), ONE, "out/a.png: cannot be written."),
        (PictureError("l.png: the file is empty."), PAIR, "l.png: the file is empty."),
        (MemoryError(), ONE, "the picture does not fit into memory."),
        (ZeroDivisionError("by 0"), ONE, "ZeroDivisionError: by 0"),
    ],
)
def test_reasons_leave_out_the_name_that_stands_beside_them(error, job, said):
    assert reason(error, job).startswith(said)
