"""ROC, precision-recall and reliability plots of a system, or of several on the same cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hemoscope.evaluation.bands import roc_band
from hemoscope.evaluation.bootstrap import Draws
from hemoscope.evaluation.estimate import Estimate
from hemoscope.evaluation.plot_panels import INK, REFERENCE, Curve, Systems, panels
from hemoscope.evaluation.roc import precision_recall_curve, roc_curve
from hemoscope.findings import FINDINGS

Areas = Mapping[str, Sequence[Estimate]]  # of each system, six

DIGITS = 2  # of areas in legends; tables have more
MOST_POINTS = 1500  # of a curve; a picture shows no more


def roc(systems: Systems, draws: Draws, areas: Areas, thresholds: Mapping[str, float] | None = None) -> Figure:
    """ROC curves with their 95% bands, as in Patel 2019, Figures 3 and 4; dots are the operating points of thresholds.

    draws: of the patients of the cases. areas: under the curves. thresholds: by finding.
    """

    def draw(axes: Any, one: Curve) -> tuple[Any, str]:
        axes.plot([0, 1], [0, 1], **REFERENCE)
        area = areas[one.system][one.finding]
        curve = roc_curve(one.labels, one.scores)
        assert curve is not None  # a curve has both classes
        (line,) = axes.plot(*_thinned(curve.false_positive_rates, curve.sensitivities), **one.look, zorder=3)
        if one.enough_patients:
            band = roc_band(one.labels, one.scores, one.patients, draws)
            axes.fill_between(band.false_positive_rates, band.low, band.high, color=one.look["color"], alpha=0.17, lw=0)
        threshold = (thresholds or {}).get(FINDINGS[one.finding].name)
        if threshold is not None:
            rates = [float((one.scores[one.labels == side] >= threshold).mean()) for side in (0, 1)]
            axes.plot(*rates, "o", color=one.look["color"], markersize=6, markeredgecolor=INK, zorder=4)
        return line, f"AUC {area.text(DIGITS)}"

    return panels(systems, draws, draw, ("1 - specificity", "Sensitivity"), "lower right")


def precision_recall(systems: Systems, draws: Draws, areas: Areas) -> Figure:
    """Precision-recall curves; the dashed line is the prevalence, which is the precision of chance.

    draws: of the patients of the cases. areas: under the curves, as average precisions (AP).
    """

    def draw(axes: Any, one: Curve) -> tuple[Any, str]:
        axes.axhline(float(one.labels.mean()), **REFERENCE)
        curve = precision_recall_curve(one.labels, one.scores)
        assert curve is not None  # a curve has both classes
        recalls, precisions = _thinned(curve.recalls, curve.precisions)
        (line,) = axes.step(recalls, precisions, where="pre", **one.look, zorder=3)
        return line, f"AP {areas[one.system][one.finding].text(DIGITS)}"

    return panels(systems, draws, draw, ("Sensitivity (recall)", "Positive predictive value (precision)"), "best")


def _thinned(across: NDArray[np.float64], up: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A curve of at most MOST_POINTS points, ends among them."""
    if len(across) <= MOST_POINTS:
        return across, up
    kept = np.unique(np.linspace(0, len(across) - 1, MOST_POINTS).round().astype(np.intp))
    return across[kept], up[kept]
