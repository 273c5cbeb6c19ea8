"""Cases of one system, and any figure of a paper's table measured on them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from hemoscope.evaluation.matching.cases import UNKNOWN, Cases
from hemoscope.evaluation.measures.measures import Measured
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.challenge import challenge_loss_clustered
from hemoscope.evaluation.statistics.confusion import MEASURES, ClusteredCounts, Counts
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.findings import FINDING_NAMES

Figure = Estimate | int  # an int is a number of cases


@dataclass(frozen=True, eq=False)
class Sample:
    """Slices, or scans, with draws of their patients; what was counted at a threshold is kept for the next figure."""

    cases: Cases
    draws: Draws
    _parts: dict[int, Measured] = field(default_factory=dict)
    _calls: dict[tuple[int, float], Counts | ClusteredCounts] = field(default_factory=dict)

    @classmethod
    def of(cls, cases: Cases) -> Sample:
        """All of these cases."""
        return cls(cases, Draws.of(cases.patients))

    def figure(self, measure: str, finding: str = "any", threshold: float | None = None) -> Figure:
        """A measure of a finding, as published.toml names both; calls are probability >= threshold.

        Raises ValueError for a measure of calls without a threshold, and for a measure that is none.
        """
        if measure == "challenge_loss":
            return self._challenge_loss()
        part = self._part(FINDING_NAMES.index(finding))
        if measure in ("positives", "negatives", "cases"):
            counted = {"positives": part.labels == 1, "negatives": part.labels == 0, "cases": part.labels >= 0}
            return int(counted[measure].sum())
        if not len(part.labels):
            return Estimate.none(self._why_nothing(FINDING_NAMES.index(finding)))
        if measure == "auc":
            return part.auc()
        if measure == "average_precision":
            return part.average_precision()
        if threshold is None:
            raise ValueError(f"{measure} is of calls: it needs a threshold")
        if measure == "auc_of_calls":
            return _calls_as_scores(part, threshold).auc()
        if measure not in MEASURES:
            raise ValueError(f"there is no measure {measure}")
        return self._counts(FINDING_NAMES.index(finding), threshold).estimate(measure)

    def _challenge_loss(self) -> Estimate:
        """Of the slices of which all six labels and probabilities are known."""
        known = (self.cases.labels != UNKNOWN) & ~np.isnan(self.cases.probabilities)
        rows = known.all(axis=1)
        if not rows.any():
            return Estimate.none("no slice has all six labels and probabilities")
        return challenge_loss_clustered(
            self.cases.labels[rows], self.cases.probabilities[rows], self.draws.codes[rows], self.draws
        )

    def _part(self, finding: int) -> Measured:
        if finding not in self._parts:
            self._parts[finding] = Measured.of(self.cases, finding, self.draws)
        return self._parts[finding]

    def _counts(self, finding: int, threshold: float) -> Counts | ClusteredCounts:
        if (finding, threshold) not in self._calls:
            self._calls[finding, threshold] = self._part(finding).calls(threshold)
        return self._calls[finding, threshold]

    def _why_nothing(self, finding: int) -> str:
        if (self.cases.labels[:, finding] == UNKNOWN).all():
            return "no label known"
        if np.isnan(self.cases.probabilities[:, finding]).all():
            return "not scored by the system"
        return "no case is both labelled and scored"


def _calls_as_scores(part: Measured, threshold: float) -> Measured:
    """Calls at a threshold in the place of scores: the area is then the mean of sensitivity and specificity."""
    return replace(part, scores=(part.scores >= threshold).astype(np.float64))


def describe(cases: Cases) -> str:
    """The data of a figure: "cq500, ct-ich (split test), 120 patients, 130 scans, 4,211 slices"."""
    parts = []
    if "dataset" in cases.about:
        parts.append(", ".join(sorted(map(str, cases.about["dataset"].dropna().unique()))))
    if "split" in cases.about and cases.about["split"].notna().any():
        names = sorted(map(str, cases.about["split"].dropna().unique()))
        parts[-1:] = [f"{' '.join(parts[-1:])} (split {' and '.join(names)})".strip()]
    parts += [f"{len(np.unique(cases.patients)):,} patients", f"{len(np.unique(cases.scans)):,} scans"]
    parts += [f"{len(cases):,} slices"] if cases.level == "slice" else []
    return ", ".join(part for part in parts if part)
