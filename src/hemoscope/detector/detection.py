"""The answer for one scan: state, probabilities, maps, and what stood in the way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.prepare import Crop
from hemoscope.ct.scan import Scan
from hemoscope.findings import ANY
from hemoscope.reasons import Check


class State(Enum):
    """The four ends of a scan (docs: Answers)."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    INDETERMINATE = "indeterminate"
    NOT_ANALYSED = "not_analysed"


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the probability of `any`, with what it gave in cross-validation; None: not measured."""

    name: str  # "sensitive", "specific" or "custom"
    threshold: float
    sensitivity: float | None = None
    specificity: float | None = None
    positives: int | None = None  # scans (or slices by themselves) with hemorrhage behind the sensitivity
    negatives: int | None = None  # and without it, behind the specificity


@dataclass(frozen=True, eq=False)
class Detection:
    """What the detector says of one scan.

    slice_probabilities: float32 [slice, finding] in [0, 1], NaN in slices that could not be read;
    scan_probabilities: float32 [finding]. Both are NaN for findings that the detector does not score, never for `any`,
    and None when the state is `not_analysed`.
    maps: float32 [slice, finding, h, w], class activation in logits on the network's grid, over `crops[slice]`; None
    where the network has none. remarks: sentences on what the probabilities are, for every output.
    seconds: wall time per stage ("read", "network", "total" ...).
    """

    scan: Scan
    state: State
    checks: tuple[Check, ...]  # of reading and of detection together
    bundle: str  # "name version"
    bundle_sha256: str
    sensitive: OperatingPoint
    specific: OperatingPoint
    seconds: dict[str, float]
    slice_probabilities: NDArray[np.float32] | None = None
    scan_probabilities: NDArray[np.float32] | None = None
    maps: NDArray[np.float32] | None = None
    crops: tuple[Crop | None, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def suspicious_slice(self) -> int | None:
        """The slice with the highest probability of any hemorrhage."""
        if self.slice_probabilities is None:
            return None
        return int(np.nanargmax(self.slice_probabilities[:, ANY]))

    def top_slices(self, count: int) -> list[int]:
        """The `count` most suspicious slices, most suspicious first, no two of them neighbours where possible."""
        if self.slice_probabilities is None:
            return []
        scores = self.slice_probabilities[:, ANY]
        order = [int(i) for i in np.argsort(-np.nan_to_num(scores, nan=-1.0), kind="stable") if np.isfinite(scores[i])]
        apart: list[int] = []
        for index in order:
            if all(abs(index - other) > 1 for other in apart):
                apart.append(index)
        return (apart + [i for i in order if i not in apart])[:count]
