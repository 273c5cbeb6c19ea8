"""From the network's logits, slice by slice, to calibrated probabilities of slices and of the scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemoscope.detector.curves import Curves
from hemoscope.findings import FINDING_NAMES

# How a scan is scored from the logits of its slices [slice, finding] where no network over the scan does it. Patel 2019
# (section IV-A) has both; logits rise with probabilities, so it is all the same on which of them it is done.
SCAN_RULES: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "max": lambda logits: np.fmax.reduce(logits, axis=0),
    "percentile_95": lambda logits: _percentile(logits, 95),
}


@dataclass(frozen=True)
class Weights:
    """How much each finding's logit of a slice, of its neighbourhood and of the whole scan speaks for one finding.

    Six numbers each, in the order of `FINDING_NAMES`. None is negative: more suspicion anywhere never lowers a
    probability.
    """

    slice: tuple[float, ...]
    neighbourhood: tuple[float, ...]
    scan: tuple[float, ...]
    intercept: float

    def __post_init__(self) -> None:
        parts = (self.slice, self.neighbourhood, self.scan)
        if any(len(part) != len(FINDING_NAMES) for part in parts):
            raise ValueError(f"the weights of a context are {len(FINDING_NAMES)} for the slice, for its neighbourhood "
                             "and for the scan")  # fmt: skip
        if not np.isfinite([*self.slice, *self.neighbourhood, *self.scan, self.intercept]).all():
            raise ValueError("a weight of a context is no number")
        if min(map(min, parts)) < 0 or max(map(max, parts)) == 0:
            raise ValueError("the weights of a context are not below 0, and not all 0")

    @classmethod
    def of_neighbourhood(cls, finding: int) -> Weights:
        """The logit of the neighbourhood as it is."""
        none = (0.0,) * len(FINDING_NAMES)
        return cls(none, tuple(float(other == finding) for other in range(len(FINDING_NAMES))), none, 0.0)


@dataclass(frozen=True)
class Context:
    """What a scan says of each of its slices.

    The neighbourhood of a slice is the mean of the logits around it: a Gaussian over positions, with its standard
    deviation in mm. weights: a finding, in the order of `FINDING_NAMES`; they join the findings of the slice, of its
    neighbourhood and of the scan, which are its largest, to one logit.
    """

    sigma_mm: float
    assumed_spacing_mm: float  # where positions are unknown (pictures)
    weights: tuple[Weights, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != len(FINDING_NAMES):
            raise ValueError(f"weights are needed for each of {', '.join(FINDING_NAMES)}")

    def __call__(self, logits: NDArray[np.float32], positions_mm: NDArray[np.float64] | None) -> NDArray[np.float32]:
        """Logits [slice, finding] of a scan to others; slices of NaN count for nothing and stay NaN."""
        return self.join(evidence_of(logits, positions_mm, self.sigma_mm, self.assumed_spacing_mm))

    def alone(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits [slice, finding] as if each slice were a scan of its own."""
        return self.join(np.hstack([logits, logits, logits]))

    def join(self, evidence: NDArray[np.float32]) -> NDArray[np.float32]:
        """[slice, evidence] of `evidence_of` to logits [slice, finding]; findings that are not scored stay NaN."""
        joined = np.nan_to_num(evidence) @ self._matrix + [one.intercept for one in self.weights]
        own = evidence[:, : len(FINDING_NAMES)]
        return np.where(np.isnan(own), np.nan, joined).astype(np.float32)

    def facts(self, findings: Sequence[str]) -> dict[str, Any]:
        """As bundle.json has it; findings: those that are scored."""
        weights = {name: vars(one) for name, one in zip(FINDING_NAMES, self.weights, strict=True) if name in findings}
        return {"sigma_mm": self.sigma_mm, "assumed_spacing_mm": self.assumed_spacing_mm, "weights": weights}

    @cached_property
    def _matrix(self) -> NDArray[np.float64]:
        """[evidence, finding]"""
        return np.array([one.slice + one.neighbourhood + one.scan for one in self.weights]).T


def evidence_of(
    logits: NDArray[np.float32], positions_mm: NDArray[np.float64] | None, sigma_mm: float, assumed_spacing_mm: float
) -> NDArray[np.float32]:
    """Logits [slice, finding] of a scan to [slice, 3 findings]: of the slice, of its neighbourhood, of the scan."""
    readable = np.isfinite(logits).any(axis=1)
    known = np.arange(len(logits)) * assumed_spacing_mm if positions_mm is None else positions_mm
    evidence = np.full((len(logits), 3 * logits.shape[1]), np.nan, np.float32)
    if not readable.any():
        return evidence
    own, places = logits[readable], known[readable]
    closeness = np.exp(-0.5 * ((places[:, None] - places[None, :]) / sigma_mm) ** 2)
    neighbourhood = (closeness @ own) / closeness.sum(axis=1, keepdims=True)
    evidence[readable] = np.hstack([own, neighbourhood, np.broadcast_to(own.max(axis=0), own.shape)])
    return evidence


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
        in_scan = logits if self.context is None else self.context(logits, positions_mm)
        if scan_logits is None:
            scan_logits = SCAN_RULES[self.scan_rule](in_scan)
        return self.slice.probabilities(in_scan), self.scan.probabilities(scan_logits)


def _percentile(logits: NDArray[np.float32], percent: float) -> NDArray[np.float32]:
    """A percentile over the slices that have a logit, [finding]; NaN for findings that are not scored."""
    found = np.full(logits.shape[1], np.nan, np.float32)
    scored = np.isfinite(logits).any(axis=0)
    found[scored] = np.nanpercentile(logits[:, scored], percent, axis=0)
    return found
