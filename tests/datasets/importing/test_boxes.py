"""Boxes: whole pixels, and rows that hold none."""

from __future__ import annotations

import pandas as pd
import pytest

from hemoscope.datasets.importing.boxes import boxes_by_slice
from hemoscope.datasets.problems import Problem


def drawn(*corners: str, name: str = "one") -> pd.DataFrame:
    row = {"slice": name, "finding": "subdural", **dict(zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))}
    return pd.DataFrame([row])


@pytest.mark.parametrize(
    ("corners", "whole"),
    [(("1.5", "2.25", "3.1", "4.9"), (1, 2, 4, 5)), (("1", "2", "3", "4"), (1, 2, 3, 4))],
)
def test_fractions_are_rounded_outwards(corners: tuple[str, ...], whole: tuple[int, ...]) -> None:
    boxes, found = boxes_by_slice(drawn(*corners), {"one"})
    assert list(boxes["one"][0].values()) == ["subdural", *whole]
    assert found == []


@pytest.mark.parametrize(
    "corners", [("3", "2", "3", "4"), ("-1", "2", "3", "4"), ("1", "", "3", "4"), ("1", "2", "inf", "4")]
)
def test_a_box_without_an_area_or_outside_the_slice_is_a_bad_row(corners: tuple[str, ...]) -> None:
    boxes, found = boxes_by_slice(drawn(*corners), {"one"})
    assert (boxes, [(one.problem, one.item) for one in found]) == ({}, [(Problem.BAD_ROW, "one")])


def test_a_box_on_no_known_slice_is_named() -> None:
    boxes, found = boxes_by_slice(drawn("1", "2", "3", "4", name="two"), {"one"})
    assert (boxes, [(one.problem, one.item) for one in found]) == ({}, [(Problem.NO_SLICE, "two")])
