import errno
import logging
from contextlib import contextmanager

import pytest
import torch

from deweather.errors import ConfigError, TrainingError
from deweather.train import checkpoints
from deweather.train.checkpoints import Checkpoints, explaining_full_disk


def state(step):
    return {"step": step, "tensor": torch.full((1000,), float(step))}


@pytest.fixture
def kept(tmp_path):
    made = Checkpoints(tmp_path)
    for step in (1, 2, 3):
        made.write(state(step))
    return made


def test_the_last_two_are_kept(kept):
    assert sorted(p.name for p in kept.folder.iterdir()) == ["last.ckpt", "previous.ckpt"]
    assert kept.read()["step"] == 3
    kept.last.unlink()
    assert kept.read()["step"] == 2
    kept.remove()
    assert not kept
    with pytest.raises(TrainingError, match="no whole checkpoint"):
        kept.read()


@pytest.mark.parametrize("damage", ["truncated", "empty", "a byte", "text"])
def test_a_damaged_one_is_found_and_the_previous_used(kept, damage, caplog):
    data = bytearray(kept.last.read_bytes())
    if damage == "a byte":
        data[data.index(b"\x00\x00\x40\x40" * 9) + 4] ^= 1  # within the tensor of threes
    changed = {"truncated": data[:-100], "empty": b"", "text": b"no archive"}.get(damage, data)
    kept.last.write_bytes(bytes(changed))
    with caplog.at_level(logging.WARNING, "deweather"):
        assert kept.read()["step"] == 2
    assert "last.ckpt is damaged and left aside" in caplog.text
    kept.previous.write_bytes(b"")
    with pytest.raises(TrainingError, match="no whole checkpoint"):
        kept.read()


def test_a_damaged_one_does_not_take_the_place_of_the_previous(kept):
    kept.last.write_bytes(b"")
    assert kept.read()["step"] == 2
    kept.write(state(4))
    kept.last.write_bytes(b"")
    assert Checkpoints(kept.folder).read()["step"] == 2


def test_another_programs_checkpoint_is_refused(kept):
    torch.save({"global_step": 3}, kept.last)
    with pytest.raises(ConfigError, match=r"last\.ckpt was not written by this version.*--fresh"):
        kept.read()


def test_code_in_a_checkpoint_is_not_run(kept, tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("hacked").touch, ())

    torch.save({"format": 1, "step": Evil()}, kept.last)
    assert kept.read()["step"] == 2
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_kill_between_renames_leaves_a_whole_one(kept, monkeypatch, renames):
    """At any moment some name holds the newest state that was written whole."""

    class Killed(BaseException):
        pass

    real, done = checkpoints.os.replace, []

    def replace(source, target):
        if len(done) == renames:
            raise Killed
        done.append(target)
        real(source, target)

    monkeypatch.setattr(checkpoints.os, "replace", replace)
    with pytest.raises(Killed):
        kept.write(state(4))
    monkeypatch.undo()
    again = Checkpoints(kept.folder)
    assert again.read()["step"] == (3 if renames == 0 else 4)
    again.write(state(5))
    assert again.read()["step"] == 5


def test_a_full_disk_is_named_and_harms_nothing(kept, monkeypatch):
    @contextmanager
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    monkeypatch.setattr(checkpoints, "replacing", full)
    with pytest.raises(TrainingError, match=r"disk is full \(\d+ MiB are free\).*free some space"):
        kept.write(state(4))
    assert kept.read()["step"] == 3


def test_other_errors_of_the_system_stay_what_they_are(tmp_path):
    with pytest.raises(PermissionError), explaining_full_disk(tmp_path / "x"):
        raise PermissionError(errno.EACCES, "no")
