"""Every pair of systems on the same cases: differences with intervals, tests, and Holm's correction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from hemoscope.evaluation.matching.cases import Cases, Level
from hemoscope.evaluation.measures.measures import Measured
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.challenge import log_loss
from hemoscope.evaluation.statistics.clustered import auc_difference, average_precision_difference, mean_difference
from hemoscope.evaluation.statistics.comparisons import holm, mcnemar
from hemoscope.evaluation.statistics.delong import UNPAIRED, paired_test, unpaired_test
from hemoscope.evaluation.statistics.difference import Difference
from hemoscope.evaluation.table import Cell, Table
from hemoscope.findings import FINDINGS

SIDES = {"accuracy": (0, 1), "sensitivity": (1,), "specificity": (0,)}  # of which labels calls are right


@dataclass(frozen=True)
class Compared:
    """First system minus second in one measure of one finding."""

    measure: str
    finding: int
    first: str
    second: str
    cases: int
    difference: Difference


def compare_pairs(shared: Mapping[str, Cases], draws: Draws, threshold: float) -> list[Compared]:
    """All pairs and findings that both systems score: areas, log loss, and what calls at a threshold are worth.

    shared: as `shared_cases` gives them. draws: of their patients. Where no patient has two cases, the tests are
    DeLong's and McNemar's; areas and log loss are also compared by the bootstrap, which all measures are where patients
    have several.
    """
    found = []
    for first, second in combinations(shared, 2):
        for finding in range(len(FINDINGS)):
            if any(np.isnan(shared[name].probabilities[:, finding]).all() for name in (first, second)):
                continue
            a, b = (Measured.of(shared[name], finding, draws) for name in (first, second))
            for measure, cases, difference in _of_pair(a, b, threshold):
                found.append(Compared(measure, finding, first, second, cases, difference))
    return found


def compare_apart(measured: Mapping[str, Sequence[Measured]]) -> list[Compared]:
    """All pairs and findings of systems that were measured on other patients: areas, by DeLong's test for such.

    measured: each finding of each system. No test is made where a patient has several cases.
    """
    found = []
    for first, second in combinations(measured, 2):
        for finding, (a, b) in enumerate(zip(measured[first], measured[second], strict=True)):
            if not (len(a.labels) and len(b.labels)):
                continue
            difference = Difference.none("patients have several scans", UNPAIRED)
            if a.independent and b.independent:
                difference = unpaired_test(a.labels, a.scores, b.labels, b.scores)
            found.append(Compared("ROC AUC", finding, first, second, len(a.labels) + len(b.labels), difference))
    return found


def differences_table(level: Level, compared: Sequence[Compared], threshold: float | None) -> Table:
    """A row a comparison; Holm's correction is over all pairs and findings of one test in one measure.

    threshold: of `compare_pairs`; None for what `compare_apart` found, in which there are no calls.
    """
    families: dict[tuple[str, str], list[Compared]] = defaultdict(list)
    for one in compared:
        families[one.measure, one.difference.test].append(one)
    rows: list[tuple[Cell, ...]] = []
    for (measure, test), family in families.items():
        corrected = holm([one.difference.p_value for one in family])
        rows += [
            (FINDINGS[one.finding].name, one.first, one.second, measure, one.cases, one.difference.estimate, test,
             one.difference.p_value, value)
            for one, value in zip(family, corrected, strict=True)
        ]  # fmt: skip
    columns = ("finding", "first", "second", "measure", f"{level}s", "first - second", "test", "p", "p (Holm)")
    on_same_cases = () if threshold is None else (
        f"Calls are positive from a probability of {threshold:g} on. A lower log loss is better: there a negative "
        "difference speaks for the first.",
    )  # fmt: skip
    notes = (
        *on_same_cases,
        "Every system is compared with every other. Holm's correction counts all pairs and findings of one measure and "
        "test.",
        "A p-value of the bootstrap is never below 2 / (draws + 1), so that Holm's correction over many rows can keep "
        "it above 0.05 however large the difference: read the interval.",
    )
    return Table(f"{level}s_differences", f"Differences between systems on {level}s", columns, tuple(rows), notes)


def _of_pair(a: Measured, b: Measured, threshold: float) -> Iterator[tuple[str, int, Difference]]:
    """(measure, cases, difference) of two systems that have scored the same cases."""
    labels = a.labels
    if a.independent:
        yield "ROC AUC", len(labels), paired_test(labels, a.scores, b.scores)
    yield "ROC AUC", len(labels), auc_difference(labels, a.scores, b.scores, a.patients, a.draws)
    yield "PR AUC", len(labels), average_precision_difference(labels, a.scores, b.scores, a.patients, a.draws)
    losses = log_loss(labels, a.scores), log_loss(labels, b.scores)
    yield "log loss", len(labels), mean_difference(*losses, a.patients, a.draws)
    calls = a.scores >= threshold, b.scores >= threshold
    for measure, sides in SIDES.items():
        rows = np.isin(labels, sides)
        of = labels[rows]
        if a.independent:
            yield measure, len(of), mcnemar(of, calls[0][rows], calls[1][rows])
        else:
            right = [(call[rows] == (of == 1)).astype(np.float64) for call in calls]
            yield measure, len(of), mean_difference(right[0], right[1], a.patients[rows], a.draws)
