from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deweather.image import Camera
from deweather.image.frames import from_frames, to_frames
from deweather.jobs import memory
from deweather.jobs import simulate as jobs_simulate
from deweather.weather import Compose, Haze, Rain, Scene

from .conftest import files, pixels, write

CAMERA = ("--camera", "focal=40,baseline=0.5")
FOG = ("--haze", "visibility=30")


def record(path: Path) -> dict:
    return json.loads(path.read_text())


def pair(folder: Path, name="a.png", shift=3, height=40, width=64) -> tuple[Path, Path]:
    """A textured plane: the right view is the left one moved by `shift` pixels."""
    rng = np.random.default_rng(len(name))
    wide = Image.fromarray(rng.integers(0, 256, (height, (width + shift), 3), dtype=np.uint8))
    for side, start in (("left", 0), ("right", shift)):
        path = folder / side / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wide.crop((start, 0, start + width, height)).save(path)
    return folder / "left" / name, folder / "right" / name


@pytest.fixture
def simulate(run):
    def call(*args, weather=FOG):
        return run("simulate", *args, *weather)

    return call


def test_a_pair_is_what_the_operators_make_of_it(simulate, tmp_path):
    left, right = pair(tmp_path)
    np.save(tmp_path / "d.npy", np.full((40, 64), 3.0))
    result = simulate(
        *(left, "--right", right, "--disparity", tmp_path / "d.npy", *CAMERA, "--seed", 7),
        *("--out", tmp_path / "out"),
        weather=("--haze", "visibility=30,airlight=0.9", "--rain", "rate=200,wind=2"),
    )
    assert result.exit_code == 0, result.stderr
    assert files(tmp_path / "out") == ["left/a.png", "records/a.png.json", "right/a.png"]
    frames = to_frames([pixels(left), pixels(right)])
    disparity = frames.new_full((1, 2, 1, 40, 64), 3.0)
    weather = Compose([Haze(30.0, airlight=0.9), Rain(200.0, wind=2.0)])
    expected = from_frames(weather(Scene.of(frames, disparity, Camera(40.0, 0.5)), 7).frames)
    np.testing.assert_array_equal(pixels(tmp_path / "out/left/a.png"), expected[0])
    np.testing.assert_array_equal(pixels(tmp_path / "out/right/a.png"), expected[1])


def test_fog_of_a_known_distance(simulate, tmp_path):
    """At the visibility 5 % of the light is left, between black and the air, in linear light."""
    Image.new("RGB", (8, 6)).save(tmp_path / "black.png")
    np.save(tmp_path / "z.npy", np.full((6, 8), 50.0))
    result = simulate(
        *(tmp_path / "black.png", "--depth", tmp_path / "z.npy", "--camera", "focal=4000"),
        *("--out", tmp_path / "out"),
        weather=("--haze", "visibility=50,airlight=1"),
    )
    assert result.exit_code == 0, result.stderr
    encoded = 1.055 * 0.95 ** (1 / 2.4) - 0.055
    assert np.unique(pixels(tmp_path / "out/black.png")) == [round(255 * encoded)]
    seen = record(tmp_path / "out/records/black.png.json")
    assert seen["geometry"]["source"] == "depth file"
    assert seen["geometry"]["depth_5_50_95_percent"] == pytest.approx([50, 50, 50], rel=1e-5)
    assert seen["drawn"]["haze.transmission"]["mean"] == pytest.approx(0.05, abs=1e-4)


def test_depth_and_disparity_of_the_same_scene_give_the_same_pictures(simulate, tmp_path):
    left, right = pair(tmp_path)
    disparity = np.full((40, 64), 3.0)
    disparity[10:20, 20:30] = 8
    np.save(tmp_path / "d.npy", disparity)
    np.save(tmp_path / "z.npy", 40 * 0.5 / disparity)
    for kind, file in (("disparity", "d.npy"), ("depth", "z.npy")):
        arguments = (f"--{kind}", tmp_path / file, *CAMERA, "--out", tmp_path / kind)
        assert simulate(left, "--right", right, *arguments).exit_code == 0
    for side in ("left", "right"):
        one, two = (pixels(tmp_path / k / side / "a.png") for k in ("disparity", "depth"))
        assert np.abs(one.astype(int) - two).max() <= 1


@pytest.mark.parametrize(("asked", "octaves"), [("", 5), (",octaves=2", 2)])
def test_uneven_air_is_fractal_unless_said_otherwise(simulate, tmp_path, asked, octaves):
    source = write(tmp_path / "a.png")
    weather = ("--haze", f"visibility=30,inhomogeneity=0.9{asked}")
    assert simulate(source, "--out", tmp_path / "out", weather=weather).exit_code == 0
    assert record(tmp_path / "out/records/a.png.json")["haze"]["octaves"] == octaves


