"""The same measures in parts of the cases: by dataset, scanner, slice thickness, age and sex, where they are known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.ct.names import natural_key
from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.measures.measures import Interval, Measured, call_estimates, notes
from hemoscope.evaluation.measures.operating_points import OperatingPoint
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.table import Cell, Table
from hemoscope.findings import FINDINGS

AGES = (18, 40, 65)  # years at which a group begins
THICKNESSES = (2, 4, 6)  # mm
UNKNOWN_GROUP = "unknown"


def by_subgroup(cases: Cases, point: OperatingPoint, draws: Draws, interval: Interval) -> Table:
    """Areas, and sensitivity and specificity at an operating point, of each finding in each group.

    Groups without a case of a finding are left out, and so is what is known of no case or the same of all.
    """
    unit = f"{cases.level}s"
    rows: list[tuple[Cell, ...]] = []
    for variable, groups in _groups(cases.about).items():
        for group in _in_order(groups):
            inside = groups == group
            for finding, entry in enumerate(FINDINGS):
                part = Measured.of(cases, finding, draws, inside)
                if len(part.labels):
                    threshold = point.thresholds[finding]
                    calls = call_estimates(part, threshold, ("sensitivity", "specificity"), interval)
                    counts = (len(part.labels), int((part.labels == 1).sum()), len(np.unique(part.patients)))
                    rows.append((variable, group, entry.name, *counts, part.auc(), *calls))
    columns = ("by", "group", "finding", unit, f"positive {unit}", "patients", "ROC AUC", "sensitivity", "specificity")
    called = f"Calls at the operating point: {point.name}."
    return Table(f"{unit}_subgroups", f"Subgroups of {unit}", columns, tuple(rows), (called, *notes(cases)))


def _groups(about: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """The group (N,) of each case by each variable, where there is more than one."""
    known = {
        "dataset": about["dataset"],
        "scanner": about["scanner"],
        "slice thickness": _binned(about["thickness_mm"], THICKNESSES, "mm"),
        "age": _binned(about["age"], AGES, "years"),
        "sex": about["sex"],
    }
    return {
        name: np.asarray(values.astype(object).where(values.notna(), UNKNOWN_GROUP))
        for name, values in known.items()
        if values.nunique(dropna=False) > 1
    }


def _binned(values: pd.Series, starts: Sequence[int], unit: str) -> pd.Series:
    """Numbers as "below 18 years", "18 to below 40 years", ..."""
    between = [f"{low} to below {high} {unit}" for low, high in pairwise(starts)]
    labels = [f"below {starts[0]} {unit}", *between, f"{starts[-1]} {unit} and above"]
    return pd.cut(values.astype(np.float64), [-np.inf, *starts, np.inf], right=False, labels=labels)


def _in_order(groups: NDArray[Any]) -> list[str]:
    """Groups as people count, what is unknown last."""
    return sorted(
        set(groups), key=lambda name: (name == UNKNOWN_GROUP, not name.startswith("below"), natural_key(name))
    )
