"""The 95% band around a ROC curve, from draws of patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemoscope.evaluation.statistics.bootstrap import PERCENTILES, Draws, Patients
from hemoscope.evaluation.statistics.roc import Labels, Scores

MOST_THRESHOLDS = 400  # of a curve; more are finer than a picture shows
GRID = np.linspace(0, 1, 201)  # false positive rates at which the band is found


@dataclass(frozen=True, eq=False)
class Band:
    """Between which sensitivities 95% of the draws lie at each false positive rate: three arrays (G,)."""

    false_positive_rates: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def roc_band(labels: Labels, scores: Scores, patients: Patients, draws: Draws) -> Band:
    """Draw the ROC curve again for each draw of patients, and keep the middle 95% of the sensitivities (pointwise).

    labels, scores and patients are (N,), with both classes among the labels; draws without both are left out. Patel
    2019 (Figures 3 and 4) prints 95% bands and does not say how they were made; this is the bootstrap of sensitivities
    at given specificities that `ci.se` of R's pROC makes, with patients drawn instead of scans.
    """
    steps = _steps(scores)
    positives, negatives = (_called(side, steps, patients, draws) for side in (labels == 1, labels == 0))
    both = (positives[:, -1] > 0) & (negatives[:, -1] > 0)
    sensitivities = positives[both] / positives[both, -1:]
    false_positive_rates = negatives[both] / negatives[both, -1:]
    # Where the curve rises straight up, interp takes its upper end
    at_grid = [np.interp(GRID, x, y) for x, y in zip(false_positive_rates, sensitivities, strict=True)]  # (draws, G)
    low, high = np.percentile(at_grid, PERCENTILES, axis=0)
    return Band(GRID, low, high)


def _steps(scores: Scores) -> NDArray[np.intp]:
    """At which of the thresholds, numbered from the strictest, each row is called positive first: (N,)."""
    values, step = np.unique(-scores, return_inverse=True)
    if len(values) > MOST_THRESHOLDS:
        rank = np.searchsorted(np.sort(-scores), values)  # thresholds with about as many rows between them
        step = np.unique(rank * MOST_THRESHOLDS // len(scores), return_inverse=True)[1][step]
    return np.asarray(step, np.intp)


def _called(
    chosen: NDArray[np.bool_], steps: NDArray[np.intp], patients: Patients, draws: Draws
) -> NDArray[np.float64]:
    """How many of the chosen rows each draw calls positive at none of the thresholds, the first ...: (draws, T + 1)."""
    count = int(steps.max()) + 1
    shape = (len(draws.names), count)
    cells: NDArray[Any] = np.bincount(patients[chosen] * count + steps[chosen], minlength=shape[0] * count)
    of_patient = cells.reshape(shape).astype(np.float64)
    at_each = np.concatenate([block.T @ of_patient for block in draws.blocks()])  # (draws, T)
    return np.concatenate([np.zeros((len(at_each), 1)), np.cumsum(at_each, axis=1)], axis=1)
