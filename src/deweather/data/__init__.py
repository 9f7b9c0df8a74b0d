"""Data sets: pictures on disk become pairs of bad and clear weather, or clean scenes for weather.

Degraded and clean pictures from disk:

    pictures = PictureSet.find("Rain100L", "rain100", split="train")
    batches = PairedBatches(pictures, curriculum=Curriculum.constant(128, 8), length=1000, seed=0)
    batches[0].degraded  # (8, 1, 3, 128, 128)

Clear pictures, which weather is put into: `SceneBatches(SceneLibrary.of(pictures), ...)`.
"""

from typing import TYPE_CHECKING

from deweather.data.crops import Curriculum, Phase, Photometric
from deweather.data.layout_table import LAYOUTS, find_layout
from deweather.data.layouts import Layout, Listing, PictureFile, Sample
from deweather.data.listing import find_samples
from deweather.data.mixing import MixedBatches
from deweather.data.paired import PairBatch, PairedBatches
from deweather.data.pictures import PictureSet
from deweather.data.scene_library import SceneLibrary
from deweather.data.scenes import SceneBatches
from deweather.errors import names_of_earlier_versions

__all__ = [
    "LAYOUTS",
    "Curriculum",
    "Layout",
    "Listing",
    "MixedBatches",
    "PairBatch",
    "PairedBatches",
    "Phase",
    "Photometric",
    "PictureFile",
    "PictureSet",
    "Sample",
    "SceneBatches",
    "SceneLibrary",
    "find_layout",
    "find_samples",
]

if not TYPE_CHECKING:  # a type checker would take any name for known
    __getattr__ = names_of_earlier_versions(
        __name__,
        {
            "Source": "PictureFile",
            "Stage": "Phase",
            "WholePictures": "PairBatch.of(pictures.load(index), id)",
        },
    )
