"""ROC, precision-recall and reliability plots of a system, or of several on the same cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hemoscope.evaluation.pages.plot_panels import INK, MOST_WITH_AREAS, REFERENCE, SOFT, Curve, Systems, panels
from hemoscope.evaluation.statistics.bands import roc_band
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.statistics.reliability import brier, expected_calibration_error, reliability_bins
from hemoscope.evaluation.statistics.roc import precision_recall_curve, roc_curve
from hemoscope.findings import FINDINGS

Areas = Mapping[str, Sequence[Estimate]]  # of each system, six

DIGITS = 2  # of areas above panels; tables have more
MOST_POINTS = 1500  # of a curve; a picture shows no more
BINS_NOTE = (
    "Bins hold equal numbers of cases: the few high probabilities share the last bin, which may hide overconfidence.\n"
    "The PPV at 0.7 and 0.9 in the table of calls shows it."
)


def roc(systems: Systems, draws: Draws, areas: Areas, thresholds: Mapping[str, float] | None = None) -> Figure:
    """ROC curves with their 95% bands, as in Patel 2019, Figures 3 and 4; dots are the operating points of thresholds.

    draws: of the patients of the cases. areas: under the curves. thresholds: by finding. More than two systems have no
    bands, which would hide the curves.
    """

    def draw(axes: Any, one: Curve) -> tuple[Any, str]:
        axes.plot([0, 1], [0, 1], **REFERENCE)
        curve = roc_curve(one.labels, one.scores)
        assert curve is not None  # a curve has both classes
        (line,) = axes.plot(*_thinned(curve.false_positive_rates, curve.sensitivities), **one.look, zorder=3)
        if one.enough_patients and len(systems) <= MOST_WITH_AREAS:
            band = roc_band(one.labels, one.scores, one.patients, draws)
            axes.fill_between(band.false_positive_rates, band.low, band.high, color=one.look["color"], alpha=0.17, lw=0)
        threshold = (thresholds or {}).get(FINDINGS[one.finding].name)
        if threshold is not None:
            rates = [float((one.scores[one.labels == side] >= threshold).mean()) for side in (0, 1)]
            axes.plot(*rates, "o", color=one.look["color"], markersize=6, markeredgecolor=INK, zorder=4)
        return line, f"AUC {_short(areas[one.system][one.finding])}"

    return panels(systems, draws, draw, ("1 - specificity", "Sensitivity"))


def precision_recall(systems: Systems, draws: Draws, areas: Areas) -> Figure:
    """Precision-recall curves; the dashed line is the prevalence, which is the precision of chance.

    draws: of the patients of the cases. areas: under the curves, as average precisions (AP).
    """

    def draw(axes: Any, one: Curve) -> tuple[Any, str]:
        axes.axhline(float(one.labels.mean()), **REFERENCE)
        curve = precision_recall_curve(one.labels, one.scores)
        assert curve is not None  # a curve has both classes
        # From recall 0 on, as the average precision counts the area
        recalls, precisions = (np.insert(values, 0, first) for values, first in
                               ((curve.recalls, 0), (curve.precisions, curve.precisions[0])))  # fmt: skip
        recalls, precisions = _thinned(recalls, precisions)
        (line,) = axes.step(recalls, precisions, where="pre", **one.look, zorder=3)
        return line, f"AP {_short(areas[one.system][one.finding])}"

    return panels(systems, draws, draw, ("Sensitivity (recall)", "Positive predictive value (precision)"))


def reliability(systems: Systems, draws: Draws) -> Figure:
    """Reliability diagrams: how often cases have the finding beside how often they were said to; bins of equal mass.

    draws: of the patients of the cases, which the intervals of the points resample. ECE: expected calibration error.
    """

    def draw(axes: Any, one: Curve) -> tuple[Any, str]:
        axes.plot([0, 1], [0, 1], **REFERENCE)
        given = one.labels, one.scores, one.patients, draws
        bins = reliability_bins(*given)
        across, up = [found.predicted for found in bins], [found.observed.value for found in bins]
        (line,) = axes.plot(across, up, **one.look, marker="o", markersize=4, zorder=3)
        ranges = [(found.predicted, found.observed.low, found.observed.high) for found in bins]
        known = [(at, low, high) for at, low, high in ranges if low is not None]
        if known:
            axes.vlines(*zip(*known, strict=True), color=one.look["color"], alpha=0.45, linewidth=1.4, zorder=2)
        errors = brier(*given), expected_calibration_error(*given)
        return line, "Brier {}\nECE {}".format(*(_short(error) for error in errors))

    figure = panels(systems, draws, draw, ("Mean probability given", "Share with the finding"))
    figure.supxlabel(BINS_NOTE, fontsize=9, color=SOFT)
    return figure


def _short(area: Estimate) -> str:
    """An estimate above a panel, which has no room for the reason why there is no interval."""
    return f"{area.value:.{DIGITS}f}, no interval" if area.value is not None and area.low is None else area.text(DIGITS)


def _thinned(across: NDArray[np.float64], up: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A curve of at most MOST_POINTS points, ends among them."""
    if len(across) <= MOST_POINTS:
        return across, up
    kept = np.unique(np.linspace(0, len(across) - 1, MOST_POINTS).round().astype(np.intp))
    return across[kept], up[kept]
