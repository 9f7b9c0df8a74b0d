"""Several sets as one."""

import numpy as np
import pytest
from torch.utils.data import Dataset

from deweather.data import (
    Curriculum,
    MixedBatches,
    PairedBatches,
    PictureSet,
    SceneBatches,
    SceneLibrary,
)
from deweather.errors import ConfigError

from .trees import paired


class Numbers(Dataset):
    def __init__(self, name, length):
        self.name, self.length = name, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return self.name, index


def test_sets_are_drawn_by_weight_from_seed_and_number():
    mixed = MixedBatches([(Numbers("a", 3000), 3), (Numbers("b", 3000), 1)], length=3000, seed=5)
    found = [mixed[k] for k in range(3000)]
    assert [number for _, number in found] == list(range(3000))
    # Four standard deviations of a binomial draw.
    assert abs(sum(name == "a" for name, _ in found) - 2250) < 4 * np.sqrt(3000 * 0.75 * 0.25)
    again = MixedBatches(
        [(Numbers("a", 3000), 0.75), (Numbers("b", 3000), 0.25)], length=3000, seed=5
    )
    assert [again[k] for k in reversed(range(3000))] == found[::-1]
    assert len(mixed) == 3000


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([], "no sets"),
        ([(Numbers("a", 9), 0)], "weights"),
        ([(Numbers("a", 9), float("nan"))], "weights"),
        ([(Numbers("a", 9), 1), (Numbers("b", 8), 1)], "set 1 has 8 batches; give it 9"),
    ],
)
def test_mixtures_that_cannot_be_are_refused(sets, message):
    with pytest.raises(ConfigError, match=message):
        MixedBatches(sets, length=9, seed=0)


def test_batches_of_different_kinds_can_be_mixed(tmp_path):
    pairs = PictureSet.find(paired(tmp_path / "paired"), "paired")
    batches = PairedBatches(pairs, curriculum=Curriculum.constant(16, 2), length=20, seed=0)
    library = SceneLibrary.of(PictureSet.find(tmp_path / "paired", "paired"))
    clear = SceneBatches(
        library, patch=16, batch_pictures=2, stereo_share=0, layered_share=0, scales=(1, 1),
        length=20, seed=0,
    )  # fmt: skip
    kinds = {type(MixedBatches([(batches, 1), (clear, 1)], length=20, seed=1)[k]).__name__
             for k in range(20)}  # fmt: skip
    assert kinds == {"PairBatch", "Scene"}
