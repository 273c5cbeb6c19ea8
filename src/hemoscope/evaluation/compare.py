"""Systems compared on the cases that all of them have scored: tables, curves and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from hemoscope.evaluation.matching.cases import Cases, Level
from hemoscope.evaluation.matching.shared_cases import on_other_patients, read_systems, shared_cases, shared_table
from hemoscope.evaluation.measures.measures import Measured, notes
from hemoscope.evaluation.output_folder import OutputFolder
from hemoscope.evaluation.pages.pages import render, write_figures
from hemoscope.evaluation.pages.plots import precision_recall, roc
from hemoscope.evaluation.pairs import compare_apart, compare_pairs, differences_table
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Cell, Table
from hemoscope.evaluation.table_files import files_of
from hemoscope.findings import FINDINGS
from hemoscope.reasons import UsageError

THRESHOLD = 0.5
PAGE = "comparison.html"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Systems on one level. figures: by the name of their files."""

    level: Level
    tables: tuple[Table, ...]
    figures: Mapping[str, Figure]


def compare(folders: Sequence[Path], threshold: float = THRESHOLD) -> tuple[tuple[str, ...], list[Comparison]]:
    """Compare what `hemoscope evaluate` wrote into folders: (the names of the systems, slices and scans).

    threshold: from which a case is called positive. Systems that were measured on other patients are compared on scans
    alone. Raises UsageError where there is nothing to compare.
    """
    if not 0 < threshold < 1:
        raise UsageError(f"A threshold is a probability between 0 and 1, not {threshold:g}.")
    found = read_systems(folders)
    names = tuple(next(iter(found.values())))
    comparisons = []
    for level, systems in found.items():
        if not on_other_patients(systems):
            comparisons.append(_compare_level(level, systems, threshold))
        elif level == "scan":
            comparisons.append(_compare_apart(systems))
    if not comparisons:
        raise UsageError("The systems were measured on slices of other patients: only scans could be compared.")
    return names, comparisons


def write_comparison(names: Sequence[str], comparisons: Sequence[Comparison], folder: OutputFolder) -> None:
    """Write the tables (`tables/NAME.csv`, `.md`, `.tex`), the figures (`plots/NAME.png`, `.svg`) and the page."""
    levels = []
    for one in comparisons:
        for table in one.tables:
            for name, content in files_of(table).items():
                folder.write(f"tables/{name}", content)
        levels.append((one, write_figures(one.figures, folder)))
    folder.write(
        PAGE, render("comparison.html.j2", title=f"Comparison of {_listed(names)}", names=names, levels=levels)
    )


def _compare_level(level: Level, systems: Mapping[str, Cases], threshold: float) -> Comparison:
    shared = shared_cases(systems)
    draws = Draws.of(next(iter(shared.values())).patients)
    measured = {name: _measured(cases, draws) for name, cases in shared.items()}
    areas = {name: [one.areas() for one in of] for name, of in measured.items()}
    table = _areas_table(level, shared, measured, areas)
    pairs = differences_table(level, compare_pairs(shared, draws, threshold), threshold)
    thresholds = dict.fromkeys((entry.name for entry in FINDINGS), threshold)
    figures = {
        f"{level}s_roc": roc(shared, draws, {name: [roc for roc, _ in of] for name, of in areas.items()}, thresholds),
        f"{level}s_precision_recall": precision_recall(
            shared, draws, {name: [precision for _, precision in of] for name, of in areas.items()}
        ),
    }
    return Comparison(level, (shared_table(level, systems, shared), table, pairs), figures)


def _compare_apart(systems: Mapping[str, Cases]) -> Comparison:
    """Scans of other patients in each system."""
    measured = {name: _measured(cases, Draws.of(cases.patients)) for name, cases in systems.items()}
    areas = {name: [one.areas() for one in of] for name, of in measured.items()}
    table = _areas_table("scan", systems, measured, areas)
    return Comparison("scan", (table, differences_table("scan", compare_apart(measured), None)), {})


def _measured(cases: Cases, draws: Draws) -> list[Measured]:
    return [Measured.of(cases, place, draws) for place in range(len(FINDINGS))]


def _areas_table(
    level: Level,
    systems: Mapping[str, Cases],
    measured: Mapping[str, Sequence[Measured]],
    areas: Mapping[str, Sequence[tuple[Estimate, Estimate]]],
) -> Table:
    """A row a finding and system that scores it."""
    rows: list[tuple[Cell, ...]] = []
    for place, entry in enumerate(FINDINGS):
        for name, cases in systems.items():
            if not np.isnan(cases.probabilities[:, place]).all():
                labels = measured[name][place].labels
                rows.append((entry.name, name, len(labels), int((labels == 1).sum()), *areas[name][place]))
    columns = ("finding", "system", f"{level}s", "positive", "ROC AUC", "PR AUC")
    title = f"Areas under the curves of {level}s"
    return Table(f"{level}s_areas", title, columns, tuple(rows), notes(next(iter(systems.values()))))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}"
