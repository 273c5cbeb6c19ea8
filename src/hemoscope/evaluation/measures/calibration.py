"""The calibration of every finding, as tables and as what a reliability diagram draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.statistics.recalibration import NEAREST, recalibration
from hemoscope.evaluation.statistics.reliability import Bin, brier, expected_calibration_error, reliability_bins
from hemoscope.evaluation.table import Cell, Table
from hemoscope.findings import FINDINGS


@dataclass(frozen=True)
class Calibrated:
    """How far the probabilities of one finding come true. clipped: how many cases have 0 or 1, or nearly."""

    cases: int
    positives: int
    predicted: float | None  # the mean probability
    brier: Estimate
    error: Estimate
    slope: Estimate
    intercept: Estimate
    bins: tuple[Bin, ...]
    clipped: int


def calibration_of(cases: Cases, draws: Draws) -> tuple[Calibrated, ...]:
    """Of each finding, on the cases whose label is known and that were scored; draws: of the patients of all cases."""
    return tuple(_of_finding(cases, finding, draws) for finding in range(len(FINDINGS)))


def _of_finding(cases: Cases, finding: int, draws: Draws) -> Calibrated:
    rows = cases.measured(finding)
    labels, probabilities, patients = cases.labels[rows, finding], cases.probabilities[rows, finding], draws.codes[rows]
    line = recalibration(labels, probabilities, patients)
    return Calibrated(
        cases=len(labels),
        positives=int((labels == 1).sum()),
        predicted=float(probabilities.mean()) if len(labels) else None,
        brier=brier(labels, probabilities, patients, draws),
        error=expected_calibration_error(labels, probabilities, patients, draws),
        slope=line.slope,
        intercept=line.intercept,
        bins=reliability_bins(labels, probabilities, patients, draws),
        clipped=int(np.count_nonzero((probabilities < NEAREST) | (probabilities > 1 - NEAREST))),
    )


def calibration_table(level: str, calibrated: Sequence[Calibrated]) -> Table:
    """A row a finding. level: "slice" or "scan"."""
    rows: list[tuple[Cell, ...]] = [
        (entry.abbreviation, one.cases, one.positives / one.cases if one.cases else None, one.predicted, one.brier,
         one.error, one.slope, one.intercept)
        for entry, one in zip(FINDINGS, calibrated, strict=True)
    ]  # fmt: skip
    clipped = [f"{entry.abbreviation} {one.clipped:,}" for entry, one in zip(FINDINGS, calibrated, strict=True)
               if one.clipped]  # fmt: skip
    taken = f"Probabilities nearer to 0 or 1 than {NEAREST:g} count as that near in slope and intercept"
    return Table(
        f"calibration_{level}s",
        f"Calibration of {level}s",
        ("finding", f"{level}s", "prevalence", "mean probability", "Brier score", "calibration error", "slope",
         "intercept"),
        tuple(rows),
        ("Calibration error: the expected one, over ten bins of as many cases each. Chance alone makes it larger than "
         "0; its interval allows for that, and may lie below it.",
         "Slope and intercept: of the logistic regression of labels on the logit of the probability; 1 and 0 are "
         "right. A slope below 1 means that probabilities are too extreme.",
         *([f"{taken}: {', '.join(clipped)}."] if clipped else ())),
    )  # fmt: skip


def reliability_table(level: str, calibrated: Sequence[Calibrated]) -> Table:
    """The points of the reliability diagrams. level: "slice" or "scan"."""
    return Table(
        f"reliability_{level}s",
        f"Reliability of {level}s",
        ("finding", f"{level}s", "from", "to", "mean probability", "observed"),
        tuple(
            (entry.abbreviation, one.cases, one.low, one.high, one.predicted, one.observed)
            for entry, calibrated_one in zip(FINDINGS, calibrated, strict=True)
            for one in calibrated_one.bins
        ),
        ("Bins hold equal numbers of cases; equal probabilities share a bin.",
         "The few high probabilities share the last bin, which may hide overconfidence: the PPV at the fixed "
         f"probabilities 0.7 and 0.9 in the table “Calls of {level}s at operating points” shows it."),
    )  # fmt: skip
