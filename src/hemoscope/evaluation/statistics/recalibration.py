"""Slope and intercept of calibration: the logistic regression of labels on the logit of probabilities (Cox 1958)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from hemoscope.evaluation.statistics.bootstrap import Patients, too_few
from hemoscope.evaluation.statistics.delong import Z
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.statistics.roc import Labels, Scores, check, missing_class

NEAREST = 1e-6  # to 0 and 1: a probability of 0 has no logit, and those who write six digits mean no less
METHOD = "patient-clustered sandwich, 95%"
CONSTANT = "all probabilities are the same"
SEPARATE = "the probabilities of the classes do not overlap"
MOST_STEPS = 100
SMALL_STEP = 1e-10


@dataclass(frozen=True)
class Recalibration:
    """log odds = intercept + slope * logit(probability); 0 and 1 where probabilities are right.

    A slope below 1: probabilities are too extreme. An intercept below 0: too high at a probability of a half.
    """

    slope: Estimate
    intercept: Estimate


def recalibration(labels: Labels, probabilities: Scores, patients: Patients) -> Recalibration:
    """Fit labels (N,), 0 or 1, on probabilities (N,) of patients (N,).

    The intervals are those of the covariance that allows for clusters (Liang and Zeger 1986), with the correction for
    few of them that Stata and statsmodels make: in a million slices the bootstrap would fit for hours.
    """
    check(labels, probabilities)
    logits = logit(np.clip(probabilities.astype(np.float64), NEAREST, 1 - NEAREST))
    if why := missing_class(labels) or _no_line(labels, logits):
        return Recalibration(Estimate.none(why), Estimate.none(why))
    design = np.column_stack([np.ones(len(logits)), logits])  # (N, 2)
    found = _fit(labels, design)
    why = too_few(patients[labels == 1], "with positives") or too_few(patients[labels == 0], "with negatives")
    if why:
        return Recalibration(Estimate(float(found[1]), blank=why), Estimate(float(found[0]), blank=why))
    errors = np.sqrt(np.diag(_covariance(labels, design, found, patients)))
    intercept, slope = (
        Estimate(float(value), float(value - Z * error), float(value + Z * error), METHOD)
        for value, error in zip(found, errors, strict=True)
    )
    return Recalibration(slope, intercept)


def _no_line(labels: Labels, logits: NDArray[np.float64]) -> str:
    """Why there is no finite slope, or nothing (Albert and Anderson 1984, section 3)."""
    if logits.min() == logits.max():
        return CONSTANT
    positive, negative = logits[labels == 1], logits[labels == 0]
    apart = positive.min() >= negative.max() or negative.min() >= positive.max()
    return SEPARATE if apart else ""


def _fit(labels: Labels, design: NDArray[np.float64]) -> NDArray[np.float64]:
    """The coefficients (2,) of largest likelihood, by Newton's steps, halved where they would overshoot."""
    share = float(labels.mean())
    found = np.array([np.log(share / (1 - share)), 0.0])
    loss = _loss(labels, design, found)
    for _ in range(MOST_STEPS):
        expected = expit(design @ found)
        step = np.linalg.solve(_information(design, expected), design.T @ (labels - expected))
        while (new := _loss(labels, design, found + step)) > loss and np.abs(step).max() > SMALL_STEP:
            step = step / 2
        found, loss = found + step, new
        if np.abs(step).max() <= SMALL_STEP:
            break
    return found


def _loss(labels: Labels, design: NDArray[np.float64], coefficients: NDArray[np.float64]) -> float:
    line = design @ coefficients
    return float(np.logaddexp(0, line).sum() - line @ labels)


def _information(design: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of Fisher, (2, 2)."""
    information: NDArray[np.float64] = (design * (expected * (1 - expected))[:, None]).T @ design
    return information


def _covariance(
    labels: Labels, design: NDArray[np.float64], coefficients: NDArray[np.float64], patients: Patients
) -> NDArray[Any]:
    """Of the coefficients, (2, 2): scores are summed by patient."""
    expected = expit(design @ coefficients)
    bread = np.linalg.inv(_information(design, expected))
    groups = np.unique(patients, return_inverse=True)[1]
    scores = np.column_stack([np.bincount(groups, (labels - expected) * column) for column in design.T])
    count, rows = len(scores), len(labels)
    correction = count / (count - 1) * (rows - 1) / (rows - 2)
    return np.asarray(correction * bread @ (scores.T @ scores) @ bread)
