"""How well each finding is seen: areas under curves, and what calls at an operating point are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemoscope.evaluation.matching.cases import UNKNOWN, Cases
from hemoscope.evaluation.measures.operating_points import OperatingPoint, Threshold
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.clustered import areas_clustered, auc_clustered, average_precision_clustered
from hemoscope.evaluation.statistics.confusion import ClusteredCounts, Counts, Measure
from hemoscope.evaluation.statistics.delong import auc_delong
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Cell, Table
from hemoscope.findings import FINDINGS

Interval = Callable[[int, int], Estimate]  # of hits among independent cases
AT_POINTS: tuple[tuple[str, Measure], ...] = (
    ("accuracy", "accuracy"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("PPV", "ppv"),
    ("NPV", "npv"),
    ("F1", "f1"),
)


@dataclass(frozen=True, eq=False)
class Measured:
    """The cases of one finding whose label is known and that were scored.

    labels, scores, patients (as `Draws.codes` numbers them): (N,). independent: no patient has two of them.
    """

    labels: NDArray[np.int8]
    scores: NDArray[np.float64]
    patients: NDArray[np.intp]
    draws: Draws
    independent: bool

    @classmethod
    def of(cls, cases: Cases, finding: int, draws: Draws, within: NDArray[np.bool_] | None = None) -> Measured:
        """Those of a finding, of all rows or some (N,); slices never count as independent.

        draws: of the patients of all rows of `cases`.
        """
        rows = cases.measured(finding) if within is None else cases.measured(finding) & within
        patients = draws.codes[rows]
        alone = cases.level == "scan" and len(np.unique(patients)) == len(patients)
        return cls(cases.labels[rows, finding], cases.probabilities[rows, finding], patients, draws, alone)

    def auc(self) -> Estimate:
        """Area under the ROC curve: DeLong's interval, clustered where patients have several cases."""
        if self.independent:
            return auc_delong(self.labels, self.scores)
        return auc_clustered(self.labels, self.scores, self.patients, self.draws)

    def average_precision(self) -> Estimate:
        """Area under the precision-recall curve, as average precision."""
        return average_precision_clustered(self.labels, self.scores, self.patients, self.draws)

    def areas(self) -> tuple[Estimate, Estimate]:
        """Both, which takes less than one after the other where they resample the same patients."""
        if self.independent:
            return self.auc(), self.average_precision()
        return areas_clustered(self.labels, self.scores, self.patients, self.draws)

    def calls(self, threshold: float) -> Counts | ClusteredCounts:
        """The four cells of calls at a threshold, which measures are made of."""
        calls = self.scores >= threshold
        if self.independent:
            return Counts.of(self.labels, calls)
        return ClusteredCounts.of(self.labels, calls, self.patients, self.draws)


def discrimination(cases: Cases, draws: Draws, interval: Interval) -> Table:
    """Cases, patients and prevalence of each finding, and the areas under its curves.

    interval: of the prevalence among independent scans.
    """
    unit = f"{cases.level}s"
    rows: list[tuple[Cell, ...]] = []
    for finding, entry in enumerate(FINDINGS):
        part = Measured.of(cases, finding, draws)
        positive = part.labels == 1
        patients = (len(np.unique(part.patients)), len(np.unique(part.patients[positive])))
        unknown = int((cases.labels[:, finding] == UNKNOWN).sum())
        not_scored = len(cases) - unknown - len(part.labels)
        (prevalence,) = call_estimates(part, Threshold(0.5), ["prevalence"], interval)  # the threshold changes nothing
        rows.append((entry.name, len(part.labels), int(positive.sum()), *patients, prevalence, *part.areas(),
                     unknown, not_scored))  # fmt: skip
    columns = ("finding", unit, f"positive {unit}", "patients", "patients with it", "prevalence", "ROC AUC", "PR AUC",
               "label unknown", "not scored")  # fmt: skip
    return Table(f"{unit}_areas", f"Areas under the curves of {unit}", columns, tuple(rows), notes(cases))


