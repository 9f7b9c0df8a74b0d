"""`deweather restore - --out -`: a picture on standard input, the restored one on standard output."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from .conftest import files, picture, pixels, write


@pytest.fixture
def filtered(haze):
    """Call the command with bytes on standard input."""

    def call(content, *more, source="-", out="-"):
        words = [sys.executable, "-m", "deweather", "restore", source, "--out", out, "--weather"]
        words += ["haze", "--weights", haze, "--device", "cpu", *more]
        return subprocess.run(
            [str(word) for word in words], input=content, capture_output=True, check=False
        )

    return call


def opened(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def encoded(kind):
    file = io.BytesIO()
    picture().save(file, kind)
    return file.getvalue()


def test_the_very_bytes_of_the_file(filtered, restore, tmp_path):
    source = write(tmp_path / "a.png")
    done = filtered(source.read_bytes())
    assert restore(source, "--out", tmp_path / "out").exit_code == 0
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "out/a.png").read_bytes()
    line, summary = done.stderr.decode().splitlines()
    assert line.startswith("<stdin> -> <stdout> (")
    assert summary == "1 restored, 0 failed"
    assert not np.array_equal(np.asarray(opened(done.stdout)), pixels(source))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize(("format", "made"), [("keep", None), ("webp", "WEBP"), ("png", "PNG")])
def test_the_format_is_that_of_the_content_or_the_one_asked_for(filtered, kind, format, made):
    done = filtered(encoded(kind), "--format", format)
    assert done.returncode == 0, done.stderr
    assert opened(done.stdout).format == (made or kind)


def test_notes_go_to_standard_error(filtered):
    file = io.BytesIO()
    picture().convert("CMYK").save(file, "JPEG")
    done = filtered(file.getvalue())
    assert b"[CMYK converted to RGB.]" in done.stderr
    assert opened(done.stdout).mode == "RGB"


def test_a_file_to_standard_output_and_both_views_in_one_picture(filtered, restore, tmp_path):
    source = write(tmp_path / "in/both.png", width=64)
    options = ("--layout", "side-by-side")
    done = filtered(b"", *options, source=source)
    restore(source, "--out", tmp_path / "out", *options)
    assert done.stdout == (tmp_path / "out/both.png").read_bytes()
    assert f"{source} -> <stdout> (" in done.stderr.decode()


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", "the file is empty"), (b"<html></html>", "an HTML page"), (b"GIF89a", "a GIF picture")],
)
def test_of_what_is_no_picture_nothing_is_written(filtered, content, error):
    done = filtered(content)
    assert (done.returncode, done.stdout) == (1, b"")
    stderr = done.stderr.decode().splitlines()
    assert len(stderr) == 3
    assert stderr[1] == "0 restored, 1 failed"
    assert stderr[2].startswith("failed: <stdin>: ")
    assert error in stderr[2]


def test_a_picture_that_is_cut_off_is_no_picture(filtered):
    done = filtered(encoded("PNG")[:-200])
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"failed: <stdin>: the file is truncated." in done.stderr


def test_an_output_that_nobody_reads_is_a_failure(haze, tmp_path):
    # More than a pipe holds, so that the writer finds out.
    source = write(tmp_path / "a.bmp", height=300, width=300)
    words = [sys.executable, "-m", "deweather", "restore", "-", "--out", "-", "--weather", "haze"]
    words += ["--weights", str(haze), "--device", "cpu"]
    with source.open("rb") as content:
        process = subprocess.Popen(
            words, stdin=content, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    process.stdout.close()
    shown = process.stderr.read().splitlines()
    process.stderr.close()
    assert process.wait() == 1
    assert shown[-1] == (
        "failed: <stdin>: <stdout>: cannot be written (Broken pipe). Check what reads it."
    )
    assert len(shown) == 3


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-", "--out", "out"], "standard input has no name for a result in DIR"),
        (["-", "a.png", "--out", "out"], "standard input has no name for a result in DIR"),
        (["a.png", "-", "--out", "-"], "--out - takes one picture"),
        (["in", "--out", "-"], "--out - takes one picture"),
        (["-", "--out", "-", "--json"], "without --right and --json"),
        (["a.png", "--right", "a.png", "--out", "-"], "without --right and --json"),
        (["-", "--out", "-", "--format", "gif"], "'gif' is not one of"),
    ],
)
def test_wrong_usage(run, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.png")
    write(tmp_path / "in/a.png")
    result = run("restore", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert files(tmp_path) == ["a.png", "in/a.png"]


def test_a_terminal_takes_no_picture_and_gives_none(tmp_path):
    source = write(tmp_path / "a.png")
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "deweather", "restore", "--out", "-"]
    try:
        with source.open("rb") as content:
            shown = subprocess.run(
                [*words, "-"], stdin=content, stdout=slave, stderr=subprocess.PIPE, check=False
            )
        asked = subprocess.run([*words, "-"], stdin=slave, capture_output=True, check=False)
    finally:
        os.close(master)
        os.close(slave)
    assert (shown.returncode, asked.returncode, asked.stdout) == (2, 2, b"")
    assert b"would print a picture file to the terminal" in shown.stderr
    assert b"standard input is the terminal" in asked.stderr
