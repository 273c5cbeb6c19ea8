"""Do means over readers follow from the readers' rows?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import mean, stdev

from hemoscope.evaluation.arithmetic.statement import Statement, agrees, follows
from hemoscope.evaluation.published import Paper, papers

TRAINEES = ("JRT 1", "JRT 2", "JRT 3")
MEASURES = ("accuracy", "sensitivity", "specificity", "f1", "auc")
HALF = 0.005  # how far a printed fraction of two digits may be off


def readers() -> Iterator[Statement]:
    """Ye 2019: the trainees' means in Table 3, and Fleiss' kappa in Table 2."""
    ye = papers()["ye2019"]
    for finding in ye.findings.values():
        for measure in MEASURES:
            yield _mean(ye, finding, measure)
    for finding in ye.findings.values():
        for level in ("scan", "slice"):
            yield _fleiss(ye, finding, level)


def _mean(ye: Paper, finding: str, measure: str) -> Statement:
    """Mean and standard deviation (n - 1) of three printed values, each of which may be off by half a unit."""
    what = {"finding": finding, "measure": measure}
    values = [ye.number("Table 3", system=reader, **what) for reader in TRAINEES]
    cell = ye.find("Table 3", system="JRT (mean ± s)", **what)
    spread = float(cell.text.split("±")[1])
    fits = agrees(cell, mean(values), HALF) and abs(stdev(values) - spread) <= HALF + HALF * math.sqrt(3 / 2)
    says = f"{finding}, {measure}: mean and deviation of the three trainees"
    return Statement(ye.name, "Table 3", says, cell.text, f"{mean(values):.3f} ± {stdev(values):.3f}", fits)


def _fleiss(ye: Paper, finding: str, level: str) -> Statement:
    """Fleiss' kappa of three readers is near the mean of the three of Cohen: within 0.005 and rounding."""
    what = {"finding": finding, "level": level}
    pairs = [ye.number("Table 2", measure="cohen_kappa", readers=pair, **what) for pair in
             ("R1 and R2", "R2 and R3", "R1 and R3")]  # fmt: skip
    cell = ye.find("Table 2", measure="fleiss_kappa", **what)
    return follows(cell, mean(pairs), f"{finding}, {level}s: Fleiss' kappa is near the mean of the pairs", 2 * HALF)
