"""Choices of slices or scans for training: as many negative as positive ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced_slices(positive: NDArray[np.int8], random: np.random.Generator) -> NDArray[np.intp]:
    """All positive slices (or scans) and as many negative ones at random, in ascending order.

    positive: the label `any` of each, UNKNOWN where unknown; unknown ones are never chosen. All negative ones are taken
    where there are fewer. Cortes-Ferre et al. 2021, section 4.3, within each split; Patel et al. 2019, section III-C,
    where the slices are those of negative scans (`paper_splits.patel2019`).
    """
    positives, negatives = np.flatnonzero(positive == 1), np.flatnonzero(positive == 0)
    chosen = random.permutation(negatives)[: len(positives)]
    return np.sort(np.concatenate([positives, chosen]))
