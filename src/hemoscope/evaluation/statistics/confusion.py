"""What calls of one finding are worth: counts, sensitivity, specificity, predictive values, accuracy and F1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from hemoscope.evaluation.statistics.bootstrap import Draws, Patients, interval, quotients, too_few
from hemoscope.evaluation.statistics.clustered import on_patients
from hemoscope.evaluation.statistics.delong import Z
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.statistics.proportions import clopper_pearson
from hemoscope.evaluation.statistics.roc import Labels

PredictiveValue = Literal["ppv", "npv"]
Measure = Literal["sensitivity", "specificity", "ppv", "npv", "accuracy", "f1", "prevalence"]
MEASURES: tuple[Measure, ...] = ("sensitivity", "specificity", "ppv", "npv", "accuracy", "f1", "prevalence")
# Which of the cells tp, fp, tn, fn a measure is a share of, and which of them hit. F1 counts true positives twice.
_OF: dict[Measure, tuple[tuple[int, int, int, int], tuple[int, int, int, int]]] = {
    "sensitivity": ((1, 0, 0, 0), (1, 0, 0, 1)),
    "specificity": ((0, 0, 1, 0), (0, 1, 1, 0)),
    "ppv": ((1, 0, 0, 0), (1, 1, 0, 0)),
    "npv": ((0, 0, 1, 0), (0, 0, 1, 1)),
    "accuracy": ((1, 0, 1, 0), (1, 1, 1, 1)),
    "f1": ((2, 0, 0, 0), (2, 1, 0, 1)),
    "prevalence": ((1, 0, 0, 1), (1, 1, 1, 1)),
}
ZERO_CELL = "no interval: TP, FP, TN or FN is 0"
_EMPTY: dict[Measure, str] = {
    "sensitivity": "no positives",
    "specificity": "no negatives",
    "ppv": "none called positive",
    "npv": "none called negative",
    "f1": "no positives, and none called positive",
    "accuracy": "no cases",
    "prevalence": "no cases",
}


@dataclass(frozen=True)
class Counts:
    """The four cells of calls against labels."""

    tp: int
    fp: int
    tn: int
    fn: int

    @classmethod
    def of(cls, labels: Labels, calls: NDArray[np.bool_]) -> Counts:
        """Count labels (N,), 0 or 1, and calls (N,)."""
        return cls(*(int(number) for number in np.bincount(_cells(labels, calls), minlength=4)))

    @property
    def positives(self) -> int:
        """Cases with the finding."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Cases without it."""
        return self.tn + self.fp

    def fraction(self, measure: Measure) -> tuple[int, int]:
        """(hits, of how many): a measure is their ratio."""
        hit, of = _OF[measure]
        cells = (self.tp, self.fp, self.tn, self.fn)
        hits, count = (sum(a * b for a, b in zip(counted, cells, strict=True)) for counted in (hit, of))
        return hits, count

    def estimate(self, measure: Measure, method: Callable[[int, int], Estimate] = clopper_pearson) -> Estimate:
        """A measure of independent cases with the interval of `clopper_pearson` or `wilson`."""
        hits, count = self.fraction(measure)
        if not count:
            return Estimate.none(_EMPTY[measure])
        return _f1(method(self.tp, self.tp + self.fp + self.fn)) if measure == "f1" else method(hits, count)

    def at_prevalence(self, measure: PredictiveValue, prevalence: float) -> Estimate:
        """A predictive value where a share `prevalence` has the finding, from sensitivity and specificity.

        The interval is that of the logit by the delta method for independent cases (Mercaldo, Lau, Zhou 2007, standard
        logit); it does not exist where sensitivity or specificity is 0 or 1. Raises ValueError for a prevalence of 0 or
        1.
        """
        if not 0 < prevalence < 1:
            raise ValueError(f"a prevalence lies between 0 and 1, not at {prevalence:g}")
        if why := self._one_class():
            return Estimate.none(why)
        sensitivity, specificity = self.tp / self.positives, self.tn / self.negatives
        value = _predictive(measure, np.array([sensitivity]), np.array([specificity]), prevalence)[0]
        if np.isnan(value):
            return Estimate.none(_EMPTY[measure])
        if 0 in (self.tp, self.fp, self.tn, self.fn):
            return Estimate(float(value), blank=ZERO_CELL)
        positives, negatives = (
            (self.fn / self.tp, self.tn / self.fp) if measure == "ppv" else (self.tp / self.fn, self.fp / self.tn)
        )
        error = np.sqrt(positives / self.positives + negatives / self.negatives)
        bounds = expit(logit(value) + np.array([-Z, Z]) * error)
        return Estimate(float(value), float(bounds[0]), float(bounds[1]), "logit, delta method, 95%")

    def _one_class(self) -> str:
        return "no positives" if not self.positives else "no negatives" if not self.negatives else ""


