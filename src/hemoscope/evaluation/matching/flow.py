"""The flow of cases: what came in, what was set aside and why, and what is evaluated. Nothing is left out silently."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemoscope.evaluation.matching.cases import UNKNOWN, Cases, Level
from hemoscope.evaluation.matching.matching import NOT_THERE, SEVERAL, Matches
from hemoscope.evaluation.matching.predictions import Predictions
from hemoscope.evaluation.table import Table

NAMED = 3  # of the cases that are set aside


@dataclass(frozen=True)
class Step:
    """One box of the flow diagram. examples: the first few of the cases."""

    level: Level
    kind: str  # "in", "set aside", "found", "not predicted", "evaluated", "of these"
    what: str
    count: int
    examples: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """As a line to print: "scans, set aside: 3 not in the Manifest (a, b, ...)"."""
        more = ", ..." if self.count > len(self.examples) else ""
        examples = f" ({', '.join(self.examples)}{more})" if self.examples else ""
        return f"{self.level}s, {self.kind}: {self.count:,} {self.what}{examples}"


def matching_steps(level: Level, predictions: Predictions, matches: Matches) -> list[Step]:
    """How many rows of the predictions are of the Manifest, by which kind of name, and which are not."""

    def named(rows: NDArray[np.int64]) -> list[str]:
        return [str(name) for name in predictions.shown.iloc[rows]]

    steps = [Step(level, "in", f"rows of {predictions.file}", len(predictions))]
    if unused := predictions.unused:
        columns = "column" if len(unused) == 1 else "columns"
        steps.append(Step(level, "set aside", f"{columns} not used: {', '.join(unused)}", len(unused)))
    for code, what in ((NOT_THERE, "not in the Manifest"), (SEVERAL, f"of a name that several {level}s have")):
        steps += some(level, "set aside", what, np.flatnonzero(matches.rows == code), named)
    return [*steps, *(Step(level, "found", f"by {way}", count) for way, count in matches.ways.items())]


def evaluated_steps(cases: Cases) -> list[Step]:
    """What is evaluated, and which of it counts for no finding."""

    def named(rows: NDArray[np.int64]) -> list[str]:
        return [str(name) for name in cases.names[rows]]

    patients = len(np.unique(cases.patients))
    of = "patient" if patients == 1 else "patients"
    empty = np.isnan(cases.probabilities)
    blank = np.flatnonzero(empty.all(axis=1))
    partly = np.flatnonzero(empty[:, ~empty.all(axis=0)].any(axis=1) & ~empty.all(axis=1))
    nobodys = np.flatnonzero(cases.patients == cases.scans)  # they have the name of their scan instead
    unlabelled = np.flatnonzero((cases.labels == UNKNOWN).all(axis=1))
    single = np.flatnonzero(cases.about["slices"] == 1) if cases.level == "scan" else np.array([], np.int64)
    return [
        Step(cases.level, "evaluated", f"{units(cases.level, len(cases))} of {patients:,} {of}", len(cases)),
        *some(cases.level, "of these", "without any probability", blank, named),
        *some(cases.level, "of these", "rows with an empty probability of a finding that others have", partly, named),
        *some(cases.level, "of these", "without any known label", unlabelled, named),
        *some(cases.level, "of these", "with one slice in the Manifest: a part of a scan", single, named),
        *some(cases.level, "of these", "of unknown patients: each scan counts as a patient", nobodys, named),
    ]


def units(level: Level, count: int) -> str:
    """The word for so many slices or scans."""
    return level if count == 1 else f"{level}s"


def some(
    level: Level, kind: str, what: str, rows: NDArray[np.int64], names: Callable[[NDArray[np.int64]], list[str]]
) -> list[Step]:
    """A step for these rows that names the first few, none where there are none."""
    return [Step(level, kind, what, len(rows), tuple(names(rows[:NAMED])))] if len(rows) else []


def flow_table(steps: Iterable[Step]) -> Table:
    """The flow as a table."""
    rows = tuple((step.level, step.kind, step.what, step.count, ", ".join(step.examples)) for step in steps)
    return Table("flow", "Flow of cases", ("level", "step", "what", "count", "for example"), rows)
