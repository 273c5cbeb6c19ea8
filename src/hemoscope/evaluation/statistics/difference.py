"""How far two systems differ in a measure, and whether chance explains it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hemoscope.evaluation.statistics.estimate import Estimate


@dataclass(frozen=True)
class Difference:
    """First system minus second, with its 95% interval, and the p-value of a two-sided test that there is none.

    statistic: of the test, None where it has none (exact tests, resampling). Numbers that are not finite, or a p-value
    outside [0, 1], raise ValueError; where there is no p-value, `estimate.blank` says why.
    """

    estimate: Estimate
    p_value: float | None
    test: str  # "DeLong, paired", "McNemar, exact", ...
    statistic: float | None = None

    def __post_init__(self) -> None:
        if self.p_value is not None and not 0 <= self.p_value <= 1:
            raise ValueError("a p-value is in [0, 1]")
        if self.p_value is None and not self.estimate.blank:
            raise ValueError("a difference without a p-value says why")
        if self.statistic is not None and not math.isfinite(self.statistic):
            raise ValueError("a statistic that is not finite is none: leave it blank")

    @classmethod
    def none(cls, why: str, test: str) -> Difference:
        """No difference can be given at all."""
        return cls(Estimate.none(why), None, test)
