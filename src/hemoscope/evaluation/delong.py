"""Intervals and tests of areas under ROC curves whose cases are independent of each other (DeLong et al. 1988).

E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson: Comparing the areas under two or more correlated receiver operating
characteristic curves. Biometrics 44 (1988). The fast form from midranks: X. Sun, W. Xu: Fast implementation of DeLong's
algorithm. IEEE Signal Processing Letters 21 (2014), algorithm 2.

Slices of one patient are not independent: take `bootstrap` for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata, t

from hemoscope.evaluation.difference import Difference
from hemoscope.evaluation.estimate import Estimate
from hemoscope.evaluation.proportions import LEVEL
from hemoscope.evaluation.roc import Labels, Scores, check, missing_class

METHOD = "DeLong, 95%"
PAIRED, UNPAIRED = "DeLong, paired", "DeLong, unpaired"
SINGLE = "a single positive or negative has no variance"
SEPARATED = "positives and negatives are separated completely, which leaves no variance"
Z = float(norm.ppf(0.5 + LEVEL / 2))


@dataclass(frozen=True, eq=False)
class Areas:
    """Areas under the curves of several systems on the same cases.

    values: (systems,). covariance: (systems, systems), of the values.
    """

    values: NDArray[np.float64]
    covariance: NDArray[np.float64]


def areas(labels: Labels, scores: Scores) -> Areas:
    """Areas and their covariance from labels (N,) and scores (N, systems), with at least 2 of each class."""
    positive = labels == 1
    components = [_components(column[positive], column[~positive]) for column in scores.T]
    v10, v01 = (np.array(part) for part in zip(*components, strict=True))  # (systems, positives), (systems, negatives)
    covariance = np.cov(v10) / v10.shape[1] + np.cov(v01) / v01.shape[1]
    return Areas(v10.mean(axis=1), np.atleast_2d(covariance))


def auc_delong(labels: Labels, scores: Scores) -> Estimate:
    """Area under the ROC curve of labels (N,) and scores (N,) with DeLong's interval, cut at 0 and 1."""
    check(labels, scores)
    if why := missing_class(labels):
        return Estimate.none(why)
    if _single(labels):
        return Estimate(float(_components(scores[labels == 1], scores[labels == 0])[0].mean()), blank=SINGLE)
    found = areas(labels, scores[:, None])
    value, error = float(found.values[0]), float(np.sqrt(found.covariance[0, 0]))
    if error == 0:
        return Estimate(value, blank=SEPARATED)
    return Estimate(value, max(0.0, value - Z * error), min(1.0, value + Z * error), METHOD)


def paired_test(labels: Labels, a: Scores, b: Scores) -> Difference:
    """Difference of the areas of two systems on the same cases: labels, a and b are (N,). statistic: Z."""
    check(labels, a)
    check(labels, b)
    if why := missing_class(labels) or _single(labels):
        return Difference.none(why, PAIRED)
    found = areas(labels, np.column_stack([a, b]))
    value = float(found.values[0] - found.values[1])
    variance = float(found.covariance[0, 0] + found.covariance[1, 1] - 2 * found.covariance[0, 1])
    if _nothing(variance):
        return Difference(Estimate(value, blank="the two systems order the cases alike"), None, PAIRED)
    error = float(np.sqrt(variance))
    statistic = value / error
    estimate = Estimate(value, value - Z * error, value + Z * error, METHOD)
    return Difference(estimate, float(2 * norm.sf(abs(statistic))), PAIRED, statistic)


def unpaired_test(labels_a: Labels, a: Scores, labels_b: Labels, b: Scores) -> Difference:
    """Difference of the areas of two systems, or of one, on different cases: labels_a and a (N,), labels_b and b (M,).

    statistic: of a t-test whose degrees of freedom are Welch and Satterthwaite's, as R's pROC has it.
    """
    check(labels_a, a)
    check(labels_b, b)
    why = missing_class(labels_a) or missing_class(labels_b) or _single(labels_a) or _single(labels_b)
    if why:
        return Difference.none(why, UNPAIRED)
    first, second = areas(labels_a, a[:, None]), areas(labels_b, b[:, None])
    variances = np.array([first.covariance[0, 0], second.covariance[0, 0]])
    value = float(first.values[0] - second.values[0])
    if _nothing(float(variances.sum())):
        return Difference(Estimate(value, blank=SEPARATED), None, UNPAIRED)
    error = float(np.sqrt(variances.sum()))
    freedom = float(variances.sum() ** 2 / (variances**2 / (np.array([len(a), len(b)]) - 1)).sum())
    statistic = value / error
    reach = float(t.ppf(0.5 + LEVEL / 2, freedom)) * error
    estimate = Estimate(value, value - reach, value + reach, METHOD)
    return Difference(estimate, float(2 * t.sf(abs(statistic), freedom)), UNPAIRED, statistic)


def _components(positives: Scores, negatives: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """V10 (positives,) and V01 (negatives,): of each case the share of the other class that it is in order with."""
    m, n = len(positives), len(negatives)
    ranks = rankdata(np.concatenate([positives, negatives]))  # midranks: ties count half
    v10 = (ranks[:m] - rankdata(positives)) / n
    v01 = 1 - (ranks[m:] - rankdata(negatives)) / m
    return v10, v01


def _single(labels: Labels) -> str:
    positives = int(np.count_nonzero(labels))
    return SINGLE if 1 in (positives, len(labels) - positives) else ""


def _nothing(variance: float) -> bool:
    """Whether a variance is 0 but for rounding."""
    return variance < 1e-16
