from __future__ import annotations

from dataclasses import replace

import pytest

from hemoscope.detector.detection import Detection
from hemoscope.report.chart import BOTTOM, LEFT, RIGHT, TOP, chart, ticks


def test_foot_is_left_and_certainty_is_up(incomplete: Detection) -> None:
    drawn = chart(incomplete, [13])
    assert drawn is not None
    xs = [point.x for point in drawn.points]
    assert xs == sorted(xs)
    assert LEFT <= xs[0] < xs[-1] <= RIGHT
    highest = min(drawn.points, key=lambda point: point.y)
    assert highest.label.startswith("slice 13, 52: any 34%")
    assert highest.y == pytest.approx(BOTTOM - 0.34 * (BOTTOM - TOP))
    assert drawn.x_title == "slice position in mm, foot to head"


def test_lines_break_at_slices_that_were_not_read(incomplete: Detection) -> None:
    drawn = chart(incomplete, [13])
    assert drawn is not None
    assert [mark.label for mark in drawn.unread] == ["slice 9", "slice 20"]
    assert all(line.path.count("M") == 3 for line in drawn.lines)
    assert len(drawn.points) == 26
    assert drawn.lines[-1].is_any


def test_slices_without_positions_are_numbered(incomplete: Detection) -> None:
    slices = tuple(replace(a_slice, position_mm=None) for a_slice in incomplete.scan.slices)
    drawn = chart(replace(incomplete, scan=replace(incomplete.scan, slices=slices)), [])
    assert drawn is not None
    assert drawn.x_title == "slice number, foot to head"
    assert drawn.x_ticks[-1].label == "25"


def test_neighbouring_numbers_do_not_cover_each_other(incomplete: Detection) -> None:
    drawn = chart(incomplete, [13, 14, 3])
    assert drawn is not None
    assert [mark.label for mark in drawn.shown] == ["13", "", "3"]


def test_one_slice_needs_no_chart(picture: Detection, not_analysed: Detection) -> None:
    assert chart(picture, [0]) is None
    assert chart(not_analysed, []) is None


@pytest.mark.parametrize(("low", "high", "first", "last"), [(0, 160, 0, 160), (-73.2, 80, -60, 80), (0, 2, 0, 2)])
def test_ticks_are_round(low: float, high: float, first: float, last: float) -> None:
    found = ticks(low, high)
    assert (found[0], found[-1]) == (first, last)
    assert 4 < len(found) <= 9
