"""Slices or scans of a Manifest with the probabilities that a system gave them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.evaluation.matching.cases import Cases, Level
from hemoscope.evaluation.matching.flow import Step, matching_steps, some, units
from hemoscope.evaluation.matching.matching import Matches, match_scans, match_slices
from hemoscope.evaluation.matching.predictions import Predictions
from hemoscope.evaluation.matching.truth import Truth
from hemoscope.reasons import UsageError

Rule = Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Scored:
    """rows: (N,) of the truth, each once and in its order (of scans: a row of the scan); probabilities: (N, 6). steps:
    how they were found."""

    level: Level
    truth: Truth
    rows: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    steps: tuple[Step, ...] = ()

    @classmethod
    def of(cls, level: Level, truth: Truth, predictions: Predictions, matches: Matches) -> Scored:
        """What was found of some predictions."""
        found = np.flatnonzero(matches.found)
        if not len(found):
            raise UsageError(_none_found(level, truth, predictions))
        found = found[np.argsort(matches.rows[found])]
        steps = tuple(matching_steps(level, predictions, matches))
        return cls(level, truth, matches.rows[found], predictions.probabilities[found], steps)

    def by_scan(self, rule: Rule, name: str) -> Scored:
        """Scans, scored by a rule from their slices; slices of no known scan are left out. name: of the rule."""
        of_scan = np.flatnonzero(~self.truth.is_loose[self.rows])
        numbers, scans = np.unique(self.truth.targets.scan_of[self.rows[of_scan]], return_inverse=True)
        rows = self.truth.targets.first_rows[numbers]
        order = np.argsort(rows)
        steps = (Step("scan", "in", f"scans of these slices, each scored by the {name} of its slices", len(rows)),)
        return Scored("scan", self.truth, rows[order], rule(self.probabilities[of_scan], scans)[order], steps)

    def cases(self, splits: Sequence[str], but: Sequence[str] = ()) -> Cases:
        """Those of some splits (none named: all) that are not of others."""
        chosen = self.inside(splits, but)[self.rows]
        make = self.truth.slices if self.level == "slice" else self.truth.scans
        return make(self.rows[chosen], self.probabilities[chosen])

    def inside(self, splits: Sequence[str], but: Sequence[str] = ()) -> NDArray[np.bool_]:
        """Which rows of the truth, of slices or of scans at this level, are of some splits and not of others."""
        if self.level == "slice":
            rows = self.truth.manifest.is_slice & self.truth.rows_in(splits)
            return rows & ~self.truth.rows_in(but) if but else rows
        rows = ~self.truth.is_loose & self.truth.scans_in(splits)
        return rows & ~self.truth.scans_touching(but) if but else rows

    def selection_steps(self, splits: Sequence[str], but: Sequence[str] = ()) -> list[Step]:
        """What was found but is of other splits, and what of the splits has no prediction."""
        inside = self.inside(splits, but)
        kept_apart = self.inside(but)[self.rows] if but else np.zeros(len(self.rows), np.bool_)
        # A loose slice that a system calls a scan is in the Manifest, but no scan of it
        loose = self.truth.is_loose[self.rows] & (self.level == "scan")
        elsewhere = self.rows[~inside[self.rows] & ~kept_apart & ~loose]
        missing = inside.copy()
        missing[self.rows] = False
        if self.level == "scan":
            missing &= self.truth.is_first_of_scan
        rest = np.flatnonzero(missing)
        name = f"the split {' and '.join(splits)}" if splits else "the Manifest"
        return [
            *some(self.level, "set aside", "single slices of unknown scans", self.rows[loose], self._names),
            *some(self.level, "set aside", f"not in {name}", elsewhere, self._names),
            *some(self.level, "set aside", "to choose thresholds on", self.rows[kept_apart], self._names),
            *some(self.level, "not predicted", f"{units(self.level, len(rest))} of {name}", rest, self._names),
        ]

    def _names(self, rows: NDArray[np.int64]) -> list[str]:
        return self.truth.names(rows, self.level)


def scored_slices(predictions: Predictions, truth: Truth) -> tuple[Scored, Matches]:
    """The slices that a table predicts, and how its rows were found."""
    matches = match_slices(predictions, truth.targets)
    return Scored.of("slice", truth, predictions, matches), matches


def scored_scans(predictions: Predictions, truth: Truth, slices: tuple[Predictions, Matches] | None = None) -> Scored:
    """The scans that a table predicts; slices: of the same system."""
    return Scored.of("scan", truth, predictions, match_scans(predictions, truth.targets, slices))


def _none_found(level: Level, truth: Truth, predictions: Predictions) -> str:
    """Nothing matched: what the two sides call their cases."""
    if level == "slice" and _has_a_row_a_scan(predictions.names):
        return f"{predictions.file} has no slice of the Manifest; it has a row a scan: give it as --scans."
    theirs, ours = predictions.shown.iloc[0], truth.names(np.array([0]), level)[0]
    rows, columns = f"{len(predictions):,} rows of {predictions.file}", ", ".join(predictions.names)
    return (
        f"None of the {rows} is a {level} of the Manifest: the first is called {theirs} there (columns {columns}), "
        f"and {ours} here."
    )


def _has_a_row_a_scan(names: pd.DataFrame) -> bool:
    return "scan" in names and "slice" not in names and not names["scan"].duplicated().any()
