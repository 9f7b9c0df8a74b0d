from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from deweather.image import read_picture
from deweather.inference import Restored, Restorer

from .conftest import files, picture, pixels, write


def test_a_picture_is_restored_as_the_restorer_does(restore, haze, tmp_path):
    source = write(tmp_path / "a.png")
    result = restore(source, "--out", tmp_path / "out")
    assert result.exit_code == 0
    expected = Restorer("haze", weights=haze, device="cpu").restore(pixels(source))
    np.testing.assert_array_equal(pixels(tmp_path / "out/a.png"), expected)
    assert np.abs(expected.astype(int) - pixels(source)).mean() > 5
    line = rf"{source} -> {tmp_path}/out/a.png ("
    assert result.stdout.startswith(line)
    assert result.stdout.count("\n") == 1
    assert result.stderr == "1 restored, 0 failed\n"


def test_auto_runs_both_networks(run, haze, rain, tmp_path):
    source = write(tmp_path / "a.png")
    both = ("--weights", rain, "--weights", haze)
    assert run("restore", source, "--out", tmp_path / "out", *both).exit_code == 0
    expected = Restorer("auto", weights=[haze, rain]).restore(pixels(source))
    np.testing.assert_array_equal(pixels(tmp_path / "out/a.png"), expected)


def test_both_are_taken_out_in_any_case(run, haze, rain, tmp_path):
    """`auto` would leave a picture alone that hardly changes; rain,haze does not."""
    source = write(tmp_path / "a.png")
    both = ("--weights", rain, "--weights", haze, "--device", "cpu")
    assert (
        run("restore", source, "--out", tmp_path / "out", "--weather", "rain,haze", *both).exit_code
        == 0
    )
    rainless = Restorer("rain", weights=rain, device="cpu").restore(pixels(source))
    expected = Restorer("haze", weights=haze, device="cpu").restore(rainless)
    np.testing.assert_array_equal(pixels(tmp_path / "out/a.png"), expected)


@pytest.mark.parametrize("strength", [0, 0.5, 1.5])
def test_strength_is_that_of_the_restorer(restore, haze, tmp_path, strength):
    source = write(tmp_path / "a.png")
    result = restore(source, "--out", tmp_path / "out", "--strength", strength)
    restorer = Restorer("haze", weights=haze, device="cpu", strength=strength)
    made = pixels(tmp_path / "out/a.png")
    np.testing.assert_array_equal(made, restorer.restore(pixels(source)))
    assert ("the file is a copy" in result.stdout) == (strength == 0)
    whole = Restorer("haze", weights=haze, device="cpu").restore(pixels(source))
    assert np.array_equal(made, whole) == (strength == 1)


