from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar as of_statsmodels
from statsmodels.stats.multitest import multipletests

from hemoscope.evaluation.statistics.comparisons import holm, mcnemar


def calls_of(both, only_a, only_b, neither):
    """Labels of positives, and which of them two systems found."""
    a = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    return np.ones(len(a), int), a, b


# A. Agresti, Categorical Data Analysis, table 10.1: approval of 1600 voters at two surveys
def test_table_of_agresti():
    found = mcnemar(*calls_of(794, 150, 86, 570))
    assert found.p_value == pytest.approx(binomtest(86, 236).pvalue)
    assert found.estimate.value == pytest.approx(0.04)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((0.021, 0.059), abs=5e-4)


@pytest.mark.parametrize("table", [(5, 0, 0, 3), (10, 3, 9, 1), (0, 1, 0, 0), (50, 30, 12, 8)])
def test_p_value_of_statsmodels(table):
    both, only_a, only_b, neither = table
    expected = of_statsmodels([[both, only_a], [only_b, neither]], exact=True).pvalue
    assert mcnemar(*calls_of(*table)).p_value == pytest.approx(min(1, expected))


def test_negatives_are_right_where_they_are_not_called():
    labels, a, b = calls_of(50, 30, 12, 8)
    assert mcnemar(1 - labels, ~a, ~b) == mcnemar(labels, a, b)


def test_interval_covers_the_truth_as_often_as_it_says():
    random = np.random.default_rng(11)
    cells, covered = np.array([0.7, 0.12, 0.06, 0.12]), 0
    for table in random.multinomial(60, cells, size=1000):
        estimate = mcnemar(*calls_of(*table)).estimate
        covered += estimate.low <= cells[1] - cells[2] <= estimate.high
    assert 930 <= covered <= 985


def test_no_cases_give_a_blank():
    empty = np.zeros(0, bool)
    assert mcnemar(np.zeros(0, int), empty, empty).estimate.blank == "no cases"


def test_holm_of_statsmodels_with_blanks_left_out():
    p_values = [0.01, None, 0.04, 0.03, None, 0.005]
    expected = multipletests([0.01, 0.04, 0.03, 0.005], method="holm")[1]
    assert holm(p_values) == [expected[0], None, expected[1], expected[2], None, expected[3]]
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("blank", [[], [None], [None, None]])
def test_holm_of_nothing(blank):
    assert holm(blank) == blank
