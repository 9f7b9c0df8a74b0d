"""Every protocol against reference figures, against other libraries, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from deweather.errors import FramesError, UnknownNameError
from deweather.metrics import PROTOCOLS, REPORT, Protocol, find_protocol, psnr, ssim
from deweather.metrics.protocols import UNIFORM

from .pictures import restored_and_clean

SIZES = [(1, 48, 64), (2, 37, 53), (1, 384, 400), (1, 400, 520)]
Y_FLOAT = Protocol("y", "", colour="y_studio", rounding="none")
FULL_FLOAT = Protocol("y", "", colour="y_full", rounding="none")
ZERO = Protocol("zero", "", rounding="none", padding="zero")

FLOAT, CLOSE = (1e-7, 1e-7), (1e-8, 1e-8)
BITS, BITS_SSIM = (1e-9, 2e-5), (1e-9, 5e-7)

# By independent implementations: the mean over the batch for each of SIZES, and the agreement with the
# first two and with the others. Those round in float32 on the way: of the large pictures a few pixels
# next to a half become another level of 8 bit.
PSNR = {
    "rgb_float": (PROTOCOLS["rgb_float"],
                  (24.6309417933, 24.6467837963, 24.6028004725, 24.6027040548), FLOAT),
    "rgb_uint8_rounded": (REPORT, (24.6260666896, 24.6415696736, 24.5992380067, 24.599219198), BITS),
    "rgb_uint8_truncated": (PROTOCOLS["psidnet"],
                            (24.6215924413, 24.6368281259, 24.5964485594, 24.5960315799), BITS),
    "y_limited_float": (Y_FLOAT, (27.4422016582, 27.4488142791, 27.411400708, 27.4113488238), FLOAT),
    "y_full_float": (FULL_FLOAT, (26.1202803464, 26.1268929672, 26.0894793962, 26.089427512), FLOAT),
    "y_limited_of_uint8": (PROTOCOLS["y_studio"],
                           (27.4376608914, 27.4452566516, 27.4092627873, 27.4092286071), BITS),
}  # fmt: skip
SSIM = {
    "zero_padded": (ZERO, (0.903467022288, 0.909743782446, 0.888039239282, 0.887743503579), CLOSE),
    "dcmpnet": (PROTOCOLS["dcmpnet"],
                (0.903467022288, 0.909743782446, 0.932670618574, 0.932324842315), CLOSE),
    "inside_float": (PROTOCOLS["rgb_float"],
                     (0.886915866597, 0.888405275955, 0.885749252677, 0.885745865165), CLOSE),
    "inside_rounded": (REPORT, (0.886761135866, 0.888203428973, 0.885652145353, 0.885653719785),
                       BITS_SSIM),
    "inside_truncated": (PROTOCOLS["psidnet"],
                         (0.886783619622, 0.888319420884, 0.885638308657, 0.885629895503), BITS_SSIM),
    "kanet": (PROTOCOLS["kanet"],
              (0.898775221586, 0.900233026648, 0.897700609273, 0.89769726623), CLOSE),
    "y_limited": (Y_FLOAT, (0.805174783835, 0.811801199164, 0.809238991048, 0.809072707069), CLOSE),
}  # fmt: skip


def cases(table):
    return [
        pytest.param(protocol, size, value, agreement[i > 1], id=f"{name}-{size}")
        for name, (protocol, values, agreement) in table.items()
        for i, (size, value) in enumerate(zip(SIZES, values, strict=True))
    ]


@pytest.mark.parametrize(("protocol", "size", "expected", "tolerance"), cases(PSNR))
def test_reference_figures_of_psnr(protocol, size, expected, tolerance):
    found = psnr(*restored_and_clean(*size), protocol).mean().item()
    assert found == pytest.approx(expected, rel=0, abs=tolerance)


@pytest.mark.parametrize(("protocol", "size", "expected", "tolerance"), cases(SSIM))
def test_reference_figures_of_ssim(protocol, size, expected, tolerance):
    found = ssim(*restored_and_clean(*size), protocol).mean().item()
    assert found == pytest.approx(expected, rel=0, abs=tolerance)


def test_torchmetrics_agrees_where_it_measures_the_same():
    """RGB that is not rounded. Its SSIM mirrors pictures at the border, which no protocol here does."""
    image = pytest.importorskip("torchmetrics.functional.image")
    mirrored = replace(PROTOCOLS["rgb_float"], padding="reflect")
    for size in SIZES[:2]:
        restored, clean = (x.clamp(0, 1) for x in restored_and_clean(*size))
        a, b = restored[:, 0], clean[:, 0]
        theirs = image.peak_signal_noise_ratio(
            a, b, data_range=1.0, reduction="none", dim=(1, 2, 3)
        )
        assert psnr(restored, clean, mirrored).tolist() == pytest.approx(theirs.tolist(), abs=2e-6)
        theirs = image.structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
        assert ssim(restored, clean, mirrored).tolist() == pytest.approx(theirs.tolist(), abs=1e-9)
        inside = ssim(restored, clean, PROTOCOLS["rgb_float"])
        assert (inside - theirs).abs().min() > 1e-3


@pytest.mark.parametrize(
    ("protocol", "options"),
    [
        ("rgb_float", {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
        ("kanet", {}),
    ],
)
def test_scikit_image_agrees_on_pictures_of_any_size(protocol, options):
    skimage = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    for shape in ((11, 11, 3), (17, 40, 3)):
        a, b = rng.random((2, *shape))
        restored, clean = (torch.from_numpy(x).permute(2, 0, 1)[None, None] for x in (a, b))
        theirs = skimage.structural_similarity(a, b, channel_axis=2, data_range=1.0, **options)
        found = ssim(restored, clean, PROTOCOLS[protocol]).item()
        assert found == pytest.approx(theirs, abs=1e-12)
        theirs = skimage.peak_signal_noise_ratio(a, b, data_range=1.0)
        found = psnr(restored, clean, PROTOCOLS[protocol]).item()
        assert found == pytest.approx(theirs, abs=1e-12)


def test_a_border_is_cut_off_before_anything_is_compared():
    clean = torch.full((1, 2, 3, 20, 24), 100 / 255)
    restored = clean.clone()
    restored[..., :3, :], restored[..., -3:, :] = 1, 0
    restored[..., :3], restored[..., -3:] = 0, 1
    protocol = replace(REPORT, border=3)
    assert psnr(restored, clean, protocol).item() == 100
    assert ssim(restored, clean, protocol).item() == pytest.approx(1)
    assert psnr(restored, clean, replace(REPORT, border=2)).item() < 20


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_equal_pictures_get_the_cap_and_1(protocol):
    clean = restored_and_clean(2, 30, 31)[1].expand(-1, 2, -1, -1, -1)
    assert psnr(clean, clean, protocol).tolist() == [protocol.cap] * 2
    assert ssim(clean, clean, protocol).tolist() == pytest.approx([1.0, 1.0], abs=1e-12)
    assert protocol.cap == 100


def test_protocols_are_found_by_name_and_name_their_scores():
    assert all(find_protocol(name).name == name for name in PROTOCOLS)
    assert REPORT.of("psnr") == "psnr_rgb_uint8_rounded"
    assert len({protocol.title for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)
    with pytest.raises(UnknownNameError, match=r"'y_studo'.*Did you mean 'y_studio'"):
        find_protocol("y_studo")


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_what_is_refused(metric):
    frames = torch.zeros(1, 1, 3, 12, 12)
    with pytest.raises(FramesError, match=r"\(1, 1, 3, 12, 12\).*\(1, 2, 3, 12, 12\)"):
        metric(frames, torch.zeros(1, 2, 3, 12, 12))
    with pytest.raises(
        FramesError, match=r"restored has shape \(1, 3, 12, 12\).*pictures\[:, None\]"
    ):
        metric(frames[0], frames[0])
    with pytest.raises(FramesError, match="uint8"):
        metric(frames.byte(), frames.byte())
    with pytest.raises(FramesError, match="12x12 pixels have nothing within a border of 6"):
        metric(frames, frames, replace(REPORT, border=6))


def test_pictures_smaller_than_the_window_are_refused_unless_padded():
    small = torch.zeros(1, 1, 3, 10, 30)
    with pytest.raises(FramesError, match="10x30 pixels are smaller than the window of 11"):
        ssim(small, small)
    assert ssim(small, small, ZERO).item() == 1
    assert ssim(small, small, replace(REPORT, window=UNIFORM)).item() == 1