@dataclass(frozen=True, eq=False)
class ClusteredCounts:
    """Counts whose intervals resample patients.

    drawn: (draws, 4), tp, fp, tn and fn of each draw. present: bool (4, patients), who has rows in each of the cells.
    """

    counts: Counts
    drawn: NDArray[np.float64]
    present: NDArray[np.bool_]

    @classmethod
    def of(cls, labels: Labels, calls: NDArray[np.bool_], patients: Patients, draws: Draws) -> ClusteredCounts:
        """Count labels (N,), 0 or 1, and calls (N,) of patients (N,)."""
        cells = _cells(labels, calls)
        shape = (4, len(draws.names))
        of_patient = np.bincount(cells * shape[1] + patients, minlength=4 * shape[1]).reshape(shape)
        counts = Counts(*(int(number) for number in of_patient.sum(axis=1)))
        return cls(counts, draws.totals(of_patient.T), of_patient > 0)

    def estimate(self, measure: Measure) -> Estimate:
        """A measure; where all hit, or none, its interval is that of as many patients."""
        hits, count = self.counts.fraction(measure)
        if not count:
            return Estimate.none(_EMPTY[measure])
        hit, of = _OF[measure]
        patients = self._patients(of)
        if hits in (0, count):
            of_patients = on_patients(hits == count, patients)
            return _f1(of_patients) if measure == "f1" else of_patients
        if why := too_few(patients, "to resample"):
            return Estimate(hits / count, blank=why)
        return interval(hits / count, quotients(self.drawn @ hit, self.drawn @ of))

    def at_prevalence(self, measure: PredictiveValue, prevalence: float) -> Estimate:
        """A predictive value where a share `prevalence` has the finding, from sensitivity and specificity.

        Without an interval where a cell is 0: draws of a sensitivity or specificity of 0 or 1 hardly vary.
        """
        exact = self.counts.at_prevalence(measure, prevalence)
        if exact.value is None:
            return exact
        of_classes = (_OF["sensitivity"], _OF["specificity"])
        for (_, of), what in zip(of_classes, ("with positives", "with negatives"), strict=True):
            if why := too_few(self._patients(of), what):
                return Estimate(exact.value, blank=why)
        if exact.blank:
            return exact
        sensitivity, specificity = (quotients(self.drawn @ hit, self.drawn @ of) for hit, of in of_classes)
        return interval(exact.value, _predictive(measure, sensitivity, specificity, prevalence))

    def _patients(self, of: tuple[int, int, int, int]) -> Patients:
        """The patients with rows in the cells that a measure is a share of."""
        return np.flatnonzero(self.present[np.array(of) > 0].any(axis=0))


def _f1(jaccard: Estimate) -> Estimate:
    """F1 from the share of true positives among all but the true negatives, J: 2J / (1 + J), as are its bounds."""
    value, low, high = (None if x is None else 2 * x / (1 + x) for x in (jaccard.value, jaccard.low, jaccard.high))
    return Estimate(value, low, high, jaccard.method, jaccard.blank)


def _predictive(
    measure: PredictiveValue, sensitivity: NDArray[np.float64], specificity: NDArray[np.float64], prevalence: float
) -> NDArray[np.float64]:
    """Bayes' rule; all (K,), NaN where nothing would be called so."""
    if measure == "ppv":
        right, wrong = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    else:
        right, wrong = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return quotients(right, right + wrong)


def _cells(labels: Labels, calls: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The cell (N,) of each case: 0 tp, 1 fp, 2 tn, 3 fn."""
    if labels.ndim != 1 or labels.shape != calls.shape or not np.isin(labels, (0, 1)).all():
        raise ValueError("labels and calls must be (N,) both, and labels 0 or 1: leave out the unknown")
    positive = labels == 1
    return np.where(positive, np.where(calls, 0, 3), np.where(calls, 1, 2))
