"""Whether probabilities come true: bins of a reliability diagram, Brier score and expected calibration error.

Bins hold as many cases each (equal mass). Hemorrhage is rare: nearly all probabilities are small, and of ten bins of
equal width one would hold most cases and the others a handful.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemoscope.evaluation.statistics.bootstrap import Draws, Patients, interval, quotients, too_few
from hemoscope.evaluation.statistics.clustered import clustered_mean, on_patients
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.statistics.roc import Labels, Scores, check

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
    if not len(labels):
        return ()
    numbers = _bin_of(probabilities, count)
    hits = labels == 1
    shape = (patients, numbers, len(draws.names), count)
    drawn = draws.totals(np.hstack([_sums(hits, *shape), _sums(np.ones(len(hits)), *shape)]))  # (draws, 2 * bins)
    found = []
    for number in np.unique(numbers):
        own = numbers == number
        observed = _observed(hits[own], patients[own], drawn[:, number], drawn[:, count + number])
        inside = probabilities[own]
        found.append(Bin(float(inside.mean()), observed, len(inside), float(inside.min()), float(inside.max())))
    return tuple(found)


def _observed(
    hits: NDArray[np.bool_], patients: Patients, drawn: NDArray[np.float64], drawn_cases: NDArray[np.float64]
) -> Estimate:
    """The share of hits of one bin; drawn: how many there are in each draw."""
    if hits.all() or not hits.any():
        return on_patients(bool(hits.all()), patients)
    value = float(hits.mean())
    if why := too_few(patients, "there"):
        return Estimate(value, blank=why)
    return interval(value, quotients(drawn, drawn_cases))


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
    sums = _sums(differences, patients, numbers, len(draws.names), count)
    cases = np.bincount(patients, minlength=len(draws.names))
    drawn = draws.totals(np.column_stack([sums, cases]))  # (draws, bins + 1)
    errors = quotients(np.abs(drawn[:, :count]).sum(axis=1), drawn[:, count])
    return interval(value, np.maximum(0, 2 * value - errors), BASIC)


def _sums(
    values: NDArray[Any], patients: Patients, numbers: NDArray[np.intp], patient_count: int, bin_count: int
) -> NDArray[np.float64]:
    """Sums (patients, bins) of values whose patients and bins are given, all (N,)."""
    slots = patients * bin_count + numbers
    sums = np.bincount(slots, values, patient_count * bin_count)
    return np.asarray(sums, np.float64).reshape(patient_count, bin_count)


def _bin_of(probabilities: Scores, count: int) -> NDArray[np.intp]:
    """The number of the bin of each case, (N,)."""
    if not len(probabilities):
        return np.zeros(0, np.intp)
    edges = np.percentile(probabilities, np.linspace(0, 100, count + 1))
    return np.asarray(np.searchsorted(edges[1:-1], probabilities), np.intp)
