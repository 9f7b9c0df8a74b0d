"""Jobs of simulating; what the pictures look like is tested by way of the verb."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from deweather.errors import ConfigError
from deweather.jobs import simulate
from deweather.jobs.known_camera import assumptions, camera_of, camera_parameters, check_camera
from deweather.jobs.plan import plan_files
from deweather.jobs.simulate import run, run_all
from deweather.jobs.simulation_plan import plan_simulation
from deweather.jobs.weather_ranges import WeatherRanges
from deweather.weather.geometry import PartialCamera
from tests.cli.conftest import files, write

FOG = WeatherRanges({"visibility": 30.0}, {})


@pytest.fixture
def job(tmp_path):
    write(tmp_path / "in/a.png")
    out = tmp_path / "out"
    (planned,) = plan_simulation(
        plan_files([tmp_path / "in"], out), out, FOG, PartialCamera(40.0), source=tmp_path / "in"
    )
    return planned


def test_a_job_and_its_outcome_go_from_process_to_process(job, tmp_path):
    outcome = pickle.loads(pickle.dumps(run(pickle.loads(pickle.dumps(job)))))
    out = tmp_path / "out"
    assert outcome.outputs == (str(out / "a.png"), str(out / "records/a.png.json"))
    assert (outcome.status, outcome.width, outcome.height) == ("done", 32, 24)
    assert json.loads((out / "records/a.png.json").read_text())["finished"]
    assert run(job).status == "skipped"


def test_the_same_job_twice_is_done_once(job, monkeypatch):
    assert [outcome.status for outcome in run_all([job, job])] == ["done", "skipped"]
    other = replace(job, seed=1)
    assert "exists with other settings (seed)" in run(other).error
    assert run(replace(other, overwrite=True)).status == "done"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory: 9 TB")])
def test_it_never_raises(job, tmp_path, monkeypatch, error):
    def broken(*args, **kwargs):
        raise error

    monkeypatch.setattr(simulate, "find_geometry", broken)
    outcome = run(job)
    assert (outcome.status, outcome.outputs, outcome.width) == ("failed", (), 32)
    assert outcome.error.startswith("the picture does not fit into memory.")
    assert files(tmp_path) == ["in/a.png"]


def test_seeds_go_round_all_pictures_first(tmp_path):
    for name in "ab":
        write(tmp_path / f"in/{name}.png")
    planned = plan_simulation(
        plan_files([tmp_path / "in"], tmp_path / "out"),
        tmp_path / "out",
        FOG,
        PartialCamera(),
        source=tmp_path / "in",
        seed=7,
        count=2,
    )
    names = ["a_0000.png", "b_0000.png", "a_0001.png", "b_0001.png"]
    assert [(Path(j.targets[0]).name, j.seed) for j in planned] == list(
        zip(names, range(7, 11), strict=True)
    )
    assert [j.record.name for j in planned] == [f"{name}.json" for name in names]


def test_a_camera_by_its_parameters_and_back():
    given = {"focal": 720.0, "baseline": 0.54}
    assert camera_of(given) == PartialCamera(720.0, 0.54)
    assert camera_parameters(camera_of(given)) == given
    assert camera_parameters(PartialCamera()) == {}


def test_what_is_assumed_is_what_was_not_said():
    assert assumptions(PartialCamera(720.0, 0.5), 2, None) == []
    assert assumptions(PartialCamera(720.0), 1, "depth") == []
    alone = assumptions(PartialCamera(), 1, None)
    assert [text.split(" is ")[0] for text in alone] == [
        "The depth of the pictures", "The focal length", "The median distance",
    ]  # fmt: skip
    assert "--camera distance=METRES gives it." in alone[2]
    assert (
        "--camera baseline=METRES gives the true one."
        in assumptions(PartialCamera(9.0), 2, None)[0]
    )


def test_contradictions_are_refused():
    check_camera(PartialCamera(720.0, 0.5), 2, None)
    with pytest.raises(ConfigError, match="exclude each other"):
        check_camera(PartialCamera(720.0, 0.5, 9.0), 2, None)
    with pytest.raises(ConfigError, match="focal=-1"):
        check_camera(PartialCamera(-1.0), 2, None)


def test_single_values_win_over_those_of_a_preset():
    weather = WeatherRanges.asked_for("dense-fog", {"inhomogeneity": 0.1}, {"rate": 3.0})
    assert (weather.haze["visibility"], weather.haze["inhomogeneity"]) == (45, 0.1)
    assert weather.rain == {"rate": 3.0}
    assert weather.drawn(3) == weather
    with pytest.raises(ConfigError, match="no weather"):
        WeatherRanges.asked_for(None, {}, {})