def test_pairs_without_disparity_are_matched(simulate, tmp_path):
    left, right = pair(tmp_path)
    result = simulate(left, "--right", right, *CAMERA, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    seen = record(tmp_path / "out/records/a.png.json")
    assert seen["geometry"]["source"] == "semi-global matching"
    assert seen["geometry"]["depth_5_50_95_percent"][1] == pytest.approx(40 * 0.5 / 3, rel=0.05)


def test_a_pair_that_cannot_be_matched_fails(simulate, tmp_path):
    for side in "lr":
        Image.new("RGB", (64, 40), (20, 20, 20)).save(tmp_path / f"{side}.png")
    result = simulate(
        tmp_path / "l.png", "--right", tmp_path / "r.png", *CAMERA, "--out", tmp_path / "out"
    )
    assert result.exit_code == 1
    assert "could not be matched anywhere" in result.stderr
    assert not files(tmp_path / "out")


def test_depth_of_single_pictures_is_synthetic_at_the_distance_given(simulate, tmp_path):
    source = write(tmp_path / "a.png")
    result = simulate(source, "--camera", "distance=80", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "is synthetic" in result.stderr
    seen = record(tmp_path / "out/records/a.png.json")
    assert seen["geometry"]["source"] == "synthetic"
    near, middle, far = seen["geometry"]["depth_5_50_95_percent"]
    assert near < middle < far
    assert middle == pytest.approx(80, rel=0.01)
    assert not (pixels(tmp_path / "out/a.png") == pixels(source)).all()


@pytest.mark.parametrize("stereo", [False, True])
def test_the_command_in_the_record_makes_the_same_pixels(
    simulate, run, tmp_path, monkeypatch, stereo
):
    monkeypatch.chdir(tmp_path)
    pair(tmp_path)
    arguments = ("left", "--right", "right") if stereo else ("left",)
    weather = ("--haze", "visibility=20..60,inhomogeneity=0.2..0.4", "--rain", "rate=50..200")
    assert simulate(*arguments, "--out", "out", "--count", 3, weather=weather).exit_code == 0
    seen = record(Path("out/records/a_0002.png.json"))
    command = shlex.split(seen["again"])
    assert command[0] == "deweather"
    assert run(*command[1:]).exit_code == 0
    for side in ("left", "right") if stereo else (".",):
        again = pixels(Path("again") / side / "a.png")
        np.testing.assert_array_equal(again, pixels(Path("out") / side / "a_0002.png"))


def test_ranges_are_drawn_for_each_result(simulate, tmp_path):
    source = write(tmp_path / "a.png")
    weather = ("--haze", "visibility=20..60,airlight=smog", "--rain", "rate=5,wind=-3..3")
    arguments = (source, "--count", 5, "--seed", 10, "--out", tmp_path / "out")
    assert simulate(*arguments, weather=weather).exit_code == 0
    names = [f"a_{i:04d}.png" for i in range(5)]
    assert files(tmp_path / "out") == sorted([*names, *(f"records/{n}.json" for n in names)])
    seen = [record(tmp_path / f"out/records/{name}.json") for name in names]
    assert [r["request"]["seed"] for r in seen] == list(range(10, 15))
    drawn = [r["haze"]["visibility"] for r in seen]
    assert len(set(drawn)) == 5
    assert all(20 <= v <= 60 for v in drawn)
    assert all(-3 <= r["rain"]["wind"] <= 3 for r in seen)
    for r in seen:
        assert r["drawn"]["haze.visibility"] == pytest.approx(r["haze"]["visibility"])
        assert r["drawn"]["rain.rate"] == 5
        assert len(r["drawn"]["haze.airlight"]) == 3


def test_more_results_can_be_asked_for_later(simulate, tmp_path):
    for seed, name in enumerate("ab"):
        write(tmp_path / f"in/{name}.png", seed)
    arguments = (tmp_path / "in", "--out", tmp_path / "out", "--count")
    assert simulate(*arguments, 2).exit_code == 0
    result = simulate(*arguments, 3)
    assert result.exit_code == 0
    assert "2 made, 4 already there" in result.stderr
    records = (tmp_path / "out/records").iterdir()
    assert sorted(record(p)["request"]["seed"] for p in records) == list(range(6))


def test_presets(simulate, tmp_path):
    source = write(tmp_path / "a.png")
    weather = ("--preset", "Dense fog", "--haze", "inhomogeneity=0.1")
    assert simulate(source, "--out", tmp_path / "out", weather=weather).exit_code == 0
    seen = record(tmp_path / "out/records/a.png.json")
    assert (seen["haze"]["visibility"], seen["haze"]["inhomogeneity"]) == (45, 0.1)
    weather = ("--preset", "downpour", "--haze", "extinction=0.01")
    assert simulate(source, "--out", tmp_path / "rain", weather=weather).exit_code == 0
    seen = record(tmp_path / "rain/records/a.png.json")
    assert seen["haze"] == {"extinction": 0.01}
    assert seen["rain"]["rate"] == 60


def test_folders_with_their_disparities(simulate, tmp_path):
    for name in ("a.png", "b/c.png", "d.png"):
        pair(tmp_path, name)
    (tmp_path / "maps/b").mkdir(parents=True)
    np.save(tmp_path / "maps/a.npy", np.full((40, 64), 3.0))
    Image.fromarray(np.full((40, 64), 3 * 256, np.uint16)).save(tmp_path / "maps/b/c.png")
    maps = ("--disparity", tmp_path / "maps", *CAMERA)
    both = (tmp_path / "left", "--right", tmp_path / "right")
    result = simulate(*both, *maps, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert f"there is no {tmp_path}/maps/d with extension .npy" in result.stderr
    assert [f for f in files(tmp_path / "out") if "left" in f] == ["left/a.png", "left/b/c.png"]
    seen = record(tmp_path / "out/records/b/c.png.json")
    assert seen["geometry"]["depth_5_50_95_percent"] == pytest.approx([20 / 3] * 3, rel=1e-5)


def test_a_second_run_skips_and_an_unfinished_one_continues(simulate, tmp_path):
    left, right = pair(tmp_path)
    arguments = (left, "--right", right, *CAMERA, "--out", tmp_path / "out")
    assert simulate(*arguments).exit_code == 0
    out = tmp_path / "out"
    made = {name: (out / name).read_bytes() for name in files(out)}
    stats = [(out / name).stat() for name in made]
    result = simulate(*arguments)
    assert (result.exit_code, result.stderr[:23]) == (0, "0 made, 1 already there")
    assert [(out / name).stat() for name in made] == stats
    (out / "right/a.png").unlink()
    (out / "left/.dw-0123456789ab.tmp").write_bytes(b"half")
    assert simulate(*arguments).exit_code == 0
    assert {name: (out / name).read_bytes() for name in made} == made


def test_a_killed_run_is_told_from_a_finished_one(simulate, tmp_path, monkeypatch):
    source, out = write(tmp_path / "a.png"), tmp_path / "out"
    assert simulate(source, "--out", out).exit_code == 0
    foggy = (out / "a.png").read_bytes()

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    thick = ("--haze", "visibility=5")
    with monkeypatch.context() as patch:
        patch.setattr(jobs_simulate, "write_picture", killed)
        result = simulate(source, "--out", out, "--overwrite", weather=thick)
    assert result.exit_code == 130
    assert (out / "a.png").read_bytes() == foggy
    result = simulate(source, "--out", out, weather=thick)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, "1 made, 0 failed")
    assert (out / "a.png").read_bytes() != foggy


def test_other_settings_do_not_pass_for_these(simulate, tmp_path):
    source, out = write(tmp_path / "a.png"), tmp_path / "out"
    assert simulate(source, "--out", out).exit_code == 0
    before = (out / "a.png").read_bytes()
    thick = ("--haze", "visibility=10")
    result = simulate(source, "--out", out, weather=thick)
    assert result.exit_code == 1
    assert "a.png exists with other settings (haze)" in result.stderr
    assert (out / "a.png").read_bytes() == before
    assert simulate(source, "--out", out, "--overwrite", weather=thick).exit_code == 0
    assert (out / "a.png").read_bytes() != before


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"finished": true, "request": 3}'])
def test_foreign_records_are_left_alone(simulate, tmp_path, content):
    source, out = write(tmp_path / "a.png"), tmp_path / "out"
    (out / "records").mkdir(parents=True)
    (out / "records/a.png.json").write_text(content)
    result = simulate(source, "--out", out)
    assert result.exit_code == 1
    assert "is no record of this command" in result.stderr
    assert files(out) == ["records/a.png.json"]


def test_foreign_pictures_are_left_alone(simulate, tmp_path):
    source, out = write(tmp_path / "a.png"), tmp_path / "out"
    other = write(out / "a.png", 5).read_bytes()
    result = simulate(source, "--out", out)
    assert result.exit_code == 1
    assert "has no record" in result.stderr
    assert files(out) == ["a.png"]
    assert (out / "a.png").read_bytes() == other


def test_sixteen_bits_and_format(simulate, tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (12, 16), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    result = simulate(tmp_path / "a.png", "--out", tmp_path / "out", "--format", "tiff")
    assert result.exit_code == 0, result.stderr
    (target,) = (p for p in (tmp_path / "out").iterdir() if p.is_file())
    made = pixels(target)
    assert (target.suffix, made.dtype) == (".tif", np.uint16)
    assert len(np.unique(made)) > 150  # not rounded to 8 bits


def test_failures_are_listed_and_the_rest_goes_on(simulate, tmp_path):
    pair(tmp_path, "a.png")
    pair(tmp_path, "b.png")
    write(tmp_path / "right/b.png", height=9)
    (tmp_path / "left/c.png").write_bytes(b"")
    write(tmp_path / "right/c.png")
    both = (tmp_path / "left", "--right", tmp_path / "right")
    result = simulate(*both, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1
    outcomes = {Path(r["source"]).name: r for r in map(json.loads, result.stdout.splitlines())}
    assert {name: r["status"] for name, r in outcomes.items()} == {
        "a.png": "done",
        "b.png": "failed",
        "c.png": "failed",
    }
    out = tmp_path / "out"
    expected = [out / "left/a.png", out / "right/a.png", out / "records/a.png.json"]
    assert outcomes["a.png"]["outputs"] == [str(path) for path in expected]
    assert "the file is empty" in outcomes["c.png"]["error"]
    assert "1 made, 2 failed" in result.stderr


def test_a_disparity_of_another_size_fails(simulate, tmp_path):
    np.save(tmp_path / "d.npy", np.ones((5, 7)))
    source = write(tmp_path / "a.png")
    result = simulate(source, "--disparity", tmp_path / "d.npy", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "has 7x5 pixels, the picture 32x24" in result.stderr


def test_pictures_beyond_the_memory_are_refused(simulate, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000)
    result = simulate(write(tmp_path / "a.png"), "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "32x24 pixels in 1 views need about 0.0 GiB of memory" in result.stderr
    assert not files(tmp_path / "out")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "give --haze, --rain or --preset"),
        (["--haze", "visibilty=3"], "Did you mean 'visibility'?"),
        (["--haze", "airlight=0.9"], "give either visibility=METRES or extinction"),
        (["--haze", "visibility=3,extinction=1"], "give either visibility=METRES or extinction"),
        (["--haze", "visibility=-3"], "visibility"),
        (["--haze", "visibility=3,airlight=gren"], "unknown airlight"),
        (["--haze", "visibility=3,inhomogeneity=0.5..2"], "inhomogeneity"),
        (["--rain", "wind=3"], "give rate=N"),
        (["--rain", "rate=many"], "rate='many': give a number"),
        (["--rain", "rate=5000"], "0 to 1000"),
        (["--preset", "sunshine"], "unknown preset"),
        (["--rain", "rate=3", "--camera", "focal=0"], "focal=0"),
        (["--rain", "rate=3", "--camera", "focus=3"], "Did you mean 'focal'?"),
        (["--rain", "rate=3", "--camera", "baseline=1,distance=3"], "exclude each other"),
        (["--rain", "rate=3", "--camera", "baseline=1"], "synthetic depth has none"),
        (["--rain", "rate=3", "--depth", "z.npy", "--camera", "distance=9"], "all distances"),
        (["--rain", "rate=3", "--depth", "z.npy", "--right", "b.png"], "needs --camera focal"),
        (["--rain", "rate=3", "--depth", "gone.npy"], "no such file or folder"),
        (["--rain", "rate=3", "--depth", "."], "is a folder, SOURCE a file"),
        (["--rain", "rate=3", "--depth", "z.npy", "--disparity", "z.npy"], "exclude each other"),
        (["--rain", "rate=3", "--count", "0"], "'--count'"),
        (["--rain", "rate=3", "--seed", "-1"], "'--seed'"),
        (["--rain", "rate=3", "--out", "a.png"], "is a file; name a folder"),
    ],
)
def test_wrong_usage(run, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.png")
    write(tmp_path / "b.png")
    np.save("z.npy", np.ones((24, 32)))
    given = args if "--out" in args else [*args, "--out", "out"]
    result = run("simulate", "a.png", *given)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not Path("out").exists()


def test_names_that_are_alike_do_not_meet(simulate, tmp_path):
    for name in ("a.png", "a.jpg"):
        write(tmp_path / "in" / name)
    assert simulate(tmp_path / "in", "--out", tmp_path / "out").exit_code == 0
    assert [f for f in files(tmp_path / "out") if "/" not in f] == ["a.jpg", "a.png"]
    write(tmp_path / "in/a_0001.png")
    arguments = ("--out", tmp_path / "twice", "--count", 2, "--format", "png")
    assert simulate(tmp_path / "in", *arguments).exit_code == 0
    assert len(files(tmp_path / "twice")) == 12


def test_the_help_names_all_presets(run):
    from deweather.weather.presets import PRESETS

    shown = " ".join(run("simulate", "--help").stdout.split())
    assert ", ".join(PRESETS) in shown
