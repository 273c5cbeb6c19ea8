"""The worst mistakes of a system: what it missed, and what it saw where nothing is, the most confident first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hemoscope.datasets.labels import in_words
from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.table import Table
from hemoscope.findings import FINDINGS

MOST = 4  # of each kind and finding
Kind = Literal["missed", "false alarm"]


@dataclass(frozen=True)
class Mistakes:
    """The mistakes of one kind in one finding. rows: of the worst, in the cases; count of `of` were mistaken."""

    finding: int
    kind: Kind
    threshold: float
    count: int
    of: int
    rows: tuple[int, ...]

    def sentence(self, level: str) -> str:
        """How many were mistaken: "12 of 318 positive slices missed"."""
        side = "positive" if self.kind == "missed" else "negative"
        what = "missed" if self.kind == "missed" else "called positive"
        return f"{self.count:,} of {self.of:,} {side} {level}s {what}"


def worst_mistakes(cases: Cases, thresholds: Mapping[str, float], most: int = MOST) -> tuple[Mistakes, ...]:
    """The most confident mistakes at a threshold a finding, of each patient one: those farthest from the threshold.

    thresholds: probabilities by finding from which a case is called positive; findings left out are not looked at.
    """
    found = []
    for finding, entry in enumerate(FINDINGS):
        if entry.name not in thresholds:
            continue
        threshold = thresholds[entry.name]
        there = cases.measured(finding)
        scores, positive = cases.probabilities[:, finding], cases.labels[:, finding] == 1
        sides: tuple[tuple[Kind, NDArray[np.bool_], NDArray[np.bool_], int], ...] = (
            ("missed", positive, scores < threshold, 1),
            ("false alarm", ~positive, scores >= threshold, -1),
        )
        for kind, side, mistaken, sign in sides:
            rows = np.flatnonzero(there & side & mistaken)
            rows = rows[np.argsort(sign * scores[rows], kind="stable")]
            shown = _one_a_patient(rows, cases.patients)[:most]
            of = int((there & side).sum())
            found.append(Mistakes(finding, kind, threshold, len(rows), of, tuple(shown)))
    return tuple(found)


def mistakes_table(cases: Cases, mistakes: tuple[Mistakes, ...]) -> Table:
    """The worst mistakes as a list."""
    rows = [
        (FINDINGS[one.finding].name, one.kind, str(cases.names[row]), str(cases.patients[row]),
         float(cases.probabilities[row, one.finding]), one.threshold, in_words(cases.labels[row]))
        for one in mistakes for row in one.rows
    ]  # fmt: skip
    counts = "; ".join(f"{FINDINGS[one.finding].name} {one.sentence(cases.level)}" for one in mistakes)
    columns = ("Finding", "Mistake", cases.level.capitalize(), "Patient", "Probability", "Threshold", "Labels")
    note = "The mistakes farthest from the threshold, one a patient and finding."
    title = f"The worst mistakes on {cases.level}s"
    return Table(
        f"failures_{cases.level}s", title, columns, tuple(rows), (note, *((f"In all: {counts}.",) if counts else ()))
    )


def _one_a_patient(rows: NDArray[np.intp], patients: NDArray[Any]) -> list[int]:
    """The first row of each patient, in the order given."""
    first: dict[Any, int] = {}
    for row in rows.tolist():
        first.setdefault(patients[row], row)
    return list(first.values())
