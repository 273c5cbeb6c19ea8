from __future__ import annotations

import numpy as np
import pytest
from asah import OUTCOME, S100B, WFNS

from hemoscope.evaluation.statistics.roc import missing_class, precision_recall_curve, roc_curve


@pytest.mark.parametrize("scores", [S100B, WFNS])
def test_points_of_the_curve_are_calls_at_its_thresholds(scores):
    curve = roc_curve(OUTCOME, scores)
    calls = scores >= curve.thresholds[:, None]  # (K, N)
    assert curve.sensitivities == pytest.approx(calls[:, OUTCOME == 1].mean(axis=1))
    assert curve.false_positive_rates == pytest.approx(calls[:, OUTCOME == 0].mean(axis=1))
    assert (curve.sensitivities[0], curve.false_positive_rates[0]) == (0, 0)
    assert (curve.sensitivities[-1], curve.false_positive_rates[-1]) == (1, 1)


@pytest.mark.parametrize("scores", [S100B, WFNS])
def test_points_of_precision_and_recall_are_calls_at_their_thresholds(scores):
    curve = precision_recall_curve(OUTCOME, scores)
    calls = scores >= curve.thresholds[:, None]
    assert (np.diff(curve.thresholds) < 0).all()
    assert curve.recalls == pytest.approx(calls[:, OUTCOME == 1].mean(axis=1))
    assert curve.precisions == pytest.approx([OUTCOME[call].mean() for call in calls])


@pytest.mark.parametrize(
    ("labels", "why"),
    [([0, 0], "no positives"), ([1, 1], "no negatives"), ([], "no cases"), ([0, 1], "")],
)
def test_one_class_has_no_curve(labels, why):
    labels = np.array(labels, int)
    scores = np.linspace(0, 1, len(labels))
    assert missing_class(labels) == why
    assert (roc_curve(labels, scores) is None) == bool(why)
    assert (precision_recall_curve(labels, scores) is None) == bool(why)


@pytest.mark.parametrize(
    ("labels", "scores", "sentence"),
    [
        ([0, 1, -1], [0.1, 0.2, 0.3], "labels must be 0 or 1"),
        ([0, 1, 1], [0.1, np.nan, 0.3], "scores must be numbers"),
        ([0, 1], [0.1, 0.2, 0.3], "must be"),
    ],
)
def test_what_was_not_measured_is_refused(labels, scores, sentence):
    for curve in (roc_curve, precision_recall_curve):
        with pytest.raises(ValueError, match=sentence):
            curve(np.array(labels), np.array(scores))
