"""The cases that several systems have scored, row by row the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.evaluation.matching.case_files import FILES, read_cases
from hemoscope.evaluation.matching.cases import Cases, Level
from hemoscope.evaluation.table import Cell, Table
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

Systems = Mapping[str, Cases]  # by name
OPTIONS = {"slices.csv": "--predictions", "scans.csv": "--scans"}  # of `hemoscope evaluate`, for what systems write


def read_systems(folders: Sequence[Path]) -> dict[Level, dict[str, Cases]]:
    """The cases of each level that every folder has, by the name of the folder.

    Raises UsageError for a folder of predictions, for fewer than two folders, for two of one name, and where no level
    is in all of them.
    """
    _refuse_predictions(folders)
    names = _names(folders)
    if len(folders) < 2:
        raise UsageError("Give at least two folders that `hemoscope evaluate` wrote: there is nothing to compare.")
    found: dict[Level, dict[str, Cases]] = {}
    for level, file in FILES.items():
        there = [folder for folder in folders if (folder / file).exists()]
        if len(there) == len(folders):
            found[level] = {name: read_cases(folder / file) for name, folder in zip(names, folders, strict=True)}
    if not found:
        lacking = next(folder for folder in folders if not all((folder / file).exists() for file in FILES.values()))
        wanted = " or ".join(FILES.values())
        raise UsageError(
            f"The folders have no {wanted} in common ({lacking} lacks one): run `hemoscope evaluate` first."
        )
    return found


def on_other_patients(systems: Systems) -> bool:
    """Whether no patient is among the cases of two systems, so that nothing can be paired."""
    patients = [np.unique(cases.patients) for cases in systems.values()]
    return len(np.unique(np.concatenate(patients))) == sum(map(len, patients))


def shared_cases(systems: Systems) -> dict[str, Cases]:
    """The cases that all systems have, in one order; of each finding, what all systems that score it have scored.

    Raises UsageError where none is shared, and where labels or patients differ: then the truth was not the same.
    """
    (first, reference), *others = systems.items()
    names = set(reference.names)
    for _, cases in others:
        names &= set(cases.names)
    unit = f"{reference.level}s"
    if not names:
        raise UsageError(f"The systems share no {unit}: they were evaluated on other data, or on other splits.")
    shared = {name: _in_order(name, cases, sorted(names)) for name, cases in systems.items()}
    for name, _ in others:
        _check_truth(first, name, shared[first], shared[name])
    scored = _scored_by_all(list(shared.values()))
    return {
        name: replace(cases, probabilities=np.where(scored, cases.probabilities, np.nan))
        for name, cases in shared.items()
    }


def shared_table(level: Level, systems: Systems, shared: Systems) -> Table:
    """How many cases each system has, and how many all have; of each finding, how many were compared."""
    unit = f"{level}s"
    rows: list[tuple[Cell, ...]] = []
    for name, cases in systems.items():
        kept = shared[name]
        compared = [int((~np.isnan(column)).sum()) or None for column in kept.probabilities.T]
        rows.append(
            (name, len(cases), len(np.unique(cases.patients)), len(kept), len(np.unique(kept.patients)), *compared)
        )
    columns = ("system", unit, "patients", f"shared {unit}", "shared patients", *FINDING_NAMES)
    note = f"Under each finding: the shared {unit} that every system which scores it has scored; a dash: not scored."
    return Table(f"{unit}_shared", f"The {unit} that are compared", columns, tuple(rows), (note,))


def _refuse_predictions(folders: Sequence[Path]) -> None:
    """Raise UsageError for a folder that holds what a system predicts, but no evaluation of it."""
    for folder in folders:
        if any((folder / file).exists() for file in FILES.values()):
            continue
        for file, option in OPTIONS.items():
            if (folder / file).exists():
                command = f"hemoscope evaluate {option} {folder / file} --manifest M --out OTHER"
                raise UsageError(f"{folder} holds predictions, which are not evaluated yet: run `{command}` first.")


def _names(folders: Sequence[Path]) -> list[str]:
    """What to call each system: its folder; raises UsageError where two are called the same."""
    names = [folder.resolve().name for folder in folders]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is None:
        return names
    names = [f"{folder.resolve().parent.name}/{folder.resolve().name}" for folder in folders]
    if len(set(names)) < len(names):
        raise UsageError(f"Two of the folders are called {twice}: rename one, so that tables can tell them apart.")
    return names


def _in_order(name: str, cases: Cases, names: Sequence[str]) -> Cases:
    index = pd.Index(cases.names)
    if index.has_duplicates:
        repeated = index[index.duplicated()][0]
        raise UsageError(f"{name} has the {cases.level} {repeated} twice: evaluate it again.")
    return cases.take(index.get_indexer(pd.Index(names)))


def _check_truth(first: str, second: str, a: Cases, b: Cases) -> None:
    """Raise UsageError where two systems were measured against other labels, or other patients."""
    for what, differ in (("labels", (a.labels != b.labels).any(axis=1)), ("patients", a.patients != b.patients)):
        rows = np.flatnonzero(differ)
        if len(rows):
            sentence = f"{first} and {second} have other {what} for {len(rows):,} of {len(a):,} shared {a.level}s"
            raise UsageError(f"{sentence} (first: {a.names[rows[0]]}): evaluate both with the same Manifest.")


def _scored_by_all(cases: Sequence[Cases]) -> NDArray[np.bool_]:
    """Which probabilities (N, 6) are there for every system that scores the finding at all."""
    there = np.stack([~np.isnan(one.probabilities) for one in cases])  # (systems, N, 6)
    scores_it = there.any(axis=1, keepdims=True)
    return np.asarray((there | ~scores_it).all(axis=0))
