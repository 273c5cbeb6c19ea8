"""Which slices a detection calls suspicious."""

from __future__ import annotations

import numpy as np
import pytest

from hemoscope.ct.scan import Scan, Slice
from hemoscope.detector.detection import Detection, OperatingPoint, State
from hemoscope.findings import ANY

POINT = OperatingPoint("sensitive", 0.5)


def detection(any_probabilities: list[float]) -> Detection:
    count = len(any_probabilities)
    probabilities = np.zeros((count, 6), np.float32)
    probabilities[:, ANY] = any_probabilities
    scan = Scan("scan", np.zeros((count, 4, 4), np.int16), tuple(Slice(str(i), "") for i in range(count)))
    return Detection(scan, State.POSITIVE, (), "default 1", "", POINT, POINT, {}, probabilities, probabilities.max(0))


@pytest.mark.parametrize(
    ("probabilities", "count", "expected"),
    [
        ([0.1, 0.9, 0.8, 0.2, 0.7], 2, [1, 4]),  # 2 is a neighbour of 1
        ([0.1, 0.9, 0.8], 3, [1, 2, 0]),  # neighbours where nothing else is left
        ([0.1, float("nan"), 0.3], 3, [2, 0]),  # a slice that was not scored is never shown
        ([0.5, 0.5, 0.5, 0.5], 2, [0, 2]),  # ties: from the foot
    ],
)
def test_top_slices_are_apart_and_in_order(probabilities: list[float], count: int, expected: list[int]) -> None:
    found = detection(probabilities)
    assert found.top_slices(count) == expected
    assert found.suspicious_slice == expected[0]


def test_a_scan_that_was_not_analysed_has_no_suspicious_slice() -> None:
    scan = detection([0.5]).scan
    none = Detection(scan, State.NOT_ANALYSED, (), "default 1", "", POINT, POINT, {})
    assert none.suspicious_slice is None
    assert none.top_slices(4) == []
