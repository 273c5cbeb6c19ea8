"""Intervals and tests of areas under ROC curves whose cases are independent of each other (DeLong et al. 1988).

E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson: Comparing the areas under two or more correlated receiver operating
characteristic curves. Biometrics 44 (1988). The fast form from midranks: X. Sun, W. Xu: Fast implementation of DeLong's
algorithm. IEEE Signal Processing Letters 21 (2014), algorithm 2.

Slices of one patient are not independent: take `clustered` for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata, t

from hemoscope.evaluation.statistics.bootstrap import FEWEST_PATIENTS
from hemoscope.evaluation.statistics.difference import Difference
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.statistics.proportions import LEVEL
from hemoscope.evaluation.statistics.roc import Labels, Scores, check, missing_class

METHOD = "DeLong, 95%"
PAIRED, UNPAIRED = "DeLong, paired", "DeLong, unpaired"
TOO_FEW = f"fewer than {FEWEST_PATIENTS} positives or negatives"
NO_VARIANCE = "all cases are equally well ordered, which leaves no variance"
Z = float(norm.ppf(0.5 + LEVEL / 2))


@dataclass(frozen=True, eq=False)
class Components:
    """What share of the other class each case is in order with, ties counting half; their mean is the area.

    positives: (m,), V10 of the paper. negatives: (n,), V01.
    """

    positives: NDArray[np.float64]
    negatives: NDArray[np.float64]

    @classmethod
    def of(cls, labels: Labels, scores: Scores) -> Components:
        """From labels (N,), both 0 and 1 among them, and scores (N,)."""
        positives, negatives = scores[labels == 1], scores[labels == 0]
        m, n = len(positives), len(negatives)
        ranks = rankdata(np.concatenate([positives, negatives]))  # midranks
        return cls((ranks[:m] - rankdata(positives)) / n, 1 - (ranks[m:] - rankdata(negatives)) / m)

    def __sub__(self, other: Components) -> Components:
        """Those of the difference of two areas on the same cases."""
        return Components(self.positives - other.positives, self.negatives - other.negatives)

    def mean(self) -> float:
        """The area, or the difference of two."""
        return float(self.positives.mean())

    def variance(self) -> float | None:
        """Of the mean; None with too few cases of a class, whose spread says little of that of all such cases."""
        if min(len(self.positives), len(self.negatives)) < FEWEST_PATIENTS:
            return None
        return float(sum(np.var(part, ddof=1) / len(part) for part in (self.positives, self.negatives)))


def auc_delong(labels: Labels, scores: Scores) -> Estimate:
    """Area under the ROC curve of labels (N,) and scores (N,) with DeLong's interval, cut at 0 and 1."""
    check(labels, scores)
    if why := missing_class(labels):
        return Estimate.none(why)
    components = Components.of(labels, scores)
    value, variance = components.mean(), components.variance()
    if variance is None:
        return Estimate(value, blank=TOO_FEW)
    if variance == 0:
        return Estimate(value, blank=NO_VARIANCE)
    error = float(np.sqrt(variance))
    return Estimate(value, max(0.0, value - Z * error), min(1.0, value + Z * error), METHOD)


def paired_test(labels: Labels, a: Scores, b: Scores) -> Difference:
    """Difference of the areas of two systems on the same cases: labels, a and b are (N,). statistic: Z."""
    check(labels, a)
    check(labels, b)
    if why := missing_class(labels):
        return Difference.none(why, PAIRED)
    # From the differences of the components: the covariances cancel where the systems hardly differ
    components = Components.of(labels, a) - Components.of(labels, b)
    value, variance = components.mean(), components.variance()
    if variance is None:
        return Difference(Estimate(value, blank=TOO_FEW), None, PAIRED)
    if variance == 0:
        return Difference(Estimate(value, blank=NO_VARIANCE), None, PAIRED)
    error = float(np.sqrt(variance))
    statistic = value / error
    estimate = Estimate(value, max(-1.0, value - Z * error), min(1.0, value + Z * error), METHOD)
    return Difference(estimate, float(2 * norm.sf(abs(statistic))), PAIRED, statistic)


def unpaired_test(labels_a: Labels, a: Scores, labels_b: Labels, b: Scores) -> Difference:
    """Difference of the areas of two systems, or of one, on different cases: labels_a and a (N,), labels_b and b (M,).

    statistic: of a t-test whose degrees of freedom are Welch and Satterthwaite's, as R's pROC has it.
    """
    check(labels_a, a)
    check(labels_b, b)
    if why := missing_class(labels_a) or missing_class(labels_b):
        return Difference.none(why, UNPAIRED)
    first, second = Components.of(labels_a, a), Components.of(labels_b, b)
    value = first.mean() - second.mean()
    variances = (first.variance(), second.variance())
    if variances[0] is None or variances[1] is None:
        return Difference(Estimate(value, blank=TOO_FEW), None, UNPAIRED)
    variance = variances[0] + variances[1]
    if variance == 0:
        return Difference(Estimate(value, blank=NO_VARIANCE), None, UNPAIRED)
    error = float(np.sqrt(variance))
    freedom = variance**2 / (variances[0] ** 2 / (len(a) - 1) + variances[1] ** 2 / (len(b) - 1))
    statistic = value / error
    reach = float(t.ppf(0.5 + LEVEL / 2, freedom)) * error
    estimate = Estimate(value, max(-1.0, value - reach), min(1.0, value + reach), METHOD)
    return Difference(estimate, float(2 * t.sf(abs(statistic), freedom)), UNPAIRED, statistic)
