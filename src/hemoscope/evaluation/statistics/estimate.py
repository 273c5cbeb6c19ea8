"""A measured value with its interval, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value, its 95% interval and how that was found; what is missing is None, and `blank` says why.

    Numbers that are not finite raise ValueError: a table never prints "nan".
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    method: str = ""  # of the interval: "Wilson", "DeLong", ...
    blank: str = ""  # "no positives", "fewer than 5 patients with the finding", ...

    def __post_init__(self) -> None:
        if any(number is not None and not math.isfinite(number) for number in (self.value, self.low, self.high)):
            raise ValueError("an estimate that is not finite is no estimate: leave it blank and say why")
        if self.value is None and not self.blank:
            raise ValueError("an estimate without a value says why")

    @classmethod
    def none(cls, why: str) -> Estimate:
        """No value at all."""
        return cls(None, blank=why)

    def text(self, digits: int = 3) -> str:
        """As in a paper: "0.931 (0.902 to 0.955)", "0.931 (fewer than 5 patients)", or "- (no positives)"."""
        value = "-" if self.value is None else f"{self.value:.{digits}f}"
        if self.low is None or self.high is None:
            return f"{value} ({self.blank})" if self.blank else value
        return f"{value} ({self.low:.{digits}f} to {self.high:.{digits}f})"
