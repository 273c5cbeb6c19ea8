"""The curves from held-out logits to probabilities: a line a finding, one temperature, or isotonic regression."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from sklearn.isotonic import IsotonicRegression

from hemoscope.detector.curves import UNCHANGED, Curves, Isotonic, Line
from hemoscope.findings import FINDING_NAMES

# A finding that the network cannot rank gets nearly the same probability everywhere, and its order is kept.
SMALLEST_SLOPE = 1e-4
LARGEST_SLOPE = 1e4

Logits = NDArray[np.float32]
Labels = NDArray[np.integer[Any]]
Method = Literal["platt", "temperature", "isotonic"]


def platt(logits: Logits, labels: Labels) -> Curves:
    """Fit a logistic line a finding; a weak prior (slope 1 +- 0.5, intercept 0 +- 5) steadies the rare ones.

    logits, labels: [row, finding]. A finding without a logit and a label keeps the line that changes nothing.
    """

    def line(x: Logits, y: Labels) -> Line:
        def cost(parameters: NDArray[np.float64]) -> float:
            slope, intercept = np.exp(parameters[0]), parameters[1]
            return _loss(slope * x + intercept, y) + _slope_prior(slope) + float(0.5 * (intercept / 5) ** 2)

        found = minimize(cost, np.zeros(2), method="Nelder-Mead").x
        return Line(max(round(float(np.exp(found[0])), 4), SMALLEST_SLOPE), round(float(found[1]), 4))

    return Curves(tuple(line(x, y) if len(x) else UNCHANGED for x, y in _known(logits, labels)))


def temperature(logits: Logits, labels: Labels) -> Curves:
    """Fit one slope, 1 / temperature, for all findings together (Guo et al. 2017, section 4.2); the prior is Platt's.

    logits, labels: [row, finding].
    """
    known = list(_known(logits, labels))

    def cost(log_slope: float) -> float:
        slope = float(np.exp(log_slope))
        return sum(_loss(slope * x, y) for x, y in known) + _slope_prior(slope)

    found = minimize_scalar(cost, bounds=(np.log(SMALLEST_SLOPE), np.log(LARGEST_SLOPE)), method="bounded").x
    return Curves((Line(round(float(np.exp(found)), 4), 0.0),) * len(FINDING_NAMES))


def isotonic(logits: Logits, labels: Labels) -> Curves:
    """Fit a curve a finding that never falls (Zadrozny and Elkan 2002), with a case more of each class.

    A negative at the highest logit and a positive at the lowest keep every probability from 0 and 1, as Laplace's rule
    of succession does. logits, labels: [row, finding]. A finding without a logit and a label is not changed.
    """

    def curve(x: Logits, y: Labels) -> Isotonic:
        regression = IsotonicRegression()
        regression.fit(np.append(x.astype(float), [x.max(), x.min()]), np.append(y, [0, 1]))
        return Isotonic(tuple(regression.X_thresholds_.tolist()), tuple(regression.y_thresholds_.tolist()))

    return Curves(tuple(curve(x, y) if len(x) else UNCHANGED for x, y in _known(logits, labels)))


METHODS: Mapping[Method, Callable[[Logits, Labels], Curves]] = {
    "platt": platt,
    "temperature": temperature,
    "isotonic": isotonic,
}


def _known(logits: Logits, labels: Labels) -> Iterator[tuple[Logits, Labels]]:
    """Logits and labels of each finding, of the rows that have both."""
    for finding in range(len(FINDING_NAMES)):
        known = (labels[:, finding] >= 0) & np.isfinite(logits[:, finding])
        yield logits[known, finding], labels[known, finding]


def _loss(line: NDArray[np.floating[Any]], labels: Labels) -> float:
    """Log loss of all rows together."""
    return float((np.logaddexp(0, line) - labels * line).sum())


def _slope_prior(slope: float) -> float:
    return float(0.5 * ((slope - 1) / 0.5) ** 2)
