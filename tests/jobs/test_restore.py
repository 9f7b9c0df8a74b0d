"""Jobs of restoring: whatever is read, wherever it goes, and whatever goes wrong."""

from __future__ import annotations

import io
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deweather import jobs
from deweather.errors import PictureError
from deweather.image import read_picture
from deweather.inference import Progress, Restored, Restorer
from deweather.jobs import Outcome, RestoreJob, plan_restore, run, run_all
from tests.cli.conftest import files, picture, write


def opened(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "in/a.png")


@pytest.fixture
def expected(restorer: Restorer, source: Path, tmp_path: Path) -> bytes:
    """The file that the job of one file writes."""
    target = tmp_path / "expected/a.png"
    assert run(RestoreJob((source,), (target,)), restorer).status == "done"
    assert not np.array_equal(opened(target.read_bytes()), opened(source.read_bytes()))
    return target.read_bytes()


def test_a_job_and_its_outcome_go_from_process_to_process(restorer, source, expected, tmp_path):
    target = tmp_path / "out/a.png"
    job = pickle.loads(pickle.dumps(RestoreJob((source,), (target,))))
    outcome = pickle.loads(pickle.dumps(run(job, restorer)))
    assert target.read_bytes() == expected
    assert (outcome.sources, outcome.outputs) == ((str(source),), (str(target),))
    assert (outcome.status, outcome.width, outcome.height) == ("done", 32, 24)
    assert outcome.seconds > 0
    assert json.loads(json.dumps(outcome.as_dict()))["outputs"] == [str(target)]


@pytest.mark.parametrize("kind", ["path", "bytes", "stream", "pipe"])
@pytest.mark.parametrize("into", ["path", "bytes", "stream"])
def test_sources_and_targets_of_all_kinds(restorer, source, expected, tmp_path, kind, into):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *args):
            raise io.UnsupportedOperation

        tell = seek

    content = source.read_bytes()
    given = {
        "path": source, "bytes": content, "stream": io.BytesIO(content), "pipe": Pipe(content),
    }[kind]  # fmt: skip
    path, stream = tmp_path / "out/b.png", io.BytesIO()
    target = {"path": path, "bytes": bytes, "stream": stream}[into]
    outcome = run(RestoreJob((given,), (target,)), restorer)
    assert outcome.status == "done", outcome.error
    made = path.read_bytes() if into == "path" else stream.getvalue() or outcome.contents[0]
    assert made == expected
    names = {"path": str(source), "bytes": "<bytes>", "stream": "<stream>", "pipe": "<stream>"}
    assert outcome.sources == (names[kind],)
    assert outcome.outputs == ({"path": str(path)}.get(into, f"<{into}>"),)
    assert len(outcome.contents) == (into == "bytes")


def test_content_in_memory_is_pickled_with_its_outcome(restorer, source, expected):
    job = pickle.loads(pickle.dumps(RestoreJob((source.read_bytes(),), (bytes,))))
    assert pickle.loads(pickle.dumps(run(job, restorer))).contents == (expected,)


@pytest.mark.parametrize("format", ["keep", "png", "jpg", "webp", "tiff"])
def test_without_a_name_the_content_decides_on_the_format(restorer, format):
    file = io.BytesIO()
    picture().save(file, "JPEG")
    outcome = run(RestoreJob((file.getvalue(),), (bytes,), format), restorer)
    kind = {"keep": "jpeg", "jpg": "jpeg"}.get(format, format)
    assert read_picture(outcome.contents[0]).info.kind == kind


def test_a_stream_whose_name_says_otherwise_is_read_by_its_content(restorer, source, tmp_path):
    misnamed = tmp_path / "a.jpg"
    misnamed.write_bytes(source.read_bytes())
    with misnamed.open("rb") as stream:
        outcome = run(RestoreJob((stream,), (bytes,)), restorer)
    assert outcome.status == "done"
    assert outcome.sources == (str(misnamed),)
    refused = run(RestoreJob((misnamed,), (bytes,)), restorer)
    assert "the extension .jpg says JPEG" in refused.error


def test_a_pair_in_memory(restorer, tmp_path):
    left, right = write(tmp_path / "l.png"), write(tmp_path / "r.png", 1)
    targets = (tmp_path / "out/l.png", tmp_path / "out/r.png")
    run(RestoreJob((left, right), targets), restorer)
    outcome = run(RestoreJob((left.read_bytes(), right), (bytes, bytes)), restorer)
    assert outcome.contents == tuple(target.read_bytes() for target in targets)


