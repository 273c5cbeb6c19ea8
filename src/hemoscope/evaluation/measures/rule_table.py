"""The ways from slices to scans, compared on the same scans."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import numpy as np

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.measures.measures import AT_POINTS, Interval, Measured, call_cells, notes
from hemoscope.evaluation.measures.operating_points import Threshold, threshold_of, youden
from hemoscope.evaluation.measures.scan_rules import CERTAIN, SHARE, SHARES
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.table import Cell, Table
from hemoscope.findings import FINDINGS

OWN = "own output"
HALF = 0.5


def compare_rules(by_rule: Mapping[str, Cases], validation: Mapping[str, Cases], interval: Interval) -> Table:
    """Areas, and what calls are worth, of each rule for each finding, on the scans that all rules score.

    by_rule, validation: cases of scans by the name of the rule; validation is empty where nothing is chosen.
    """
    shared = reduce(np.intersect1d, [cases.names for cases in by_rule.values()])
    same = {rule: cases.take(np.isin(cases.names, shared)) for rule, cases in by_rule.items()}
    first = next(iter(same.values()))
    draws = Draws.of(first.patients)
    rows: list[tuple[Cell, ...]] = []
    for finding, entry in enumerate(FINDINGS):
        there = np.logical_and.reduce([cases.measured(finding) for cases in same.values()])
        for rule, cases in same.items():
            part = Measured.of(cases, finding, draws, there)
            areas = part.areas()
            for name, threshold in _thresholds(rule, validation.get(rule), finding):
                cells = call_cells(part, threshold, interval)
                rows.append((entry.name, rule, name, len(part.labels), int((part.labels == 1).sum()), *areas, *cells))
    columns = ("finding", "score of the scan", "positive from", "scans", "positive scans", "ROC AUC", "PR AUC",
               "threshold", "TP", "FP", "TN", "FN", *(name for name, _ in AT_POINTS))  # fmt: skip
    return Table("scan_rules", "From slices to scans", columns, tuple(rows), notes(first))


def _thresholds(rule: str, validation: Cases | None, finding: int) -> list[tuple[str, Threshold]]:
    if rule == SHARE:
        return [(f"{share:.0%} of slices above {CERTAIN}", Threshold(share)) for share in SHARES]
    chosen = [] if validation is None else [("Youden", threshold_of(youden, validation, finding))]
    return [(f"{HALF}", Threshold(HALF)), *chosen]