def at_points(cases: Cases, points: Sequence[OperatingPoint], draws: Draws, interval: Interval) -> Table:
    """What calls are worth at each operating point; interval: of measures of independent scans."""
    unit = f"{cases.level}s"
    rows: list[tuple[Cell, ...]] = []
    for finding, entry in enumerate(FINDINGS):
        part = Measured.of(cases, finding, draws)
        rows += [(entry.name, point.name, *call_cells(part, point.thresholds[finding], interval)) for point in points]
    columns = ("finding", "operating point", "threshold", "TP", "FP", "TN", "FN", *(name for name, _ in AT_POINTS))
    return Table(f"{unit}_at_points", f"Calls of {unit} at operating points", columns, tuple(rows), notes(cases))


def at_prevalences(cases: Cases, points: Sequence[OperatingPoint], prevalences: Sequence[float], draws: Draws) -> Table:
    """Predictive values where a stated share has the finding, from sensitivity and specificity."""
    unit = f"{cases.level}s"
    rows: list[tuple[Cell, ...]] = []
    for finding, entry in enumerate(FINDINGS):
        part = Measured.of(cases, finding, draws)
        for point in points:
            values = _predictive(part, point.thresholds[finding], prevalences)
            rows += [(entry.name, point.name, share, *value) for share, value in zip(prevalences, values, strict=True)]
    columns = ("finding", "operating point", "stated prevalence", "PPV", "NPV")
    title = f"Predictive values of {unit} at stated prevalences"
    return Table(f"{unit}_at_prevalences", title, columns, tuple(rows), notes(cases))


def notes(cases: Cases) -> tuple[str, ...]:
    """How the intervals of these cases are made."""
    if cases.level == "slice":
        return ("Intervals are 95% and resample patients, as slices of one patient are alike.",)
    intervals = (
        "Intervals are 95%. Where no patient has two scans, they are DeLong's for the ROC AUC, binomial for "
        "proportions and F1, and by the delta method for predictive values at a stated prevalence; else, and for the "
        "PR AUC, they resample patients."
    )
    partly = int(cases.about["partly_known"].sum()) if "partly_known" in cases.about else 0
    if not partly:
        return (intervals,)
    return (
        intervals,
        f"{partly:,} of these scans have a finding only because a known slice has it: the Manifest does not know all "
        "of their slices. Such a scan is never negative, so that prevalence, predictive values, accuracy and areas are "
        "those of scans chosen by their outcome.",
    )


def call_cells(part: Measured, threshold: Threshold, interval: Interval) -> tuple[Cell, ...]:
    """The threshold, the four cells of calls at it, and the measures AT_POINTS."""
    estimates = call_estimates(part, threshold, [measure for _, measure in AT_POINTS], interval)
    if threshold.value is None:
        return (None,) * 5 + estimates
    counts = Counts.of(part.labels, part.scores >= threshold.value)
    return threshold.value, counts.tp, counts.fp, counts.tn, counts.fn, *estimates


def call_estimates(
    part: Measured, threshold: Threshold, measures: Sequence[Measure], interval: Interval
) -> tuple[Estimate, ...]:
    """Measures of calls at a threshold; blank where there is none."""
    if threshold.value is None:
        return (Estimate.none(threshold.blank),) * len(measures)
    calls = part.calls(threshold.value)
    if isinstance(calls, Counts):
        return tuple(calls.estimate(measure, interval) for measure in measures)
    return tuple(calls.estimate(measure) for measure in measures)


def _predictive(part: Measured, threshold: Threshold, prevalences: Sequence[float]) -> list[tuple[Estimate, Estimate]]:
    """(PPV, NPV) at each prevalence."""
    if threshold.value is None:
        blank = Estimate.none(threshold.blank)
        return [(blank, blank)] * len(prevalences)
    calls = part.calls(threshold.value)
    return [(calls.at_prevalence("ppv", share), calls.at_prevalence("npv", share)) for share in prevalences]
