"""How far readers agree with each other: percentage agreement, Cohen's and Fleiss' kappa, and the vote of the majority.

Readings are int8, 0, 1 or UNKNOWN where a reader gave none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa, fleiss_kappa

from hemoscope.evaluation.matching.cases import UNKNOWN
from hemoscope.evaluation.statistics.bootstrap import Draws, interval, quotients, too_few
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.statistics.proportions import wilson

COHEN = "Cohen's kappa, large-sample, 95%"
NO_CASES = "no case that all of them read"
ONE_ANSWER = "the same answer in every case leaves nothing to agree on by chance"
ONE_READER = "one of them gives one answer only, which leaves no standard error"
NO_VARIANCE = "they always agree, or never, which leaves no standard error"

Readings = NDArray[np.int8]


def percentage_agreement(a: Readings, b: Readings) -> Estimate:
    """The share of cases (N,) that two readers read alike, in [0, 1], with Wilson's interval."""
    both = (a != UNKNOWN) & (b != UNKNOWN)
    if not both.any():
        return Estimate.none(NO_CASES)
    return wilson(int((a == b)[both].sum()), int(both.sum()))


def cohen_kappa(a: Readings, b: Readings) -> Estimate:
    """Cohen's kappa of two readings (N,), with the interval of its large-sample variance (Fleiss, Cohen, Everitt 1969).

    Blank where both give one and the same answer throughout: kappa is then 0 / 0.
    """
    both = (a != UNKNOWN) & (b != UNKNOWN)
    if not both.any():
        return Estimate.none(NO_CASES)
    table = np.bincount(2 * a[both] + b[both], minlength=4).reshape(2, 2)  # [a, b]
    if table.trace() == table.max() == table.sum():
        return Estimate.none(ONE_ANSWER)
    if not (table.any(axis=0).all() and table.any(axis=1).all()):
        return Estimate(0.0, blank=ONE_READER)
    found = cohens_kappa(table)
    if found.std_kappa == 0:
        return Estimate(float(found.kappa), blank=NO_VARIANCE)
    return Estimate(float(found.kappa), max(-1.0, float(found.kappa_low)), min(1.0, float(found.kappa_upp)), COHEN)


def read_by_all(readings: Readings) -> NDArray[np.bool_]:
    """Which cases every reader read, (N,), of readings (reader, N)."""
    return np.asarray((readings != UNKNOWN).all(axis=0))


def fleiss(readings: Readings, patients: NDArray[np.intp], draws: Draws) -> Estimate:
    """Fleiss' kappa (1971) of readings (reader, N) on the cases that all readers read; the interval resamples patients.

    patients: (N,) as `Draws.codes` numbers them. Blank with one reader, or where all give one answer throughout.
    """
    there = read_by_all(readings)
    given = readings[:, there]
    if len(readings) < 2:
        return Estimate.none("one reader")
    if not there.any():
        return Estimate.none(NO_CASES)
    if given.min() == given.max():
        return Estimate.none(ONE_ANSWER)
    value = float(fleiss_kappa(aggregate_raters(given.T, n_cat=2)[0]))
    if why := too_few(patients[there], "to resample"):
        return Estimate(value, blank=why)
    return interval(value, _drawn(given, patients[there], draws))


def _drawn(readings: Readings, patients: NDArray[np.intp], draws: Draws) -> NDArray[np.float64]:
    """Fleiss' kappa of each draw (draws,), NaN where a draw has one answer only.

    With two answers the agreement by chance is that of the share of positives.
    """
    readers = len(readings)
    positive = readings.sum(axis=0)
    pairs = (positive * (positive - 1) + (readers - positive) * (readers - positive - 1)) / (readers * (readers - 1))
    sums = draws.sums(np.column_stack([pairs, positive / readers, np.ones(len(positive))]), patients)
    observed, share = quotients(sums[:, 0], sums[:, 2]), quotients(sums[:, 1], sums[:, 2])
    chance = share**2 + (1 - share) ** 2
    return quotients(observed - chance, np.where(np.isnan(chance), 0, 1 - chance))


def majority(readings: Readings) -> Readings:
    """The vote (N,) of readings (reader, N): what more than half of those who read a case say, of at least two.

    UNKNOWN at a tie, and where fewer than two read the case.
    """
    positive, negative = (readings == 1).sum(axis=0), (readings == 0).sum(axis=0)
    vote = np.where(positive > negative, 1, np.where(negative > positive, 0, UNKNOWN))
    return np.where(positive + negative >= 2, vote, UNKNOWN).astype(np.int8)
