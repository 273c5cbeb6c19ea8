"""Draws of patients, and the intervals that they give: slices, or scans, of one patient come and go together.

As many patients as there are, with replacement, each with all of its rows (Davison and Hinkley 1997, section 3.8); the
interval is that of the percentiles (Efron and Tibshirani 1993, chapter 13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from hemoscope.evaluation.statistics.difference import Difference
from hemoscope.evaluation.statistics.estimate import Estimate

DRAWS = 2000
SEED = 7
FEWEST_PATIENTS = 5  # below which no interval is given: resampling them would show no spread where there is most
METHOD = "patient-clustered bootstrap, 95%"
NO_SPREAD = "every draw gives the same value"
PERCENTILES = (2.5, 97.5)  # of an interval of 95%
BLOCK = 16  # draws that are worked on together, so that they stay in the cache

Patients = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Draws:
    """How often each patient is in each draw; the same for every system, finding and measure.

    names: (patients,), sorted, so that the draws do not depend on the order of the rows. codes: (N,) number of the
    patient of each row that `of` was given: `draws.codes[rows]` is what functions take as `patients`. weights: uint8
    (draws, patients).
    """

    names: NDArray[Any]
    codes: NDArray[np.intp]
    weights: NDArray[np.uint8]

    @classmethod
    def of(cls, patients: NDArray[Any], count: int = DRAWS, seed: int = SEED) -> Draws:
        """Draw `count` times from patients (N,), a name a row. Raises ValueError where a name is missing."""
        codes, names = pd.factorize(patients, sort=True)
        if (codes < 0).any():
            raise ValueError("every row needs the name of a patient: take that of its scan where it is unknown")
        random = np.random.default_rng(seed)
        weights = np.zeros((count, len(names)), np.uint8)  # no patient comes more than 255 times among its like
        for row in weights if len(names) else ():
            row[:] = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))
        return cls(np.asarray(names), np.asarray(codes, np.intp), weights)

    def blocks(self) -> Iterator[NDArray[np.float64]]:
        """Weights (patients, up to BLOCK draws), block after block."""
        return map(self._block, range(0, len(self.weights), BLOCK))

    def map(self, measure: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        """What `measure` makes of each of the blocks, joined (draws, ...); they run in threads."""
        # the threads share the cores already: a matrix product that takes all of them for itself slows the others
        with threadpool_limits(1, "blas"), ThreadPoolExecutor() as threads:
            starts = range(0, len(self.weights), BLOCK)
            return np.concatenate(list(threads.map(lambda start: measure(self._block(start)), starts)))

    def sums(self, values: NDArray[Any], patients: Patients) -> NDArray[np.float64]:
        """Sums (draws, K) of values (N, K) whose rows are of patients (N,)."""
        of_patient = np.column_stack([np.bincount(patients, column, len(self.names)) for column in values.T])
        return self.totals(of_patient)

    def totals(self, of_patient: NDArray[Any]) -> NDArray[np.float64]:
        """Sums (draws, K) of what each patient has (patients, K)."""
        each = of_patient.astype(np.float64)
        return self.map(lambda weights: weights.T @ each)

    def _block(self, start: int) -> NDArray[np.float64]:
        turned = np.ascontiguousarray(self.weights[start : start + BLOCK].T)  # as bytes: 3 times as fast as after
        return turned.astype(np.float64)


def count_patients(patients: Patients) -> int:
    """How many patients the rows (N,) are of."""
    return int(np.count_nonzero(np.bincount(patients)))


def too_few(patients: Patients, what: str) -> str:
    """Why rows of patients (N,) give no interval, or nothing. what: rows they are, "with positives" for example."""
    few = count_patients(patients) < FEWEST_PATIENTS
    return f"fewer than {FEWEST_PATIENTS} patients {what}" if few else ""


def quotients(parts: NDArray[Any], wholes: NDArray[Any]) -> NDArray[np.float64]:
    """Of each draw (draws,), NaN for a whole of 0: the draw had no case."""
    found: NDArray[np.float64] = np.divide(parts, wholes, out=np.full(len(parts), np.nan), where=wholes > 0)
    return found


def interval(value: float, drawn: NDArray[np.float64], method: str = METHOD) -> Estimate:
    """The value with the percentiles of what the draws gave (draws,); NaN, where a draw had no case, is left out."""
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn) or drawn.min() == drawn.max():
        return Estimate(value, blank=NO_SPREAD)
    low, high = np.percentile(drawn, PERCENTILES)
    return Estimate(value, float(low), float(high), method)


def difference(value: float, drawn: NDArray[np.float64]) -> Difference:
    """A difference with the percentiles of what the draws gave (draws,).

    The p-value is twice the share of the draws on the other side of 0, those at 0 and the value itself counted (Davison
    and Hinkley 1997, section 4.2): it is never below 2 / (draws + 1).
    """
    estimate = interval(value, drawn)
    if estimate.low is None:
        return Difference(estimate, None, METHOD)
    drawn = drawn[~np.isnan(drawn)]
    fewer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return Difference(estimate, min(1.0, 2 * (fewer + 1) / (len(drawn) + 1)), METHOD)
