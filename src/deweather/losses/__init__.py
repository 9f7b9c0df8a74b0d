"""What training minimises: functions of a restored and a clean picture, a mean over everything."""

from typing import TYPE_CHECKING

from deweather.errors import names_of_earlier_versions
from deweather.losses.contrastive import ContrastiveLoss, level_weights
from deweather.losses.decorrelation import fourier_functions, sample_weights
from deweather.losses.difference import depth_loss, difference_weights, weighted_depth_l1
from deweather.losses.features import FeatureNetwork, RandomFeatures, VGG19Features
from deweather.losses.gaussian_contrastive import GaussianContrastive
from deweather.losses.pixel import (
    charbonnier,
    frequency_l1,
    l1,
    l1_and_frequency,
    mse,
)
from deweather.losses.prior import dark_channel_loss, total_variation, total_variation_squared
from deweather.losses.structure import edge_loss, ssim_loss

__all__ = [
    "ContrastiveLoss",
    "FeatureNetwork",
    "GaussianContrastive",
    "RandomFeatures",
    "VGG19Features",
    "charbonnier",
    "dark_channel_loss",
    "depth_loss",
    "difference_weights",
    "edge_loss",
    "fourier_functions",
    "frequency_l1",
    "l1",
    "l1_and_frequency",
    "level_weights",
    "mse",
    "sample_weights",
    "ssim_loss",
    "total_variation",
    "total_variation_squared",
    "weighted_depth_l1",
]

if not TYPE_CHECKING:  # a type checker would take any name for known
    __getattr__ = names_of_earlier_versions(
        __name__,
        {
            "ssim": "deweather.metrics.structural_similarity(..., padding='zero')",
        },
    )
