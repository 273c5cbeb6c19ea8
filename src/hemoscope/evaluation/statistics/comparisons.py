"""Tests between two systems on the same cases, and their correction for how many there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_table
from statsmodels.stats.multitest import multipletests

from hemoscope.evaluation.statistics.delong import Z
from hemoscope.evaluation.statistics.difference import Difference
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.statistics.roc import Labels

MCNEMAR = "McNemar, exact"


def mcnemar(labels: Labels, calls_a: NDArray[np.bool_], calls_b: NDArray[np.bool_]) -> Difference:
    """Difference in accuracy of calls of two systems on the same independent cases, all (N,), by McNemar's exact test.

    On positives alone it is that in sensitivity, on negatives alone that in specificity. The interval is that of
    Agresti and Min (2005). Slices of one patient are not independent: take `clustered.mean_difference` for them.
    """
    if not len(labels):
        return Difference.none("no cases", MCNEMAR)
    right_a, right_b = calls_a == (labels == 1), calls_b == (labels == 1)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p_value = float(mcnemar_of_table([[0, only_a], [only_b, 0]], exact=True).pvalue)
    value = (only_a - only_b) / len(labels)
    centre, reach = _agresti_min(only_a, only_b, len(labels))
    estimate = Estimate(value, max(-1.0, centre - reach), min(1.0, centre + reach), "Agresti-Min, 95%")
    return Difference(estimate, min(1.0, p_value), MCNEMAR)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected for their number (Holm 1979); those that are None do not count and stay None."""
    there = [value for value in p_values if value is not None]
    corrected = iter(multipletests(there, method="holm")[1] if there else ())
    return [None if value is None else float(next(corrected)) for value in p_values]


def _agresti_min(only_a: int, only_b: int, count: int) -> tuple[float, float]:
    """Centre and half width of the interval of a paired difference, with half a case added to each of four cells."""
    a, b, n = only_a + 0.5, only_b + 0.5, count + 2
    return (a - b) / n, Z * float(np.sqrt(a + b - (a - b) ** 2 / n)) / n
