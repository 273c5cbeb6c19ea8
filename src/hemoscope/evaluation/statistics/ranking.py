"""Labels and scores sorted once, so that the areas under their curves are cheap for any weighting of the patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hemoscope.evaluation.statistics.bootstrap import quotients
from hemoscope.evaluation.statistics.roc import Labels, Scores


@dataclass(frozen=True, eq=False)
class Ranking:
    """How many rows of each patient lie where in the order of the scores.

    The K different scores of positive rows, from low to high, cut the order into steps: step k holds the negatives
    from score k-1 on and below score k. Only these steps matter for the areas, and rows of one patient in one step
    count together.

    positives: (K, patients), rows at each score. negatives: (K + 1, patients), rows in each step. tied: (T, patients),
    negatives at those scores, numbered in tied_at (T,), where there are any.
    """

    positives: csr_array
    negatives: csr_array
    tied: csr_array
    tied_at: NDArray[np.intp]

    @classmethod
    def of(cls, labels: Labels, scores: Scores, patients: NDArray[np.integer[Any]], count: int) -> Ranking:
        """Sort labels, scores and patients, all (N,), of which there are `count`; at least one row is positive."""
        positive = labels == 1
        levels, level = np.unique(scores[positive], return_inverse=True)
        below = scores[~positive]
        step = np.searchsorted(levels, below, side="right")
        is_tied = (step > 0) & (levels[step - 1] == below)
        tied_at, tie = np.unique(step[is_tied] - 1, return_inverse=True)
        of_negatives = patients[~positive]
        return cls(
            _table(level, patients[positive], (len(levels), count)),
            _table(step, of_negatives, (len(levels) + 1, count)),
            _table(tie, of_negatives[is_tied], (len(tied_at), count)),
            tied_at,
        )

    def auc(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Areas under the ROC curve (draws,) for weights (patients, draws), NaN where a class has no weight."""
        return self._auc(weights, *self._steps(weights))

    def average_precision(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average precisions (draws,) for weights (patients, draws), NaN where a class has no weight."""
        return _average_precision(*self._steps(weights))

    def areas(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Both of them (draws, 2), which takes less than one after the other."""
        steps = self._steps(weights)
        return np.column_stack([self._auc(weights, *steps), _average_precision(*steps)])

    def _auc(
        self, weights: NDArray[np.float64], positives: NDArray[np.float64], below: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        in_order = np.einsum("kd,kd->d", positives, below[:-1])
        in_order += np.einsum("kd,kd->d", positives[self.tied_at], self.tied @ weights) / 2
        return quotients(in_order, positives.sum(axis=0) * below[-1])

    def _steps(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weight of the positives at each score (K, draws), and of the negatives below it and in all (K + 1, draws)."""
        below = self.negatives @ weights
        return self.positives @ weights, np.cumsum(below, axis=0, out=below)


def _average_precision(positives: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    total = positives.sum(axis=0)
    hits = np.cumsum(positives, axis=0)  # from here on in place: these are the largest arrays
    np.subtract(positives, hits, out=hits)
    hits += total  # true positives at a threshold of each score
    called = below[-1] - below[:-1]
    called += hits
    precisions = np.divide(hits, called, out=hits, where=called > 0)  # no hits where none are called
    return quotients(np.einsum("kd,kd->d", positives, precisions), np.where(below[-1] > 0, total, 0))


def _table(rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> csr_array:
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
