"""Whatever is wrong with a file, the error is a PictureError, names it and says what to do."""

import contextlib
import os
import signal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deweather.errors import PictureError
from deweather.image import Picture, find_pictures, read_picture

from . import make
from .bad_files import BAD_FILES, ODD_FILES

VALID = {
    ".jpg": make.encoded("JPEG", exif=b"Exif\0\0" + make.exif(6)),
    ".png": make.encoded("PNG"),
    ".webp": make.encoded("WEBP", lossless=True),
    ".bmp": make.encoded("BMP"),
    ".tif": make.encoded("TIFF", compression="tiff_lzw"),
    ".png16": make.png(make.samples(dtype=np.uint16)),
    ".tif16": make.tiff(make.samples(dtype=np.uint16), deflate=True, predictor=2, rows=5),
}


@pytest.fixture
def deadline():
    """Whoever opens a pipe waits for ever; better to be told."""

    def stop(*_):
        raise TimeoutError("reading took more than 20 seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_there_are_many_kinds():
    assert len(BAD_FILES) >= 100
    assert len(ODD_FILES) >= 20


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_file_is_refused_by_name(kind, tmp_path, deadline, capfd):
    path = BAD_FILES[kind](tmp_path)
    if kind == "no_permission" and os.access(path, os.R_OK):
        pytest.skip("root may read everything")
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    reason = message.removeprefix(f"{path}: ")
    assert len(reason) > 20
    assert reason.endswith(".")
    assert "\n" not in reason


@pytest.mark.parametrize("kind", ODD_FILES)
def test_odd_file_is_read(kind, tmp_path, deadline):
    picture = read_picture(ODD_FILES[kind](tmp_path))
    assert picture.pixels.shape[2] == 3
    assert all(note.endswith(".") for note in picture.info.notes)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("png_named_jpeg", ("JPEG", "PNG", "Rename", ".png")),
        ("html_named_jpeg", ("HTML page",)),
        ("heic_named_jpeg", ("HEIC",)),
        ("nan_tiff", ("floating-point", "8 or 16 bits")),
        ("bomb_png", ("60000 × 60000", "max_pixels")),
        ("folder_named_png", ("folder",)),
        ("empty_png", ("empty",)),
        ("broken_link", ("leads nowhere",)),
        ("pipe", ("no regular file",)),
        ("missing_strips_tiff", ("2 of the 3 strips",)),
    ],
)
def test_the_reason_is_told(name, words, tmp_path):
    with pytest.raises(PictureError) as caught:
        read_picture(BAD_FILES[name](tmp_path))
    for word in words:
        assert word in str(caught.value)


def test_the_limit_is_a_parameter(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(make.png(make.samples(10, 10)))
    assert read_picture(path, max_pixels=100).pixels.shape == (10, 10, 3)
    with pytest.raises(PictureError, match="more than the limit of 99"):
        read_picture(path, max_pixels=99)


def test_pillows_own_limit_does_not_apply(tmp_path, monkeypatch):
    """Pillow warns above MAX_IMAGE_PIXELS and refuses above twice that; neither may be seen."""
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 10)
    turned = make.tiff(make.samples(), deflate=True, tags={0x0112: (3, [6])})
    for suffix, data in {**VALID, ".tif turned": turned}.items():
        path = tmp_path / f"a{suffix[:4]}"
        path.write_bytes(data)
        if suffix != ".webp":
            assert isinstance(read_picture(path), Picture)


def test_webp_beyond_pillows_limit(tmp_path, monkeypatch):
    """WebP checks within its class, against twice the limit, whose default is 179 million."""
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 10)
    path = tmp_path / "a.webp"
    path.write_bytes(VALID[".webp"])
    with pytest.raises(PictureError, match="more pixels than are read of WebP"):
        read_picture(path)


def test_a_batch_goes_on(tmp_path):
    """Of a folder with bad files in it every good one can still be read."""
    for kind in ("truncated_png_50", "empty_jpeg", "html_named_jpeg", "pipe"):
        BAD_FILES[kind](tmp_path)
    (tmp_path / "good.png").write_bytes(VALID[".png"])
    good = []
    for item in find_pictures([tmp_path]):
        try:
            good.append(read_picture(item.path))
        except PictureError:
            continue
    assert len(good) == 1


def _read_or_refuse(path):
    """Any other exception than PictureError fails the test by itself."""
    with contextlib.suppress(PictureError):
        picture = read_picture(path, max_pixels=100_000)
        assert picture.pixels.dtype in (np.uint8, np.uint16)


_FUZZ = settings(
    derandomize=True,
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("suffix", VALID)
@_FUZZ
@given(share=st.floats(0, 1))
def test_truncation_never_escapes(suffix, tmp_path, share):
    path = tmp_path / f"a{suffix[:4]}"
    path.write_bytes(VALID[suffix][: round(len(VALID[suffix]) * share)])
    _read_or_refuse(path)


@pytest.mark.parametrize("suffix", VALID)
@_FUZZ
@given(flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=12))
def test_flipped_bits_never_escape(suffix, tmp_path, flips):
    data = bytearray(VALID[suffix])
    for share, mask in flips:
        data[min(int(len(data) * share**3), len(data) - 1)] ^= mask  # headers come first
    path = tmp_path / f"a{suffix[:4]}"
    path.write_bytes(data)
    _read_or_refuse(path)
