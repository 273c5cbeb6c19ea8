from __future__ import annotations

import pytest
from scipy.stats import binomtest

from hemoscope.evaluation.statistics.proportions import clopper_pearson, wilson


# R. G. Newcombe: Two-sided confidence intervals for the single proportion. Statistics in Medicine 17 (1998), table I
@pytest.mark.parametrize(
    ("hits", "count", "score", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_intervals_of_newcombe(hits, count, score, exact):
    for found, printed in ((wilson(hits, count), score), (clopper_pearson(hits, count), exact)):
        assert found.value == hits / count
        assert (found.low, found.high) == pytest.approx(printed, abs=5e-5)


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (3, 7), (7, 7), (0, 1_000_000), (999_999, 1_000_000)])
def test_intervals_of_scipy(hits, count):
    test = binomtest(hits, count)
    for found, method in ((wilson(hits, count), "wilson"), (clopper_pearson(hits, count), "exact")):
        there = test.proportion_ci(method=method)
        assert (found.low, found.high) == pytest.approx((there.low, there.high), abs=1e-9)
        assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_certainty_ends_at_its_bound(interval):
    assert interval(0, 9).low == 0
    assert interval(9, 9).high == 1


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_no_cases_give_a_blank(interval):
    assert interval(0, 0).blank == "no cases"


@pytest.mark.parametrize(("hits", "count"), [(3, 2), (-1, 2)])
def test_what_is_no_proportion_is_refused(hits, count):
    with pytest.raises(ValueError, match="no proportion"):
        wilson(hits, count)
