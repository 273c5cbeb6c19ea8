"""From the network's logits, slice by slice, to calibrated probabilities of slices and of the scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemoscope.findings import ANY, FINDING_NAMES


@dataclass(frozen=True)
class Context:
    """Neighbouring slices speak for each other: a Gaussian over positions, with its standard deviation in mm."""

    sigma_mm: float
    assumed_spacing_mm: float  # where positions are unknown (pictures)

    def smooth(self, logits: NDArray[np.float32], positions_mm: NDArray[np.float64] | None) -> NDArray[np.float32]:
        """Average logits [slice, finding] over neighbouring slices; slices of NaN count for nothing and stay NaN."""
        readable = np.isfinite(logits[:, ANY])
        known = np.arange(len(logits)) * self.assumed_spacing_mm if positions_mm is None else positions_mm
        smoothed = np.full_like(logits, np.nan)
        places = known[readable]
        distance = (places[:, None] - places[None, :]) / self.sigma_mm
        weights = np.exp(-0.5 * distance**2)
        smoothed[readable] = (weights @ logits[readable]) / weights.sum(axis=1, keepdims=True)
        return smoothed


@dataclass(frozen=True)
class Platt:
    """A logistic line for each finding: probability = sigmoid(slope * logit + intercept) (Platt 1999)."""

    slope: tuple[float, ...]
    intercept: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.slope) != len(FINDING_NAMES) or len(self.intercept) != len(FINDING_NAMES):
            raise ValueError(f"a slope and an intercept are needed for each of {', '.join(FINDING_NAMES)}")
        if min(self.slope) <= 0:
            raise ValueError("a slope is not above 0: the order of probabilities would be turned around")

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities [..., finding] in [0, 1]; `any` is never below the most probable subtype."""
        line = np.asarray(self.slope) * logits + np.asarray(self.intercept)
        probabilities: NDArray[np.float32] = (1 / (1 + np.exp(-line))).astype(np.float32)
        probabilities[..., ANY] = probabilities.max(axis=-1)
        return probabilities


@dataclass(frozen=True)
class Calibration:
    """Context, then one logistic line for slices and one for scans (on the largest logit of any slice)."""

    context: Context
    slice: Platt
    scan: Platt

    def __call__(
        self, logits: NDArray[np.float32], positions_mm: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits [slice, finding] of one scan to probabilities of its slices [slice, finding] and its own [finding].

        positions_mm: of the slices along the normal, or None where unknown. NaN rows (slices not read) stay NaN.
        """
        smoothed = self.context.smooth(logits, positions_mm)
        return self.slice.probabilities(smoothed), self.scan.probabilities(np.nanmax(smoothed, axis=0))