def test_folders_are_mirrored_with_any_name(restore, tmp_path):
    names = ["a.png", "b/c.jpg", "b/d e/f.webp", "Nebel über München/雾 🌧.png", "b/[bold]x.bmp"]
    for seed, name in enumerate(names):
        write(tmp_path / "in" / name, seed)
    (tmp_path / "in/notes.txt").write_text("no picture")
    result = restore(tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert files(tmp_path / "out") == sorted(names)
    assert result.stdout.count("\n") == len(names)


@pytest.mark.skipif("sys.platform != 'linux'")
def test_names_that_are_no_text_stay_on_one_line(restore, tmp_path):
    write(tmp_path / "in/a\nb\udcff.png")
    result = restore(tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert r"in/a\nb\udcff.png -> " in result.stdout
    assert result.stdout.count("\n") == 1
    result = restore(tmp_path / "in", "--out", tmp_path / "out", "--json")
    assert json.loads(result.stdout)["source"] == str(tmp_path / "in/a\nb\udcff.png")


@pytest.mark.parametrize(
    ("format", "kind", "suffix"),
    [
        ("keep", "JPEG", ".jpg"),
        ("png", "PNG", ".png"),
        ("jpg", "JPEG", ".jpg"),
        ("webp", "WEBP", ".webp"),
        ("tiff", "TIFF", ".tif"),
    ],
)
def test_format(restore, tmp_path, format, kind, suffix):
    write(tmp_path / "a.jpg")
    result = restore(tmp_path / "a.jpg", "--out", tmp_path / "out", "--format", format)
    assert result.exit_code == 0
    (target,) = (tmp_path / "out").iterdir()
    assert target.stem == "a"
    assert target.suffix.startswith(suffix)
    with Image.open(target) as image:
        assert image.format == kind


def test_a_second_run_skips_what_is_there(restore, tmp_path):
    for name in ("a.png", "b.png"):
        write(tmp_path / "in" / name)
    out = tmp_path / "out"
    assert restore(tmp_path / "in", "--out", out).exit_code == 0
    kept = (out / "a.png").stat()
    content = (out / "b.png").read_bytes()
    (out / "b.png").unlink()
    result = restore(tmp_path / "in", "--out", out)
    assert result.exit_code == 0
    assert (out / "a.png").stat() == kept
    assert (out / "b.png").read_bytes() == content
    assert f"{out}/a.png (exists; --overwrite makes it again)" in result.stdout
    again = "(--overwrite makes them again)"
    assert result.stderr == f"1 restored, 1 already there {again}, 0 failed\n"


def test_overwrite_restores_again(restore, tmp_path):
    write(tmp_path / "in/a.png")
    out = tmp_path / "out"
    restore(tmp_path / "in", "--out", out)
    right = (out / "a.png").read_bytes()
    (out / "a.png").write_bytes(b"stale")
    assert restore(tmp_path / "in", "--out", out).exit_code == 0
    assert (out / "a.png").read_bytes() == b"stale"
    assert restore(tmp_path / "in", "--out", out, "--overwrite").exit_code == 0
    assert (out / "a.png").read_bytes() == right


def test_json(restore, tmp_path):
    write(tmp_path / "in/a.png")
    write(tmp_path / "in/b.png")
    picture().convert("CMYK").save(tmp_path / "in/c.jpg")
    (tmp_path / "in/d.png").write_bytes(b"")
    write(tmp_path / "out/b.png")
    result = restore(tmp_path / "in", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1
    records = {r["source"][-5:]: r for r in map(json.loads, result.stdout.splitlines())}
    done, skipped = records["a.png"], records["b.png"]
    assert done == {
        "source": str(tmp_path / "in/a.png"),
        "right": None,
        "outputs": [str(tmp_path / "out/a.png")],
        "status": "done",
        "seconds": done["seconds"],
        "width": 32,
        "height": 24,
        "notes": [],
        "error": None,
    }
    assert done["seconds"] > 0
    assert (skipped["status"], skipped["width"]) == ("skipped", None)
    assert any("CMYK" in note for note in records["c.jpg"]["notes"])
    assert records["d.png"]["status"] == "failed"
    assert records["d.png"]["error"].startswith("the file is empty")


def test_notes_are_shown(restore, tmp_path):
    picture().convert("CMYK").save(tmp_path / "c.jpg")
    result = restore(tmp_path / "c.jpg", "--out", tmp_path / "out")
    notes = read_picture(tmp_path / "c.jpg").info.notes
    assert all(f"[{note}]" in result.stdout for note in notes)
    assert notes


FIRST_ONLY = {
    "a.webp": "The file is animated; only the first frame was read.",
    "b.png": "The file is animated; only the first frame was read.",
    "c.tif": "The file holds several pages; only the first was read.",
}


def several(folder):
    folder.mkdir()
    for name in FIRST_ONLY:
        picture(0).save(folder / name, save_all=True, append_images=[picture(1)])
    return folder


def test_json_notes_that_of_several_frames_the_first_was_restored(restore, tmp_path):
    result = restore(several(tmp_path / "in"), "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0
    notes = {r["source"][-len("a.webp") :].lstrip("/"): r["notes"] for r in records(result)}
    assert notes == {name: [note] for name, note in FIRST_ONLY.items()}


def test_json_notes_that_a_copy_has_frames_that_nobody_looked_at(restore, tmp_path, monkeypatch):
    write(several(tmp_path / "in") / "single.png")
    monkeypatch.setattr(
        Restorer,
        "restore_pictures",
        lambda self, pictures, **_: [Restored(p, False) for p in pictures],
    )
    result = restore(tmp_path / "in", "--out", tmp_path / "out", "--json")
    copy = "Nothing was removed, the file is a copy."
    *more, single = (record["notes"] for record in records(result))
    assert more == [[f"{copy} Only the first of its pictures was looked at."]] * 3
    assert single == [copy]
    for name in FIRST_ONLY:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "in" / name).read_bytes()


def records(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_results_that_would_get_one_name_keep_the_old_extension(restore, tmp_path):
    for name in ("a.jpg", "a.png", "b.bmp"):
        write(tmp_path / "in" / name)
    args = (tmp_path / "in", "--out", tmp_path / "out", "--format", "png")
    assert restore(*args).exit_code == 0
    assert files(tmp_path / "out") == ["a.jpg.png", "a.png", "b.png"]


def test_results_that_still_get_one_name_are_wrong_usage(restore, tmp_path):
    for name in ("a.jpg", "a.bmp", "a.jpg.png"):
        write(tmp_path / "in" / name)
    result = restore(tmp_path / "in", "--out", tmp_path / "out", "--format", "png")
    assert result.exit_code == 2
    source, target = tmp_path / "in", tmp_path / "out"
    assert result.stderr == (
        f"Error: {source}/a.jpg and {source}/a.jpg.png would both be written to "
        f"{target}/a.jpg.png. Rename one of them.\n"
    )
    assert not target.exists()


def test_bad_files_are_listed_and_the_batch_goes_on(restore, tmp_path):
    write(tmp_path / "in/a.png")
    write(tmp_path / "in/z.png")
    (tmp_path / "in/empty.png").write_bytes(b"")
    (tmp_path / "in/html.jpg").write_bytes(b"<!DOCTYPE html><html></html>")
    result = restore(tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert files(tmp_path / "out") == ["a.png", "z.png"]
    summary, *listed = result.stderr.splitlines()
    assert summary == "2 restored, 2 failed"
    assert listed[0].startswith(f"failed: {tmp_path}/in/empty.png: the file is empty.")
    assert listed[1].startswith(f"failed: {tmp_path}/in/html.jpg: the content is an HTML page.")


def test_an_output_that_cannot_be_written_is_a_failure(restore, tmp_path):
    write(tmp_path / "in/a/b.png")
    write(tmp_path / "in/c.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").write_text("a file where a folder is needed")
    result = restore(tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert (tmp_path / "out/c.png").is_file()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["gone.png"], "there is no such file or folder"),
        (["n" * 300 + ".png"], "there is no such file or folder"),
        (["a.png/b.png"], "there is no such file or folder"),
        (["a.png", "--out", "n" * 300], "cannot be made"),
        (["empty"], "there are no pictures in this folder"),
        (["a.png", "--out", "a.png"], "is a file; name a folder"),
        (["a.png", "--out", "a.png/out"], "cannot be made"),
        (["a.png", "--weights", "stereoirr-smal"], "unknown weights"),
        (["a.png", "--weights", "gone.safetensors"], "no such weights file"),
        (["a.png", "--weights", "a.png"], "not a safetensors file"),
        (["a.png", "--weather", "rain"], "are for haze, not for rain"),
        (
            ["a.png", "--weather", "snow"],
            "'snow' is not one of 'auto', 'haze', 'rain', 'rain,haze'.",
        ),
        (["a.png", "--strength", "1.6"], "strength = 1.6; expected 0 to 1.5"),
        (["a.png", "--strength", "nan"], "strength = nan; expected 0 to 1.5"),
        (
            ["a.png", "--format", "gif"],
            "'gif' is not one of 'keep', 'png', 'jpg', 'webp', 'tiff'.",
        ),
        (["a.png", "--layout", "above"], "'above' is not one of 'side-by-side'."),
        (["a.png", "--device", "cuda"], "not available here"),
        (["a.png", "--device", "abacus"], "expected one of"),
        (["a.png", "--right", "a.png", "--layout", "side-by-side"], "exclude each other"),
    ],
)
def test_wrong_usage(run, haze, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    defaults = {"--out": "out", "--weather": "haze", "--device": "cpu"}
    given = [x for k, v in defaults.items() if k not in args for x in (k, v)]
    result = run("restore", "--weights", haze, *given, *args)
    if "--device" in args and result.exit_code != 2:
        pytest.skip("this machine has CUDA")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert "Value error" not in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "out").exists()


def test_two_weights_for_one_task_are_wrong_usage(restore, haze, tmp_path):
    result = restore(write(tmp_path / "a.png"), "--out", tmp_path / "out", "--weights", haze)
    assert result.exit_code == 2
    assert "others for haze were given, too" in result.stderr


def test_out_is_required(run, tmp_path):
    result = run("restore", write(tmp_path / "a.png"))
    assert result.exit_code == 2
    assert "--out" in result.stderr


def test_size_and_depth_survive(restore, tmp_path):
    deep = np.full((9, 7), 40_000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    write(tmp_path / "dot.png", height=1, width=1)
    result = restore(tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 0
    read = read_picture(tmp_path / "out/deep.png")
    assert (read.pixels.shape, read.info.bits) == ((9, 7, 3), 16)
    assert pixels(tmp_path / "out/dot.png").shape == (1, 1, 3)
