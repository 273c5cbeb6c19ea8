"""From a logit of the network to a calibrated probability: one curve a finding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemoscope.findings import ANY, FINDING_NAMES


@dataclass(frozen=True)
class Line:
    """probability = sigmoid(slope * logit + intercept) (Platt 1999).

    Temperature scaling (Guo et al. 2017, section 4.2) is the line with slope 1 / temperature and intercept 0.
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.intercept)):
            raise ValueError("the slope or the intercept of a calibration is no number")
        if self.slope <= 0:
            raise ValueError("a slope is not above 0: the order of probabilities would be turned around")

    def __call__(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities in [0, 1]; NaN where a logit is."""
        with np.errstate(over="ignore"):  # of a network that is not calibrated: exp(-line) may be infinite, and gives 0
            probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-(self.slope * logits.astype(float) + self.intercept)))
        return probabilities


@dataclass(frozen=True)
class Isotonic:
    """Points of a curve that never falls, straight between them, flat below the first and above the last.

    logits: rising. probabilities: not falling, above 0 and below 1 (Zadrozny and Elkan 2002).
    """

    logits: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.logits or len(self.logits) != len(self.probabilities):
            raise ValueError("an isotonic calibration needs as many probabilities as logits, and at least one")
        if not np.isfinite(self.logits).all() or (np.diff(self.logits) <= 0).any():
            raise ValueError("the logits of an isotonic calibration do not rise")
        if not all(0 < probability < 1 for probability in self.probabilities):
            raise ValueError("a probability of an isotonic calibration is not between 0 and 1")
        if (np.diff(self.probabilities) < 0).any():
            raise ValueError("the probabilities of an isotonic calibration fall")

    def __call__(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probabilities between 0 and 1; NaN where a logit is."""
        between = np.interp(logits, self.logits, self.probabilities)
        return np.where(np.isnan(logits), np.nan, between)  # NumPy gives a curve of one point everywhere


UNCHANGED = Line(1.0, 0.0)  # the probability of the network itself


@dataclass(frozen=True)
class Curves:
    """A curve for each of the six findings, in their order."""

    of: tuple[Line | Isotonic, ...]

    def __post_init__(self) -> None:
        if len(self.of) != len(FINDING_NAMES):
            raise ValueError(f"a curve is needed for each of {', '.join(FINDING_NAMES)}")

    @classmethod
    def identity(cls) -> Curves:
        """The curves that change nothing."""
        return cls((UNCHANGED,) * len(FINDING_NAMES))

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities [..., finding] in [0, 1], NaN where a logit is; `any` is never below a subtype."""
        columns = [curve(logits[..., finding]) for finding, curve in enumerate(self.of)]
        probabilities = np.stack(columns, axis=-1).astype(np.float32)
        scored = np.isfinite(probabilities[..., ANY])
        largest = np.fmax.reduce(probabilities, axis=-1)
        probabilities[..., ANY] = np.where(scored, largest, np.nan)
        return probabilities
