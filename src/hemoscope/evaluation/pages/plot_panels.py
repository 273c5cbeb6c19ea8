"""A figure with a panel a finding: axes, colours, and what stands above each panel and below all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.statistics.bootstrap import Draws, too_few
from hemoscope.evaluation.statistics.roc import missing_class
from hemoscope.findings import FINDINGS

INK, SOFT, LINE, PALE = "#1c2733", "#566372", "#b9c2cb", "#e6eaee"
# Okabe and Ito's colours, which people with any colour vision tell apart; of systems in the order given.
SYSTEM_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
LINES = ("-", (0, (5, 2)), (0, (5, 2, 1, 2)), (0, (1, 1.5)))  # for print without colour
REFERENCE = {"color": "#8a96a3", "linewidth": 0.9, "linestyle": (0, (4, 3)), "zorder": 1}  # what chance gives
ROWS, COLUMNS = 2, 3  # of panels
MOST_WITH_AREAS = 2  # systems; of more there is room for the curves alone, and tables have the areas
SMALL, LINE_POINTS = 8.5, 11.5  # text above a panel, and how high a line of it is
LETTERS = 150  # that fit across the figure

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


def panels(systems: Systems, draws: Draws, draw: DrawCurve, labels: tuple[str, str]) -> Figure:
    """Draw the curve of each system that scored a finding into its panel; a panel that stays empty says why.

    labels: of the axes, across and up. One system has the colours of the findings, several have their own. Nothing is
    written into a panel with curves: counts and areas stand above it, the names of several systems below the figure.
    """
    figure = Figure(figsize=(10.8, 9), layout="constrained")
    several = len(systems) > 1
    looks = {name: _system_look(place) for place, name in enumerate(systems)}
    all_axes = list(figure.subplots(ROWS, COLUMNS, sharex=True, sharey=True).flat)
    lines = 0  # above the panels
    for finding, axes in enumerate(all_axes):
        _prepare(axes, finding, labels)
        counted, reasons, handles = "", [], []
        for name, cases in systems.items():
            look = looks[name] if several else _finding_look(finding)
            if why := _missing(cases, finding):
                handles.extend(axes.plot([], [], label=why, **look))
                reasons.append(why)
                continue
            rows = cases.measured(finding)
            known, scores = cases.labels[rows, finding], cases.probabilities[rows, finding]
            curve = Curve(name, finding, known, scores, draws.codes[rows], look)
            line, said = draw(axes, curve)
            line.set_label(said)
            handles.append(line)
            counted = _counted(curve)
        if not counted:
            axes.text(0.5, 0.5, "\n".join(dict.fromkeys(reasons)), ha="center", va="center", fontsize=11, color=SOFT)
        elif len(systems) <= MOST_WITH_AREAS:
            lines = max(lines, _write_above(axes, counted, handles))
        else:
            some = f"\ncurves of {len(systems) - len(reasons)} of {len(systems)} systems" if reasons else ""
            lines = max(lines, _write_above(axes, counted + some, []))
    for entry, axes in zip(FINDINGS, all_axes, strict=True):
        title = f"{entry.name.capitalize()} ({entry.abbreviation})"
        axes.set_title(title, fontsize=11, color=INK, loc="left", pad=6 + LINE_POINTS * lines)
    if several:
        _name_below(figure, looks)
    return figure


def _write_above(axes: Any, counted: str, handles: Sequence[Any]) -> int:
    """Write counts, and what is said of curves, between a panel and its title; returns how many lines they take."""
    legend = axes.legend(handles=handles, title=counted, loc="lower left", bbox_to_anchor=(0, 1), fontsize=SMALL,
                         title_fontsize=SMALL, frameon=False, alignment="left", labelcolor=INK, borderpad=0,
                         borderaxespad=0.3, labelspacing=0.25)  # fmt: skip
    legend.get_title().set_color(SOFT)
    return sum(1 + text.count("\n") for text in (counted, *(handle.get_label() for handle in handles)))


def _name_below(figure: Figure, looks: Mapping[str, Mapping[str, Any]]) -> None:
    """One legend of all systems below the panels, with their full names."""
    handles = [Line2D([], [], **look) for look in looks.values()]
    columns = max(1, min(len(looks), LETTERS // (max(map(len, looks)) + 10)))
    legend = figure.legend(handles, list(map(str, range(len(looks)))), loc="outside lower center", ncols=columns,
                           fontsize=9.5, frameon=False, labelcolor=INK, handlelength=3.2)  # fmt: skip
    for text, name in zip(legend.get_texts(), looks, strict=True):
        text.set(text=name, parse_math=False)  # as it is: matplotlib hides a label with a leading _ and reads $ as TeX
    figure.draw_without_rendering()  # a first round of the layout, which leaves too little room for the legend


def _missing(cases: Cases, finding: int) -> str:
    """Why there is no curve of a finding, or nothing."""
    if np.isnan(cases.probabilities[:, finding]).all():
        return "not scored"
    return missing_class(cases.labels[cases.measured(finding), finding])


def _prepare(axes: Any, finding: int, labels: tuple[str, str]) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9, color=LINE, labelcolor=SOFT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    if finding >= len(FINDINGS) - COLUMNS:
        axes.set_xlabel(labels[0], fontsize=10, color=INK)
    if finding % COLUMNS == 0:
        axes.set_ylabel(labels[1], fontsize=10, color=INK)


def _finding_look(finding: int) -> dict[str, Any]:
    return {"color": FINDINGS[finding].colour, "linestyle": "-", "linewidth": 1.8}


def _system_look(place: int) -> dict[str, Any]:
    """How the line of one of several systems looks, in every panel."""
    colour = SYSTEM_COLOURS[place % len(SYSTEM_COLOURS)]
    return {"color": colour, "linestyle": LINES[place % len(LINES)], "linewidth": 1.6}


def _counted(curve: Curve) -> str:
    positive = curve.labels == 1
    patients, with_it = (len(np.unique(of)) for of in (curve.patients, curve.patients[positive]))
    return f"{positive.sum():,} of {len(positive):,} positive, {with_it:,} of {patients:,} patients"
