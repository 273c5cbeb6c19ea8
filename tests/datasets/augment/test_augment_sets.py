"""A recipe names a set and changes its amounts; what is out of range is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hemoscope.datasets.augment.sets import SETS, augmentation_from
from hemoscope.reasons import UsageError


def test_a_recipe_names_a_set_and_changes_amounts() -> None:
    changed = augmentation_from({"set": "wong2019", "rotate_degrees": 10})
    assert changed == replace(SETS["wong2019"], rotate_degrees=10, source=changed.source)
    assert "rotate_degrees" in changed.source and augmentation_from({"set": "patel2019"}) == SETS["patel2019"]


@pytest.mark.parametrize(
    ("mapping", "names"),
    [
        ({}, "'set'"),
        ({"set": "wong2020"}, "wong2020"),
        ({"set": "wong2019", "rotation": 3}, "rotation"),
        ({"set": "wong2019", "source": "x"}, "source"),
        ({"set": "patel2019", "noise_hu": 3}, "noise_hu"),
        ({"set": "wong2019", "rotate_degrees": "14"}, "rotate_degrees"),
        ({"set": "wong2019", "rotate_degrees": float("nan")}, "rotate_degrees"),
        ({"set": "wong2019", "flip_probability": 1.5}, "flip_probability"),
        ({"set": "wong2019", "scale_fraction": 1}, "scale_fraction"),
        ({"set": "default", "jpeg_lowest_quality": 96}, "jpeg_lowest_quality"),
        ({"set": "default", "jpeg_lowest_quality": 60.5}, "whole"),
        ({"set": "default", "noise_hu": -1}, "noise_hu"),
        ({"set": "default", "noise_probability": True}, "noise_probability"),
    ],
)
def test_a_wrong_amount_is_named(mapping: dict[str, object], names: str) -> None:
    with pytest.raises(UsageError, match=names):
        augmentation_from(mapping)
