"""From the network's logits, slice by slice, to calibrated probabilities of slices and of the scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemoscope.detector.curves import Curves

# How a scan is scored from the logits of its slices [slice, finding] where no network over the scan does it. Patel 2019
# (section IV-A) has both; logits rise with probabilities, so it is all the same on which of them it is done.
SCAN_RULES: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "max": lambda logits: np.fmax.reduce(logits, axis=0),
    "percentile_95": lambda logits: _percentile(logits, 95),
}


@dataclass(frozen=True)
class Context:
    """Neighbouring slices speak for each other: a Gaussian over positions, with its standard deviation in mm."""

    sigma_mm: float
    assumed_spacing_mm: float  # where positions are unknown (pictures)

    def smooth(self, logits: NDArray[np.float32], positions_mm: NDArray[np.float64] | None) -> NDArray[np.float32]:
        """Average logits [slice, finding] over neighbouring slices; slices of NaN count for nothing and stay NaN."""
        readable = np.isfinite(logits).any(axis=1)
        known = np.arange(len(logits)) * self.assumed_spacing_mm if positions_mm is None else positions_mm
        smoothed = np.full_like(logits, np.nan)
        places = known[readable]
        distance = (places[:, None] - places[None, :]) / self.sigma_mm
        weights = np.exp(-0.5 * distance**2)
        smoothed[readable] = (weights @ logits[readable]) / weights.sum(axis=1, keepdims=True)
        return smoothed


@dataclass(frozen=True)
class Calibration:
    """Context (None: a slice speaks for itself), then a curve a finding for slices and one for scans.

    scan_rule: of SCAN_RULES, for scans that no network over the scan scores.
    """

    context: Context | None
    slice: Curves
    scan: Curves
    scan_rule: str = "max"

    def __post_init__(self) -> None:
        if self.scan_rule not in SCAN_RULES:
            raise ValueError(f"there is no scan rule '{self.scan_rule}': known are {', '.join(SCAN_RULES)}")

    def __call__(
        self,
        logits: NDArray[np.float32],
        positions_mm: NDArray[np.float64] | None,
        scan_logits: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits [slice, finding] of one scan to probabilities of its slices [slice, finding] and its own [finding].

        positions_mm: of the slices along the normal, or None where unknown. scan_logits: [finding] of the network over
        the scan, None where there is none. NaN (slices not read, findings not scored) stays NaN.
        """
        smoothed = logits if self.context is None else self.context.smooth(logits, positions_mm)
        if scan_logits is None:
            scan_logits = SCAN_RULES[self.scan_rule](smoothed)
        return self.slice.probabilities(smoothed), self.scan.probabilities(scan_logits)


def _percentile(logits: NDArray[np.float32], percent: float) -> NDArray[np.float32]:
    """A percentile over the slices that have a logit, [finding]; NaN for findings that are not scored."""
    found = np.full(logits.shape[1], np.nan, np.float32)
    scored = np.isfinite(logits).any(axis=0)
    found[scored] = np.nanpercentile(logits[:, scored], percent, axis=0)
    return found
