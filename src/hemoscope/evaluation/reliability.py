"""Whether probabilities come true: bins of a reliability diagram, Brier score and expected calibration error.

Bins hold as many cases each (equal mass). Hemorrhage is rare: nearly all probabilities are small, and of ten bins of
equal width one would hold most cases and the others a handful.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemoscope.evaluation.bootstrap import Draws, Patients, interval, quotients, too_few
from hemoscope.evaluation.clustered import clustered_mean, clustered_proportion
from hemoscope.evaluation.estimate import Estimate
from hemoscope.evaluation.roc import Labels, Scores, check

BINS = 10
BASIC = "patient-clustered bootstrap, basic, 95%"
NO_CASES = "no cases"


@dataclass(frozen=True)
class Bin:
    """A point of a reliability diagram. predicted: mean probability; observed: the share that has the finding."""

    predicted: float
    observed: Estimate
    cases: int
    low: float  # the smallest and the largest probability in it
    high: float


def reliability_bins(
    labels: Labels, probabilities: Scores, patients: Patients, draws: Draws, count: int = BINS
) -> tuple[Bin, ...]:
    """Up to `count` bins of labels, probabilities and patients, all (N,), from small to large probabilities.

    Equal probabilities share a bin, as scikit-learn's `calibration_curve(strategy="quantile")` has it.
    """
    check(labels, probabilities)
    numbers = _bin_of(probabilities, count)
    found = []
    for number in np.unique(numbers):
        own = numbers == number
        observed = clustered_proportion(labels[own] == 1, patients[own], draws)
        inside = probabilities[own]
        found.append(Bin(float(inside.mean()), observed, len(inside), float(inside.min()), float(inside.max())))
    return tuple(found)


def brier(labels: Labels, probabilities: Scores, patients: Patients, draws: Draws) -> Estimate:
    """Mean squared difference of probabilities and labels (Brier 1950); all (N,)."""
    check(labels, probabilities)
    return clustered_mean((probabilities - labels) ** 2, patients, draws)


def expected_calibration_error(
    labels: Labels, probabilities: Scores, patients: Patients, draws: Draws, count: int = BINS
) -> Estimate:
    """Mean distance of predicted and observed shares over the bins (Naeini et al. 2015); all (N,).

    Chance alone makes it larger than 0, and larger again in every draw. The basic bootstrap interval, which mirrors the
    draws at the value (Davison and Hinkley 1997, equation 5.6), takes that away.
    """
    check(labels, probabilities)
    if not len(labels):
        return Estimate.none(NO_CASES)
    numbers = _bin_of(probabilities, count)
    differences = np.asarray(labels - probabilities, np.float64)
    value = float(np.abs(np.bincount(numbers, differences)).sum() / len(labels))
    if why := too_few(patients, "there"):
        return Estimate(value, blank=why)
    mirrored = np.maximum(0, 2 * value - _drawn_errors(differences, numbers, count, patients, draws))
    return interval(value, mirrored, BASIC)


def _drawn_errors(
    differences: NDArray[np.float64], numbers: NDArray[np.intp], count: int, patients: Patients, draws: Draws
) -> NDArray[np.float64]:
    """The error in each draw (draws,), with the bins of all cases."""
    slots = patients * count + numbers
    sums = np.bincount(slots, differences, len(draws.names) * count).reshape(-1, count)  # (patients, bins)
    cases = np.bincount(patients, minlength=len(draws.names))
    of_patient = np.column_stack([sums, cases])
    drawn = draws.map(lambda weights: weights.T @ of_patient)
    return quotients(np.abs(drawn[:, :count]).sum(axis=1), drawn[:, count])


def _bin_of(probabilities: Scores, count: int) -> NDArray[np.intp]:
    """The number of the bin of each case, (N,)."""
    if not len(probabilities):
        return np.zeros(0, np.intp)
    edges = np.percentile(probabilities, np.linspace(0, 100, count + 1))
    return np.asarray(np.searchsorted(edges[1:-1], probabilities), np.intp)