@pytest.mark.parametrize("into", ["bytes", "stream", "path"])
@pytest.mark.parametrize("format", ["keep", "png", "webp"])
def test_where_nothing_was_removed_the_file_is_kept(
    restorer, source, tmp_path, monkeypatch, into, format
):
    monkeypatch.setattr(
        Restorer,
        "restore_pictures",
        lambda self, pictures, **_: [Restored(p, False) for p in pictures],
    )
    stream, path = io.BytesIO(), tmp_path / "out/a"
    target = {"bytes": bytes, "stream": stream, "path": path}[into]
    outcome = run(RestoreJob((io.BytesIO(source.read_bytes()),), (target,), format), restorer)
    written = [Path(name).read_bytes() for name in outcome.outputs if into == "path"]
    (made,) = [*written, *filter(None, [stream.getvalue()]), *outcome.contents]
    assert (made == source.read_bytes()) == (format != "webp")
    copy = "Nothing was removed, the file is a copy."
    assert outcome.notes == (("Nothing was removed.",) if format == "webp" else (copy,))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "the file is empty. Copy or export it again."),
        (b"GIF89a" + bytes(40), "the content is a GIF picture."),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "the file is damaged"),
    ],
)
@pytest.mark.parametrize("kind", ["bytes", "stream", "path"])
def test_of_what_is_no_picture_nothing_is_written(restorer, tmp_path, content, error, kind):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    given = {"bytes": content, "stream": io.BytesIO(content), "path": path}[kind]
    stream = io.BytesIO()
    for target in (stream, bytes, tmp_path / "out/a.png"):
        if kind == "stream":
            given.seek(0)
        outcome = run(RestoreJob((given,), (target,)), restorer)
        assert (outcome.status, outcome.outputs, outcome.contents) == ("failed", (), ())
        assert error in outcome.error
        assert not outcome.error.startswith(outcome.sources[0])
    assert stream.getvalue() == b""
    assert files(tmp_path) == ["a.png"]


class Closed(io.BytesIO):
    name = "<pipe>"

    def read(self, *args):
        raise BrokenPipeError(32, "Broken pipe")

    write = read


