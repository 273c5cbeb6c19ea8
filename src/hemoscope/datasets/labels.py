"""Labels of six findings: what `any` must be, where it is not, and what they say in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemoscope.datasets.manifest import UNKNOWN
from hemoscope.findings import ANY, FINDINGS


def complete_any(labels: NDArray[np.int8]) -> NDArray[np.int8]:
    """Fill in what follows: `any` is 1 with a subtype at 1, 0 with all subtypes at 0; all subtypes are 0 with `any` 0.

    labels: int8 [row, finding], UNKNOWN where unknown; what is known stays as it is.
    """
    filled = labels.copy()
    subtypes = labels[:, :ANY]
    highest = np.where((subtypes == 1).any(axis=1), 1, np.where((subtypes == 0).all(axis=1), 0, UNKNOWN))
    filled[:, ANY] = np.where(labels[:, ANY] == UNKNOWN, highest, labels[:, ANY])
    filled[:, :ANY] = np.where((subtypes == UNKNOWN) & (labels[:, [ANY]] == 0), 0, subtypes)
    return filled


def contradictions(labels: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which rows contradict themselves: `any` 0 with a subtype at 1, or `any` 1 with all subtypes at 0.

    labels: int8 [row, finding], UNKNOWN where unknown.
    """
    subtypes, anything = labels[:, :ANY], labels[:, ANY]
    absent = (anything == 0) & (subtypes == 1).any(axis=1)
    unexplained = (anything == 1) & (subtypes == 0).all(axis=1)
    return np.asarray(absent | unexplained)


def in_words(labels: NDArray[np.int8]) -> str:
    """What is said of one row, int8 [finding]: "EDH SAH", "no hemorrhage", "ICH (others unknown)" or "unknown"."""
    present = [FINDINGS[place].abbreviation for place in range(ANY) if labels[place] == 1]
    unknown = "" if (labels[:ANY] != UNKNOWN).all() or labels[ANY] == 0 else " (others unknown)"
    if present:
        return " ".join(present) + unknown
    return {1: "ICH" + unknown, 0: "no hemorrhage"}.get(int(labels[ANY]), "unknown")
