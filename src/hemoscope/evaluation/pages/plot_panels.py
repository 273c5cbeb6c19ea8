"""A figure with a panel a finding: axes, colours, and the legend that says how many cases and patients there are."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.statistics.bootstrap import Draws, too_few
from hemoscope.evaluation.statistics.roc import missing_class
from hemoscope.findings import FINDINGS

INK, SOFT, LINE, PALE = "#1c2733", "#566372", "#b9c2cb", "#e6eaee"
# Okabe and Ito's colours, which people with any colour vision tell apart; of systems in the order given.
SYSTEM_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
LINES = ("-", (0, (5, 2)), (0, (5, 2, 1, 2)), (0, (1, 1.5)))  # for print without colour
REFERENCE = {"color": "#8a96a3", "linewidth": 0.9, "linestyle": (0, (4, 3)), "zorder": 1}  # what chance gives
ROWS, COLUMNS = 2, 3  # of panels
LONGEST_NAME = 22  # of a system in a legend

Systems = Mapping[str, Cases]  # by name; several have scored the same cases, in the same order


@dataclass(frozen=True, eq=False)
class Curve:
    """What one system says of one finding: labels, scores and patients are (N,); how its line looks."""

    system: str
    finding: int
    labels: NDArray[np.int8]
    scores: NDArray[np.float64]
    patients: NDArray[np.intp]
    look: dict[str, Any]

    @property
    def enough_patients(self) -> bool:
        """Whether there are enough on both sides for an interval."""
        return not any(too_few(self.patients[self.labels == side], "") for side in (0, 1))


DrawCurve = Callable[[Any, Curve], tuple[Any, str]]  # draws into axes; returns the line, and what the legend says of it


def panels(systems: Systems, draws: Draws, draw: DrawCurve, labels: tuple[str, str], legend_at: str) -> Figure:
    """Draw the curve of each system that scored a finding into its panel; a panel that stays empty says why.

    labels: of the axes, across and up. One system has the colours of the findings, several have their own.
    """
    figure = Figure(figsize=(10.8, 7.6), layout="constrained")
    axes_of_findings = figure.subplots(ROWS, COLUMNS, sharex=True, sharey=True).flat
    for finding, axes in enumerate(axes_of_findings):
        _prepare(axes, finding, labels)
        counted, reasons = "", []
        for place, (name, cases) in enumerate(systems.items()):
            look = _look(finding, place if len(systems) > 1 else None)
            prefix = f"{textwrap.shorten(name, LONGEST_NAME)}: " if len(systems) > 1 else ""
            if why := _missing(cases, finding):
                axes.plot([], [], label=prefix + why, **look)
                reasons.append(why)
                continue
            rows = cases.measured(finding)
            known, scores = cases.labels[rows, finding], cases.probabilities[rows, finding]
            curve = Curve(name, finding, known, scores, draws.codes[rows], look)
            line, said = draw(axes, curve)
            line.set_label(prefix + said)
            counted = _counted(curve)
        if counted:
            legend = axes.legend(title=counted, loc=legend_at, fontsize=8.5, title_fontsize=8.5, framealpha=0.85,
                                 edgecolor="none", alignment="left", labelcolor=INK)  # fmt: skip
            legend.get_title().set_color(INK)
        else:
            axes.text(0.5, 0.5, "\n".join(dict.fromkeys(reasons)), ha="center", va="center", fontsize=11, color=SOFT)
    return figure


def _missing(cases: Cases, finding: int) -> str:
    """Why there is no curve of a finding, or nothing."""
    if np.isnan(cases.probabilities[:, finding]).all():
        return "not scored"
    return missing_class(cases.labels[cases.measured(finding), finding])


def _prepare(axes: Any, finding: int, labels: tuple[str, str]) -> None:
    entry = FINDINGS[finding]
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_title(f"{entry.name.capitalize()} ({entry.abbreviation})", fontsize=11, color=INK, loc="left")
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, color=LINE, labelcolor=SOFT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    if finding >= len(FINDINGS) - COLUMNS:
        axes.set_xlabel(labels[0], fontsize=10, color=INK)
    if finding % COLUMNS == 0:
        axes.set_ylabel(labels[1], fontsize=10, color=INK)


def _look(finding: int, place: int | None) -> dict[str, Any]:
    """How the line of a system looks; place: among several."""
    if place is None:
        return {"color": FINDINGS[finding].colour, "linestyle": "-", "linewidth": 1.8}
    colour = SYSTEM_COLOURS[place % len(SYSTEM_COLOURS)]
    return {"color": colour, "linestyle": LINES[place % len(LINES)], "linewidth": 1.6}


def _counted(curve: Curve) -> str:
    positive = curve.labels == 1
    patients, with_it = (len(np.unique(of)) for of in (curve.patients, curve.patients[positive]))
    return f"{positive.sum():,} of {len(positive):,} positive, {with_it:,} of {patients:,} patients"
