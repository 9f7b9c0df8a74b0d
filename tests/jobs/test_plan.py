"""Plans: which pictures become which files, from names alone."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from deweather.errors import ConfigError, PictureError
from deweather.jobs.plan import Job, RestoreJob, plan_files, plan_restore


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_jobs_of_a_folder(tmp_path):
    source, out = (
        touch(tmp_path / "in", "b.png", "a10.jpg", "a2.jpg", "sub/c.tif"),
        tmp_path / "out",
    )
    planned = plan_restore([source], out, format="png", overwrite=True, side_by_side=True)
    assert planned == [
        RestoreJob((source / old,), (out / new,), "png", overwrite=True, side_by_side=True)
        for old, new in (
            ("a2.jpg", "a2.png"), ("a10.jpg", "a10.png"), ("b.png", "b.png"), ("sub/c.tif", "sub/c.png"),
        )
    ]  # fmt: skip
    assert pickle.loads(pickle.dumps(planned)) == planned
    assert len(set(planned)) == 4
    assert planned[0].source_names == (str(source / "a2.jpg"),)
    assert planned[3].folders == {out / "sub"}


def test_jobs_of_pairs_begin_with_those_without_a_partner(tmp_path):
    left = touch(tmp_path / "l", "1.png", "2.jpg", "5.png")
    right = touch(tmp_path / "r", "1.png", "2.bmp", "4.png")
    out = tmp_path / "out"
    no_left, no_right, first, second = plan_files([left], out, rights=[right])
    assert no_left.sources == (left / "5.png",)
    assert "no partner among the right pictures" in no_left.problem
    assert no_right.sources == (right / "4.png",)
    assert "no partner among the left pictures" in no_right.problem
    assert first == Job(
        (left / "1.png", right / "1.png"), (out / "left/1.png", out / "right/1.png")
    )
    assert second.targets == (out / "left/2.jpg", out / "right/2.bmp")


def test_a_job_is_finished_once_all_of_its_files_are_there(tmp_path):
    touch(tmp_path, "a.png")
    job = Job((tmp_path / "l.png", tmp_path / "r.png"), (tmp_path / "a.png", tmp_path / "b.png"))
    assert not job.finished()
    touch(tmp_path, "b.png")
    assert job.finished()
    assert not Job(job.sources, job.targets, problem="no partner").finished()
    assert not Job((b"",), (bytes,)).finished()


def test_targets_get_the_extension_of_the_format():
    """So that a job that was done knows its file."""
    job = Job((Path("a.jpg"), Path("b.jpg")), (Path("out/a.v2"), Path("out/b.jpg")), "png")
    assert job.targets == (Path("out/a.v2.png"), Path("out/b.png"))
    assert pickle.loads(pickle.dumps(job)) == job
    with pytest.raises(PictureError, match="unknown format 'gif'"):
        Job((Path("a.jpg"),), (Path("a"),), "gif")


@pytest.mark.parametrize(("sources", "targets"), [(1, 0), (1, 2), (2, 1)])
def test_there_is_a_target_for_each_source(sources, targets):
    with pytest.raises(ConfigError, match=f"with {sources} sources and {targets} targets"):
        Job((b"",) * sources, (bytes,) * targets)


def test_what_is_no_file_has_a_name_in_words(tmp_path):
    with open(touch(tmp_path, "a.png") / "a.png", "rb") as stream:
        job = Job((stream, b"\0\1"), (bytes, sys.stdout))
        assert job.source_names == (str(tmp_path / "a.png"), "<bytes>")
        assert job.output_names[0] == "<bytes>"
        assert job.folders == set()


def test_sources_that_are_missing_and_outputs_that_are_in_the_way(tmp_path):
    source = touch(tmp_path / "in", "a.png")
    with pytest.raises(PictureError, match="gone: there is no such file or folder"):
        plan_restore([source, tmp_path / "gone"], tmp_path / "out")
    with pytest.raises(ConfigError, match="among the pictures themselves"):
        plan_restore([source], source)
    with pytest.raises(ConfigError, match="is a file; name a folder"):
        plan_restore([source], source / "a.png")


def test_plans_need_no_torch():
    code = (
        "import sys; from deweather.jobs import plan_restore, Outcome, RestoreJob\n"
        "bad = [m for m in ('torch', 'cv2') if m in sys.modules]; assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
