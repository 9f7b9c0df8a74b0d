from __future__ import annotations

import os
import pty
import subprocess
import sys
import time

import pytest

from deweather import atomic
from deweather.cli import console
from deweather.inference import Restorer
from deweather.jobs import restore as jobs_restore

from .conftest import files, write


@pytest.fixture
def album(tmp_path):
    for seed, name in enumerate("abcd"):
        write(tmp_path / f"in/{name}.png", seed)
    return tmp_path


def breaking(error, at):
    """A `restore_pictures` that raises at one call."""
    restore_pictures, calls = Restorer.restore_pictures, []

    def broken(self, pictures, **options):
        calls.append(1)
        if len(calls) == at:
            raise error
        return restore_pictures(self, pictures, **options)

    return broken


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (MemoryError(), "the picture does not fit into memory"),
        (RuntimeError("CUDA error:\nlaunch failed"), r"RuntimeError: CUDA error:\nlaunch failed"),
    ],
)
def test_any_error_is_that_of_one_file(restore, album, monkeypatch, error, shown):
    monkeypatch.setattr(Restorer, "restore_pictures", breaking(error, at=2))
    result = restore(album / "in", "--out", album / "out")
    assert result.exit_code == 1
    assert files(album / "out") == ["a.png", "c.png", "d.png"]
    assert f"failed: {album}/in/b.png: {shown}" in result.stderr
    assert f"{album}/in/b.png: failed: {shown}" in result.stdout


def test_ctrl_c_says_how_to_continue(restore, album, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Restorer, "restore_pictures", breaking(KeyboardInterrupt(), at=3))
        result = restore(album / "in", "--out", album / "out")
    assert result.exit_code == 130
    line = "Interrupted after 2 of 4. Give the same command again to continue.\n"
    assert result.stderr == line
    assert files(album / "out") == ["a.png", "b.png"]
    result = restore(album / "in", "--out", album / "out")
    assert result.exit_code == 0
    assert "2 restored, 2 already there" in result.stderr


def test_ctrl_c_lists_what_has_failed(restore, album, monkeypatch):
    (album / "in/a.png").write_bytes(b"")
    monkeypatch.setattr(Restorer, "restore_pictures", breaking(KeyboardInterrupt(), at=2))
    result = restore(album / "in", "--out", album / "out")
    assert result.exit_code == 130
    failed, interrupted = result.stderr.splitlines()
    assert failed.startswith(f"failed: {album}/in/a.png: the file is empty.")
    assert interrupted.startswith("Interrupted after 2 of 4.")


def test_ctrl_c_with_overwrite_says_what_it_would_do(restore, album, monkeypatch):
    monkeypatch.setattr(Restorer, "restore_pictures", breaking(KeyboardInterrupt(), at=1))
    result = restore(album / "in", "--out", album / "out", "--overwrite")
    assert result.exit_code == 130
    assert "leave out --overwrite" in result.stderr


def test_one_load_for_the_batch(restore, album, monkeypatch):
    loads = []
    init = Restorer.__init__
    monkeypatch.setattr(
        Restorer, "__init__", lambda self, *a, **k: (loads.append(1), init(self, *a, **k))[1]
    )
    assert restore(album / "in", "--out", album / "out").exit_code == 0
    assert loads == [1]


@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_reading_ahead_changes_nothing(restore, album, monkeypatch, limit):
    monkeypatch.setattr(jobs_restore, "_READ_AHEAD_BYTES", limit)
    (album / "in/b.png").write_bytes(b"")
    result = restore(album / "in", "--out", album / "out")
    assert result.exit_code == 1
    assert files(album / "out") == ["a.png", "c.png", "d.png"]


def test_leftovers_of_killed_runs_are_removed(restore, album):
    out = album / "out"
    write(out / "z.png")
    old, new = out / ".dw-0123456789ab.tmp", out / ".dw-ba9876543210.tmp"
    others = [out / ".dw-x.tmp", out / "dw-0123456789ab.tmp", album / "in/.dw-0123456789ab.tmp"]
    for path in (old, new, *others):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 60,) * 2)
    os.utime(new, (time.time() + 60,) * 2)  # as if another run was writing it
    assert restore(album / "in", "--out", out).exit_code == 0
    assert not old.exists()
    assert new.exists()
    assert all(path.exists() for path in others)


def test_the_name_of_leftovers_is_that_of_the_writer(restore, album, monkeypatch):
    names = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (names.append(a.name), replace(a, b)))
    assert restore(album / "in", "--out", album / "out").exit_code == 0
    assert len(names) == 4
    assert all(atomic.TEMPORARY.fullmatch(name) for name in names)


def command(album, haze, *more):
    words = [sys.executable, "-m", "deweather", "restore", album / "in", "--out", album / "out"]
    words += ["--weather", "haze", "--weights", haze, "--device", "cpu", *more]
    return [str(word) for word in words]


def test_a_closed_pipe_does_not_stop_the_batch(album, haze):
    process = subprocess.Popen(
        command(album, haze), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.stderr.read() == "4 restored, 0 failed\n"
    process.stderr.close()
    assert process.wait() == 0
    assert len(files(album / "out")) == 4


def test_a_terminal_gets_a_bar(album, haze):
    (album / "in/b.png").write_bytes(b"")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command(album, haze), stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm"}
    )
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 4096):
            shown += chunk
    except OSError:  # the other end is closed
        pass
    os.close(master)
    assert process.wait() == 1
    text = shown.decode()
    assert "━" in text
    assert "4/4" in text
    assert "3 restored, 1 failed" in text
    assert f"failed: {album}/in/b.png: the file is empty." in text
    assert text.count("the file is empty") == 1


def test_one_line_escapes_what_breaks_lines():
    assert console.one_line("a\nb\x1b[0m\udcff 雾 é") == r"a\nb\x1b[0m\udcff 雾 é"


def test_say_escapes_what_the_stream_cannot_show(monkeypatch, tmp_path):
    with open(tmp_path / "page", "w", encoding="ascii") as page:
        monkeypatch.setattr(sys, "stdout", page)
        console.say("雾 x")
    assert (tmp_path / "page").read_text() == "\\u96fe x\n"
