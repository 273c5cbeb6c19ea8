from __future__ import annotations

import numpy as np
import pytest
from asah import OUTCOME, S100B, WFNS
from sklearn import metrics

from hemoscope.evaluation.roc import auc, average_precision, precision_recall_curve, roc_curve


@pytest.mark.parametrize("scores", [S100B, WFNS])
def test_areas_of_scikit_learn(scores):
    assert auc(OUTCOME, scores).value == pytest.approx(metrics.roc_auc_score(OUTCOME, scores), abs=1e-12)
    expected = metrics.average_precision_score(OUTCOME, scores)
    assert average_precision(OUTCOME, scores).value == pytest.approx(expected, abs=1e-12)


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


def test_ties_count_half():
    assert auc(np.array([0, 1, 0, 1]), np.full(4, 0.3)).value == 0.5


def test_a_million_pairs_more_than_int32_counts():
    labels = np.repeat([0, 1], 70_000)
    assert auc(labels, labels.astype(float)).value == 1


@pytest.mark.parametrize(("labels", "why"), [([0, 0], "no positives"), ([1, 1], "no negatives"), ([], "no cases")])
def test_one_class_gives_a_blank(labels, why):
    labels = np.array(labels, int)
    scores = np.linspace(0, 1, len(labels))
    assert auc(labels, scores).blank == why
    assert average_precision(labels, scores).blank == why
    assert roc_curve(labels, scores) is None
    assert precision_recall_curve(labels, scores) is None
