from __future__ import annotations

import numpy as np
import pytest
from asah import NDKA, OUTCOME, S100B, WFNS
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from hemoscope.evaluation.statistics.delong import auc_delong, paired_test, unpaired_test


def direct(labels, *systems):
    """Areas and covariance from all pairs of a positive and a negative: the O(mn) form of DeLong et al. (1988)."""
    kernels = [
        np.sign(scores[labels == 1][:, None] - scores[labels == 0][None, :]) / 2 + 0.5 for scores in systems
    ]  # (m, n) each: 1 in order, 0.5 tied, 0 out of order
    of_positives = np.array([kernel.mean(axis=1) for kernel in kernels])
    of_negatives = np.array([kernel.mean(axis=0) for kernel in kernels])
    covariance = np.cov(of_positives) / of_positives.shape[1] + np.cov(of_negatives) / of_negatives.shape[1]
    return of_positives.mean(axis=1), np.atleast_2d(covariance)


# What tests/testthat of R's pROC 1.19 expects of var(), ci.auc() and auc()
@pytest.mark.parametrize(
    ("scores", "area", "variance"),
    [
        (S100B, 0.73136856368563685, 0.00266868245717244),
        (WFNS, 0.82367886178861793, 0.00146991470882363),
        (NDKA, 0.611957994579946, 0.0031908105493913),
    ],
)
def test_area_and_interval_of_proc(scores, area, variance):
    found = auc_delong(OUTCOME, scores)
    reach = norm.ppf(0.975) * np.sqrt(variance)
    assert found.value == pytest.approx(area, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((area - reach, area + reach), rel=1e-10)


def test_interval_that_proc_prints():
    found = auc_delong(OUTCOME, NDKA)
    assert (found.low, found.high) == pytest.approx((0.501244999271703, 0.722670989888189), rel=1e-10)


# test-roc.test.R of pROC; the first is the example of its documentation, Z = -2.209, p = 0.02718
@pytest.mark.parametrize(
    ("a", "b", "z", "p", "low", "high"),
    [
        (S100B, WFNS, -2.20898359144091, 0.0271757822291882, -0.174214419249478, -0.0104061769564846),
        (WFNS, NDKA, 2.79777591868904, 0.00514557970691098, 0.0634011709339876, 0.3600405634833566),
        (NDKA, S100B, -1.39077002573558, 0.164295175223054, -0.2876917446341914, 0.0488706064228094),
    ],
)
def test_paired_test_of_proc(a, b, z, p, low, high):
    found = paired_test(OUTCOME, a, b)
    assert found.statistic == pytest.approx(z, rel=1e-10)
    assert found.p_value == pytest.approx(p, rel=1e-10)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((low, high), rel=1e-10)


@pytest.mark.parametrize(
    ("a", "b", "d", "p"),
    [
        (WFNS, S100B, 1.43490640926908, 0.152825378808796),
        (WFNS, NDKA, 3.10125096778969, 0.00220950791756457),
        (NDKA, S100B, -1.55995743389685, 0.120192832430845),
    ],
)
def test_unpaired_test_of_proc(a, b, d, p):
    found = unpaired_test(OUTCOME, a, OUTCOME, b)
    assert found.statistic == pytest.approx(d, rel=1e-10)
    assert found.p_value == pytest.approx(p, rel=1e-10)
    assert found.estimate.low < found.estimate.value < found.estimate.high


@settings(max_examples=100, deadline=None)
@given(
    labels=arrays(np.int8, 40, elements=st.integers(0, 1)).filter(lambda labels: 5 <= labels.sum() <= 35),
    a=arrays(np.float64, 40, elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9])),
    b=arrays(np.float64, 40, elements=st.floats(0, 1)),
)
def test_fast_form_is_the_direct_form(labels, a, b):
    areas, covariance = direct(labels, a, b)
    fast = auc_delong(labels, a)
    assert fast.value == pytest.approx(areas[0], abs=1e-12)
    if fast.low is not None:
        reach = norm.ppf(0.975) * np.sqrt(covariance[0, 0])
        assert (fast.low, fast.high) == pytest.approx((max(0, areas[0] - reach), min(1, areas[0] + reach)), abs=1e-9)
    paired = paired_test(labels, a, b)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert paired.estimate.value == pytest.approx(areas[0] - areas[1], abs=1e-12)
    if paired.statistic is not None and variance > 1e-12:
        assert paired.statistic == pytest.approx((areas[0] - areas[1]) / np.sqrt(variance), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "scores", "value", "why"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], None, "no positives"),
        ([1, 1, 1], [0.1, 0.2, 0.3], None, "no negatives"),
        ([], [], None, "no cases"),
        ([1, 0, 0], [0.2, 0.1, 0.3], 0.5, "fewer than 5 positives or negatives"),
        ([1] * 4 + [0] * 9, [0.8] * 4 + [0.1] * 9, 1.0, "fewer than 5 positives or negatives"),
        ([1] * 5 + [0] * 5, [0.8] * 5 + [0.1] * 5, 1.0, "all cases are equally well ordered, which leaves no variance"),
        ([1] * 5 + [0] * 5, [0.5] * 10, 0.5, "all cases are equally well ordered, which leaves no variance"),
    ],
)
def test_degenerate_cases_say_why(labels, scores, value, why):
    labels, scores = np.array(labels, int), np.array(scores, float)
    found = auc_delong(labels, scores)
    assert (found.value, found.low, found.blank) == (value, None, why)
    for test in (paired_test(labels, scores, scores), unpaired_test(labels, scores, labels, scores)):
        assert (test.p_value, test.estimate.blank) == (None, why)


def test_systems_that_order_alike_have_no_test():
    found = paired_test(OUTCOME, WFNS, WFNS * 3 + 1)
    assert (found.estimate.value, found.p_value) == (0, None)


def test_interval_stays_in_the_unit_interval():
    found = auc_delong(np.repeat([1, 0], 5), np.array([0.5, 0.9, 0.8, 0.9, 0.7, 0.1, 0.6, 0.2, 0.1, 0.3]))
    assert found.high == 1 and found.low < found.value < 1


@pytest.mark.parametrize("bad", [np.array([0.1, np.nan, 0.3]), np.array([0.1, 0.2])])
def test_scores_that_are_no_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="scores"):
        auc_delong(np.array([0, 1, 1]), bad)


def test_unknown_labels_are_refused():
    with pytest.raises(ValueError, match="unknown"):
        auc_delong(np.array([0, 1, -1]), np.array([0.1, 0.2, 0.3]))
