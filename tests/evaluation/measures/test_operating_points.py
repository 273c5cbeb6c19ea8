"""Thresholds chosen on real predictions, against all thresholds tried one after another."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_data import LABELS, NAMES, held_out
from hypothesis import given, settings
from hypothesis import strategies as st

from hemoscope.evaluation.measures.operating_points import OperatingPoint, Threshold, sensitive, specific, youden


def rates(labels, scores, threshold):
    calls = scores >= threshold
    return calls[labels == 1].mean(), (~calls[labels == 0]).mean()


def real(finding: str):
    table = held_out()
    known = table[table[LABELS[NAMES.index(finding)]] >= 0]
    return known[LABELS[NAMES.index(finding)]].to_numpy(), known[finding].to_numpy()


@pytest.mark.parametrize("finding", NAMES)
def test_no_threshold_has_a_larger_youden_index(finding):
    labels, scores = real(finding)
    chosen = youden(labels, scores).value
    best = max(sum(rates(labels, scores, one)) for one in np.unique(scores))
    assert sum(rates(labels, scores, chosen)) == pytest.approx(best)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=1, max_size=30), st.integers(1, 20))
def test_the_next_stricter_threshold_has_too_little_sensitivity_and_the_next_laxer_too_little_specificity(
    cases, twentieths
):
    labels = np.array([label for label, _ in cases], np.int8)
    scores = np.array([score / 12 for _, score in cases])
    least = twentieths / 20
    if labels.any():
        threshold = sensitive(labels, scores, least).value
        assert rates_or_one(labels, scores, threshold)[0] >= least - 1e-12
        assert rates_or_one(labels, scores, np.nextafter(threshold, 2))[0] < least
    if not labels.all():
        threshold = specific(labels, scores, least).value
        assert rates_or_one(labels, scores, threshold)[1] >= least - 1e-12
        assert rates_or_one(labels, scores, np.nextafter(threshold, -1))[1] < least


def rates_or_one(labels, scores, threshold):
    calls = scores >= threshold
    return (calls[labels == 1].mean() if labels.any() else 1, (~calls[labels == 0]).mean() if not labels.all() else 1)


def test_where_nothing_can_be_chosen_the_reason_is_said():
    zeros, ones = np.zeros(4, np.int8), np.ones(4, np.int8)
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    assert youden(zeros, scores) == Threshold(None, "no positives")
    assert youden(ones, scores) == Threshold(None, "no negatives")
    assert sensitive(zeros, scores, 0.9) == Threshold(None, "no positives")
    assert specific(ones, scores, 0.9) == Threshold(None, "no negatives")
    reversed_ = youden(np.array([1, 1, 0, 0], np.int8), scores)
    assert reversed_ == Threshold(None, "no threshold is better than chance")


def test_a_share_that_floating_point_overshoots_takes_no_case_more():
    scores = np.arange(10) / 10
    assert sensitive(np.ones(10, np.int8), scores, 0.7).value == pytest.approx(0.3)  # 0.7 * 10 is 7.000000000000001


def test_a_fixed_point_is_the_same_for_all_findings():
    assert OperatingPoint.fixed(0.7).thresholds == (Threshold(0.7),) * 6
