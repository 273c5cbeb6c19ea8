"""The order of slices: along the slice normal, or z; never a number where the place is unknown."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hemoscope.datasets.importing.slice_order import SliceOrder, order_slices
from hemoscope.datasets.problems import Problem

UNKNOWN = [np.nan, np.nan, np.nan]
UP = [0.0, 0.0, 1.0]
TILT = np.radians(20)
TILTED = [0.0, -np.sin(TILT), np.cos(TILT)]


def order(series: list[str | None], positions: list[list[float]], normals: list[list[float]]) -> SliceOrder:
    return order_slices(pa.array(series, pa.string()), np.array(positions), np.array(normals))


def test_two_scans_are_numbered_each_from_the_foot() -> None:
    found = order(["b", "a", "b", "a"], [[0, 0, 30], [0, 0, 5], [0, 0, 20], [0, 0, -5]], [UP] * 4)
    assert found.slice.tolist() == [1, 1, 0, 0]
    assert found.position_mm.tolist() == [30, 5, 20, -5]
    assert found.found == ()


def test_the_order_is_that_of_the_normal_where_z_says_otherwise() -> None:
    positions = [[0, 0, 0], [0, -40, -5]]  # the second lies lower, but further along the tilted normal
    assert order(["a", "a"], positions, [TILTED] * 2).slice.tolist() == [0, 1]
    assert order(["a", "a"], positions, [UNKNOWN] * 2).slice.tolist() == [1, 0]


def test_z_orders_but_is_no_position_along_the_normal() -> None:
    found = order(["a", "a"], [[0, 0, 10], [0, 0, 5]], [UP, UNKNOWN])
    assert found.slice.tolist() == [1, 0]
    assert np.isnan(found.position_mm).all()


def test_a_slice_without_position_has_no_number_and_the_scan_is_reported() -> None:
    found = order(["a", "a", "a"], [[0, 0, 10], UNKNOWN, [0, 0, 5]], [UP, UNKNOWN, UP])
    assert found.slice.tolist() == [1, None, 0]
    assert [(one.problem, one.item) for one in found.found] == [(Problem.NO_POSITION, "a")]


@pytest.mark.parametrize("apart_mm", [0.0, 0.004, -0.004])
def test_slices_at_one_place_keep_the_order_in_which_they_are_given(apart_mm: float) -> None:
    found = order(["a"] * 3, [[0, 0, 5 + apart_mm], [0, 0, 5], [0, 0, 0]], [UP] * 3)
    assert found.slice.tolist() == [1, 2, 0]
    assert "2 lie where another does" in found.found[0].detail


def test_a_slice_turned_against_its_scan_has_no_number() -> None:
    found = order(["a"] * 4, [[0, 0, 3], [0, 0, 2], [0, 0, 1], [0, 0, 0]], [UP, UP, UP, [1.0, 0.0, 0.0]])
    assert found.slice.tolist() == [2, 1, 0, None]


def test_a_loose_slice_has_no_number() -> None:
    found = order([None, None], [[0, 0, 3], UNKNOWN], [UP, UNKNOWN])
    assert found.slice.tolist() == [None, None]
    assert found.found == ()


def test_nothing_to_order() -> None:
    found = order_slices(pa.array([], pa.string()), np.empty((0, 3)), np.empty((0, 3)))
    assert len(found.slice) == 0
