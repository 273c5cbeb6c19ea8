"""ROC and precision-recall curves of one finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

Labels = NDArray[np.integer[Any]] | NDArray[np.bool_]
Scores = NDArray[np.floating[Any]]

NO_POSITIVES, NO_NEGATIVES = "no positives", "no negatives"


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Operating points from the strictest to the laxest; a case is called positive where its score >= threshold.

    All (K,). The first point is (0, 0) with the threshold infinity. Points on a straight line between two others are
    left out.
    """

    false_positive_rates: NDArray[np.float64]
    sensitivities: NDArray[np.float64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """Operating points from the strictest to the laxest, all (K,)."""

    recalls: NDArray[np.float64]
    precisions: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def missing_class(labels: Labels) -> str:
    """Why no curve can be drawn: "no positives", "no negatives", "no cases", or nothing."""
    positives = int(np.count_nonzero(labels))
    if not len(labels):
        return "no cases"
    return NO_POSITIVES if not positives else NO_NEGATIVES if positives == len(labels) else ""


def check(labels: Labels, scores: Scores) -> None:
    """Raise ValueError unless labels (N,) are 0 or 1 and scores (N,) are numbers: take the measured cases first."""
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ValueError("labels and scores must be (N,) both")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels must be 0 or 1: leave out the unknown")
    if np.isnan(scores).any():
        raise ValueError("scores must be numbers: leave out what was not scored")


def roc_curve(labels: Labels, scores: Scores) -> RocCurve | None:
    """The curve of labels (N,) and scores (N,), None without positives or without negatives."""
    check(labels, scores)
    if missing_class(labels):
        return None
    return RocCurve(*metrics.roc_curve(labels, scores))


def precision_recall_curve(labels: Labels, scores: Scores) -> PrecisionRecallCurve | None:
    """The curve of labels (N,) and scores (N,), None without positives or without negatives."""
    check(labels, scores)
    if missing_class(labels):
        return None
    precisions, recalls, thresholds = metrics.precision_recall_curve(labels, scores)
    # scikit-learn goes from lax to strict and ends with a point (0, 1) that no threshold gives
    return PrecisionRecallCurve(recalls[-2::-1], precisions[-2::-1], thresholds[::-1])
