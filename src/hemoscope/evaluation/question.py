"""What an evaluation is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hemoscope.evaluation.protocols.catalogue import PROTOCOLS
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.statistics.proportions import clopper_pearson, wilson
from hemoscope.reasons import UsageError

# Of proportions of independent scans; where cases are not independent, patients are resampled
INTERVALS: Mapping[str, Callable[[int, int], Estimate]] = {"clopper-pearson": clopper_pearson, "wilson": wilson}


@dataclass(frozen=True)
class Question:
    """Which predictions are held against which Manifest, and how; raises UsageError where that makes no sense.

    slices, scans: CSV files of one system. splits: those evaluated, all where none is named. validation: splits that
    operating points are chosen on, which are not evaluated; without them only fixed ones are used. sensitivity,
    specificity: what the chosen points have at least on the validation splits. prevalences: at which predictive values
    are given. interval: of INTERVALS. protocol: of PROTOCOLS, whose tables are added.
    """

    manifest: Path
    slices: Path | None = None
    scans: Path | None = None
    splits: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    sensitivity: float = 0.95
    specificity: float = 0.90
    prevalences: tuple[float, ...] = (0.03, 0.10)
    interval: str = "clopper-pearson"
    protocol: str = "default"

    def __post_init__(self) -> None:
        if self.slices is None and self.scans is None:
            raise UsageError("Give predictions: those of slices, of scans, or both.")
        both = sorted(set(self.splits) & set(self.validation))
        if both:
            raise UsageError(f"The split {both[0]} cannot both be evaluated and choose operating points.")
        for share in (self.sensitivity, self.specificity):
            if not 0 < share <= 1:
                raise UsageError(f"A sensitivity or specificity lies above 0 and up to 1, not at {share:g}.")
        for share in self.prevalences:
            if not 0 < share < 1:
                raise UsageError(f"A prevalence lies between 0 and 1, not at {share:g}.")
        if self.interval not in INTERVALS:
            raise UsageError(f"There is no interval '{self.interval}'; there are {', '.join(INTERVALS)}.")
        if self.protocol not in PROTOCOLS:
            raise UsageError(f"There is no protocol '{self.protocol}'; there are {', '.join(PROTOCOLS)}.")
