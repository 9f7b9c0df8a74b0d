"""The shipped table of costs is what is counted."""

import json

import pytest
import torch

from deweather.errors import UnknownNameError
from deweather.models import create_model, list_models
from deweather.models.cost import SHIPPED, count_gflop_per_megapixel, gflop_per_megapixel


def test_the_table_holds_every_variant_in_order():
    assert list(json.loads(SHIPPED.read_text())) == list_models()


@pytest.mark.parametrize("name", list_models())
def test_the_shipped_cost_is_what_is_counted(name):
    with torch.device("meta"):
        counted = count_gflop_per_megapixel(create_model(name).eval())
    assert gflop_per_megapixel(name) == pytest.approx(counted, rel=0.001, abs=0.05)


def test_a_multiply_add_is_two_operations_and_a_pair_is_counted_by_view():
    class Products(torch.nn.Conv2d):
        class needs:  # noqa: N801
            whole_rows = True

        def forward(self, images):
            return super().forward(images.flatten(0, 1))

    # Nine products of three channels with five, at every pixel.
    assert count_gflop_per_megapixel(Products(3, 5, 3, padding=1)) == 2 * 9 * 3 * 5 / 1e3


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="stereoirr-small"):
        gflop_per_megapixel("stereoir-small")
