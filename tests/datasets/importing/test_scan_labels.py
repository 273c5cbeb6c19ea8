"""Labels of scans: one slice makes a scan positive, only all slices make it negative."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from hemoscope.datasets.importing.scan_labels import labels_of_scans


@pytest.mark.parametrize(
    ("slices", "scan"), [([0, 1], 1), ([1, -1], 1), ([0, 0], 0), ([0, -1], -1), ([-1, -1], -1), ([1], 1)]
)
def test_the_labels_of_a_scan(slices: list[int], scan: int) -> None:
    series = pa.array(["other", *["a"] * len(slices)])
    labels = np.array([[0], *([label] for label in slices)], np.int8)
    assert labels_of_scans(series, labels)[:, 0].tolist() == [0, *[scan] * len(slices)]


def test_a_loose_slice_says_nothing_of_its_scan() -> None:
    labels = np.array([[1, 0], [0, 0]], np.int8)
    assert labels_of_scans(pa.array([None, "a"]), labels).tolist() == [[-1, -1], [0, 0]]


def test_a_scan_with_too_few_slices_is_there_in_part() -> None:
    series = pa.array(["a", "b", "b", "c"])
    labels = np.array([[0], [0], [0], [1]], np.int8)
    assert labels_of_scans(series, labels, 2)[:, 0].tolist() == [-1, 0, 0, 1]
