"""The one loop of evaluation: scores by definition, failures that stop nothing, means."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from deweather.errors import ConfigError
from deweather.image.frames import to_frames
from deweather.jobs.evaluate import Case, evaluate, find_cases
from deweather.metrics import PROTOCOLS, REPORT, psnr, ssim


def picture(seed, height=20, width=24, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top + 1, (height, width, 3), dtype=dtype)


def darker(views):
    return [view // 2 for view in views]


def test_scores_are_those_of_the_metrics():
    cases = [
        Case.of(str(n), [picture(n), picture(n + 10)], [picture(n + 20)] * 2) for n in range(3)
    ]
    for protocol in (REPORT, PROTOCOLS["y_studio"]):
        found = evaluate(cases, {"darker": darker}, protocol)
        assert found.protocol is protocol
        assert [s.id for s in found.samples] == ["0", "1", "2"]
        for case, sample in zip(cases, found.samples, strict=True):
            degraded, clean = case.load()
            for way, views in (("before", degraded), ("darker", darker(degraded))):
                pair = to_frames(views), to_frames(clean)
                assert sample.psnr[way] == psnr(*pair, protocol).item()
                assert sample.ssim[way] == ssim(*pair, protocol).item()


def test_depths_may_differ_between_picture_and_truth():
    deep = picture(0, dtype=np.uint16)
    (sample,) = evaluate([Case.of("a", [(deep // 257).astype(np.uint8)], [deep])], {}).samples
    assert list(sample.psnr) == ["before"]
    assert sample.psnr["before"] > 45


def test_what_is_wrong_with_one_sample_does_not_stop_the_others():
    def broken():
        raise MemoryError

    def fail_on_the_third(views):
        if views[0][0, 0, 0] == picture(2)[0, 0, 0]:
            raise RuntimeError("the driver gave up")
        return views

    good = [Case.of(str(n), [picture(n)], [picture(n)]) for n in range(3)]
    steps = []
    other_size = Case.of("sizes", [picture(0)], [picture(0, height=21)])
    cases = [good[0], Case("memory", broken), good[1], good[2], other_size]
    found = evaluate(cases, {"after": fail_on_the_third}, progress=steps.append)
    assert [s.id for s in found.samples] == ["0", "1"]
    assert [f.id for f in found.failed] == ["memory", "2", "sizes"]
    assert "does not fit into memory" in found.failed[0].reason
    assert found.failed[1].reason == "RuntimeError: the driver gave up"
    assert "(1, 1, 3, 20, 24)" in found.failed[2].reason
    assert steps == [1, 2, 3, 4, 5]
    assert found.summary("after").count == 2


def test_means_are_of_what_could_be_scored():
    cases = [Case.of(str(n), [picture(n)], [picture(n + 5)]) for n in range(4)]
    found = evaluate(cases, {"darker": darker, "same": lambda views: views})
    means = found.as_dict()["mean"]
    expected = torch.tensor([[s.psnr["darker"], s.ssim["darker"]] for s in found.samples]).mean(0)
    assert [means["psnr"]["darker"], means["ssim"]["darker"]] == pytest.approx(expected.tolist())
    assert means["psnr"]["same"] == means["psnr"]["before"] == found.summary("same").before
    assert found.summary("darker").gain == pytest.approx(
        means["psnr"]["darker"] - means["psnr"]["before"]
    )
    json.dumps(found.as_dict())


def test_nothing_scored_has_no_means():
    found = evaluate([Case.of("a", [], [])], {"after": darker})
    assert found.samples == ()
    assert "mean" not in found.as_dict()
    with pytest.raises(ConfigError, match="0 scores"):
        found.summary("after")


def save(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed)).save(path)


def test_cases_of_a_data_set(tmp_path):
    for split in ("train", "test"):
        for role in ("hazy", "clean"):
            save(tmp_path / split / role / "0.png", 0)
    save(tmp_path / "test/hazy/1.png", 1)
    save(tmp_path / "train/hazy/2.png", 2)
    cases = find_cases(tmp_path, "paired", "test")
    assert [case.id for case in cases] == ["test/0", "test/hazy/1.png"]
    degraded, clean = cases[0].load()
    assert np.array_equal(degraded[0], picture(0))
    assert np.array_equal(clean[0], picture(0))
    (failure,) = evaluate(cases, {}).failed
    assert failure.id == "test/hazy/1.png"
    assert "no clean picture" in failure.reason
    assert len(find_cases(tmp_path, "paired")) == 4


@pytest.mark.parametrize(("layout", "role"), [("clear", "degraded"), ("real", "clean")])
def test_sets_without_truth_are_refused(tmp_path, layout, role):
    save(tmp_path / "0.png", 0)
    with pytest.raises(ConfigError, match=f"layout '{layout}' has no {role} pictures"):
        find_cases(tmp_path, layout)
