"""Error messages name the value and the remedy, and errors travel between processes."""

import importlib
import pickle
import re

import cv2
import pytest
import torch

from deweather import errors


def test_unknown_name_lists_the_valid_ones_and_hints():
    error = errors.UnknownNameError("model", "stereoir", ["stereoirr", "other"])
    assert str(error) == (
        "unknown model 'stereoir'. Did you mean 'stereoirr'? Valid: other, stereoirr."
    )
    assert "Valid: none." in str(errors.UnknownNameError("model", "x", []))


def test_missing_extra_names_the_command():
    error = errors.MissingExtraError("lightning", "train")
    assert "pip install 'deweather[train]'" in str(error)
    assert error.name == "lightning"


@pytest.mark.parametrize(
    "error",
    [
        errors.UnknownNameError("model", "a", ["b"]),
        errors.MissingExtraError("lightning", "train"),
        errors.PictureError("a.png: broken"),
    ],
)
def test_errors_survive_pickling(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_all_share_one_base():
    kinds = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert len(kinds) > 5
    assert all(issubclass(kind, errors.DeweatherError) for kind in kinds)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (
            RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
            True,
        ),
        (
            cv2.error("OpenCV(4) alloc.cpp: error: (-4:Insufficient memory) Failed to allocate"),
            True,
        ),
        (RuntimeError("shapes differ"), False),
        (errors.PictureError("a.png: broken"), False),
    ],
)
def test_a_lack_of_memory_is_told_from_other_errors(error, expected):
    assert errors.is_out_of_memory(error) is expected


@pytest.mark.parametrize(
    ("module", "name", "instead"),
    [
        ("data", "Stage", "Phase"),
        ("data", "Source", "PictureFile"),
        ("data", "WholePictures", "PairBatch.of"),
        ("image", "match_pairs", "find_pairs"),
        ("metrics", "PSNR_PROTOCOL", "REPORT.of('psnr')"),
        ("losses", "ssim", "deweather.metrics.structural_similarity"),
    ],
)
def test_earlier_names_tell_the_new_ones(module, name, instead):
    said = re.escape(f"deweather.{module}.{name} is gone; use {instead}")
    with pytest.raises(ImportError, match=said):
        exec(f"from deweather.{module} import {name}")
    found = importlib.import_module(f"deweather.{module}")
    with pytest.raises(ImportError, match=said):
        getattr(found, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        found.nothing  # noqa: B018
