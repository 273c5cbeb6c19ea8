"""A split that somebody has made already: a CSV of patients, so that others train and measure on the same ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.patients import patients_of
from hemoscope.datasets.splitting.split import Units, with_split
from hemoscope.reasons import UsageError

COLUMNS = ["patient", "split"]


def split_as_given(manifest: Manifest, path: Path) -> Manifest:
    """Give each patient the split that a CSV of `patient,split` names; the Manifest must have no split of ours yet.

    Patients that it does not name are in no split. Raises UsageError for a table that cannot be used.
    """
    given, patients = read_given(path), Units.of(manifest, patients_of(manifest))
    if not set(given) & set(patients.names):
        example = f", as {patients.names[0]}" if len(patients) else ""
        raise UsageError(f"{path} names no patient of the Manifest: they are called as in its column patient{example}.")
    splits = [given.get(name) for name in patients.names[patients.free]]
    return with_split(manifest, patients, np.array(splits, object))


def read_given(path: Path) -> dict[str, str]:
    """The split of each patient; raises UsageError for what is missing, empty or contradicts itself."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' own errors of parsing are ValueErrors
        raise UsageError(f"The split {path} cannot be read: it must be a CSV of {' and '.join(COLUMNS)}.") from error
    if missing := set(COLUMNS) - set(table.columns):
        raise UsageError(f"The split {path} has no column {', '.join(sorted(missing))}.")
    empty = np.flatnonzero((table[COLUMNS] == "").any(axis=1))
    if len(empty):
        raise UsageError(f"The split {path} has an empty cell in row {empty[0] + 1:,}.")
    table = table[COLUMNS].drop_duplicates()
    twice = table["patient"][table["patient"].duplicated()]
    if len(twice):
        raise UsageError(f"The split {path} puts {twice.iloc[0]} into two splits.")
    return dict(zip(table["patient"], table["split"], strict=True))
