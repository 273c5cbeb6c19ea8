"""Count, gaps and thickness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_scans import part

from hemoscope.ct.read import read_scan
from hemoscope.ct.scan import Acquisition, Scan, Slice
from hemoscope.ct.spacing import FEWEST_SLICES, find_gaps, spacing_checks
from hemoscope.reasons import Reason


def scan_at(positions_mm, **acquisition) -> Scan:
    slices = tuple(Slice(str(i), "", position_mm=place) for i, place in enumerate(positions_mm))
    return Scan("scan", np.zeros((len(slices), 2, 2), np.int16), slices, acquisition=Acquisition(**acquisition))


def reasons(scan):
    return [check.reason for check in spacing_checks(scan)]


@given(
    usual=st.floats(2.5, 12),
    slices=st.integers(9, 40),
    data=st.data(),
)
def test_a_missing_slice_is_found_where_it_is(usual, slices, data):
    missing = data.draw(st.integers(1, slices - 2))
    jitter = data.draw(st.lists(st.floats(-0.01, 0.01), min_size=slices, max_size=slices))
    positions = np.arange(slices) * usual + np.array(jitter)
    assert find_gaps(np.diff(positions)) == []
    assert find_gaps(np.diff(np.delete(positions, missing))) == [missing - 1]


@given(first=st.floats(1, 10), second=st.floats(1, 10), before=st.integers(3, 20), after=st.integers(3, 20))
def test_going_on_with_another_spacing_leaves_no_gap(first, second, before, after):
    assert find_gaps(np.array([first] * before + [second] * after)) == []


def test_the_ge_series_with_4_and_7_mm_that_overlap_is_uneven_but_whole(examples):
    (check,) = spacing_checks(read_scan(examples / "ge_tilted_head_series"))
    assert check.reason is Reason.UNEVEN_SPACING
    assert "from 1.08 to 7.00 mm" in check.detail


@pytest.mark.parametrize("missing", [4, 10, 20, 25])
def test_a_slice_taken_out_of_the_ge_series_is_a_gap(examples, missing):
    scan = read_scan(examples / "ge_tilted_head_series")
    check = next(iter(spacing_checks(part(scan, [i for i in range(28) if i != missing]))))
    assert check.reason is Reason.GAP
    assert check.slices == (missing - 1, missing)


def test_every_other_slice_taken_out_of_the_ge_series_is_a_gap(examples, tmp_path):
    """The distances agree with each other, so only the thickness of the slices tells."""
    paths = sorted((examples / "ge_tilted_head_series").glob("*.dcm"))
    for path in paths[-16::2]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    gap = next(check for check in spacing_checks(read_scan(tmp_path)) if check.reason is Reason.GAP)
    assert "14.0 mm" in gap.detail and "7.0 mm thick" in gap.detail
    assert gap.slices == tuple(range(1, 8))  # slice 0 is of the block of 4 mm, close to the next


def test_the_partial_angiography_lacks_slices(shared_data):
    scan = read_scan(shared_data / "head_ct_hu/cq500_ct0_cta_partial")
    gap = next(check for check in spacing_checks(scan) if check.reason is Reason.GAP)
    assert "14.2 mm" in gap.detail
    distances = np.diff([one.position_mm for one in scan.slices])
    assert {i for i in range(50) if distances[i] > 2.5} <= set(gap.slices)
    assert reasons(scan) == [Reason.GAP, Reason.UNEVEN_SPACING, Reason.THIN_SLICES]


def test_one_thin_slice_missing_hides_nothing_and_is_only_said():
    assert reasons(scan_at([0.625 * i for i in range(40) if i != 20])) == [Reason.UNEVEN_SPACING]


def test_two_slices_at_one_position_are_told(shared_data):
    positions = [0.0, 0.0, 5.0, 5.0, *range(10, 60, 5)]
    (check,) = spacing_checks(scan_at(positions))
    assert check.reason is Reason.UNEVEN_SPACING
    assert "2 positions hold two slices" in check.detail


@pytest.mark.parametrize("count", [1, 2, FEWEST_SLICES - 1])
def test_too_few_slices(count):
    (check,) = spacing_checks(scan_at([5.0 * i for i in range(count)]))
    assert check.reason is Reason.TOO_FEW_SLICES
    assert str(count) in check.detail


def test_enough_regular_slices_pass():
    assert reasons(scan_at([5.0 * i for i in range(FEWEST_SLICES)])) == []


def test_unknown_positions_say_nothing_about_gaps():
    assert reasons(scan_at([0, 5, None, 50, *range(60, 90, 5)])) == []
    assert reasons(scan_at([3.0] * 12)) == []


def test_independent_slices_are_not_counted():
    assert reasons(replace(scan_at([0.0]), independent=True)) == []


@pytest.mark.parametrize(
    ("thickness", "spacing", "expected"),
    [
        (0.625, 5, Reason.THIN_SLICES), (None, 1.25, Reason.THIN_SLICES), (10, 5, Reason.THICK_SLICES),
        (None, 8, Reason.THICK_SLICES), (5, 0.6, None), (None, None, None), (2.5, 2.5, None), (7.5, 7.5, None),
    ],
)  # fmt: skip
def test_thickness_is_what_the_header_states_else_the_spacing(thickness, spacing, expected):
    scan = scan_at([5.0 * i for i in range(9)], slice_thickness_mm=thickness, spacing_mm=spacing)
    assert reasons(scan) == ([expected] if expected else [])