def test_streams_that_break_fail_their_job(restorer, source):
    outcome = run(RestoreJob((Closed(),), (bytes,)), restorer)
    assert outcome.error == "cannot be read (Broken pipe). Open it anew."
    outcome = run(RestoreJob((source,), (Closed(),)), restorer)
    assert outcome.error == "<pipe>: cannot be written (Broken pipe). Check what reads it."


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("driver"), PictureError("odd")])
def test_it_never_raises(restorer, source, tmp_path, monkeypatch, error):
    def broken(self, pictures, **options):
        raise error

    monkeypatch.setattr(Restorer, "restore_pictures", broken)
    job = RestoreJob((source,), (tmp_path / "out/a.png",))
    outcome = run(job, restorer)
    assert outcome.status == "failed"
    assert (str(error) or "does not fit into memory") in outcome.error
    assert (outcome.width, outcome.height) == (32, 24)
    assert [o.status for o in run_all([job, job], restorer)] == ["failed", "failed"]
    assert files(tmp_path) == ["in/a.png"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_only_what_ends_the_program_passes(restorer, source, tmp_path, monkeypatch, stop):
    def stopped(self, pictures, **options):
        raise stop

    monkeypatch.setattr(Restorer, "restore_pictures", stopped)
    with pytest.raises(stop):
        run(RestoreJob((source,), (tmp_path / "out/a.png",)), restorer)
    assert files(tmp_path) == ["in/a.png"]


def test_the_same_job_twice_is_done_once(restorer, source, tmp_path, monkeypatch):
    job = RestoreJob((source,), (tmp_path / "out/a.png",))
    again = RestoreJob((source,), (tmp_path / "out/a.png",), overwrite=True)
    assert run(job, restorer).status == "done"
    source.write_bytes(b"")  # nothing of it is read
    skipped = run(job, restorer)
    assert (skipped.status, skipped.outputs) == ("skipped", (str(tmp_path / "out/a.png"),))
    assert run(again, restorer).status == "failed"
    write(source)
    assert [o.status for o in run_all([job, again, again], restorer)] == [
        "skipped", "done", "skipped",
    ]  # fmt: skip


def test_progress_is_told(restorer, source, tmp_path):
    told = []
    assert run(RestoreJob((source,), (bytes,)), restorer, told.append).status == "done"
    assert {p.stage for p in told} == {"haze"}
    last = told[-1]
    assert last == Progress("haze", last.total, last.total)


def test_a_hook_that_fails_fails_its_job_alone(restorer, source):
    def broken(*progress):
        raise ValueError("no listener")

    for hooks in ({"progress": broken}, {"cancelled": broken}):
        outcome = run(RestoreJob((source,), (bytes,)), restorer, **hooks)
        assert (outcome.status, outcome.error) == ("failed", "ValueError: no listener")


class Later:
    """Wants no more once it was told of some steps."""

    def __init__(self, steps):
        self.steps = steps

    def progress(self, progress):
        self.steps -= 1

    def cancelled(self):
        return self.steps <= 0


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("into", ["source", "file", "stream", "bytes"])
def test_a_cancelled_job_leaves_no_trace(restorer, source, tmp_path, steps, into):
    """Nothing is written, also not over the source itself, which was asked for."""
    before, stream = source.read_bytes(), io.BytesIO()
    target = {"source": source, "file": tmp_path / "out/a.png", "stream": stream, "bytes": bytes}
    job = RestoreJob((source,), (target[into],), overwrite=True)
    later = Later(steps)
    outcome = run(job, restorer, later.progress, later.cancelled)
    assert (outcome.status, outcome.outputs, outcome.contents) == ("cancelled", (), ())
    assert outcome.error is None
    assert outcome.as_dict()["status"] == "cancelled"
    assert source.read_bytes() == before
    assert stream.getvalue() == b""
    assert files(tmp_path) == ["in/a.png"]
    assert run(job, restorer).status == "done"


def test_after_a_cancel_no_further_job_is_begun(restorer, tmp_path, monkeypatch):
    for seed in range(4):
        write(tmp_path / f"in/{seed}.png", seed)
    write(tmp_path / "out/3.png")
    planned = plan_restore([tmp_path / "in"], tmp_path / "out")
    calls = []
    restore_pictures = Restorer.restore_pictures
    monkeypatch.setattr(
        Restorer,
        "restore_pictures",
        lambda *args, **options: (calls.append(1), restore_pictures(*args, **options))[1],
    )
    outcomes = list(run_all(planned, restorer, cancelled=lambda: len(calls) >= 2))
    assert [o.status for o in outcomes] == ["skipped", "done", "cancelled", "cancelled"]
    assert files(tmp_path / "out") == ["0.png", "3.png"]
    outcomes = list(run_all(planned, restorer))
    assert [o.status for o in outcomes] == ["skipped", "skipped", "done", "done"]


def test_jobs_in_threads_share_a_restorer(restorer, tmp_path):
    for seed in range(6):
        write(tmp_path / f"in/{seed}.png", seed)
    planned = plan_restore([tmp_path / "in"], tmp_path / "one")
    alone = list(run_all(planned, restorer))
    others = plan_restore([tmp_path / "in"], tmp_path / "many")
    with ThreadPoolExecutor(3) as pool:
        # Each twice: of two at the same time one may find the other's file, and both are whole.
        outcomes = list(pool.map(lambda job: run(job, restorer), [*others, *others]))
    assert {o.status for o in outcomes[:6]} == {"done"} == {o.status for o in alone}
    for name in files(tmp_path / "one"):
        assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert len(files(tmp_path / "many")) == 6


def test_reading_ahead_stops_at_streams_and_large_content(restorer, source, monkeypatch):
    content = source.read_bytes()
    monkeypatch.setattr("deweather.jobs.restore._READ_AHEAD_BYTES", len(content))
    order = [
        RestoreJob((given,), (bytes,))
        for given in (content, io.BytesIO(content), content + b" ", source)
    ]
    outcomes = list(run_all(order, restorer))
    assert [o.status for o in outcomes] == ["done"] * 4
    assert len({o.contents for o in outcomes}) == 1


def test_the_room_lists_its_names():
    assert {name: getattr(jobs, name) for name in jobs.__all__}["Outcome"] is Outcome
    with pytest.raises(AttributeError, match="run_some"):
        jobs.run_some  # noqa: B018
