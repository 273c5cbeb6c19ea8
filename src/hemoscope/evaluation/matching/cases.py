"""Slices, or scans, with what is true of them and what a system says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.findings import FINDING_NAMES

UNKNOWN = -1  # of a label
Level = Literal["slice", "scan"]


@dataclass(frozen=True, eq=False)
class Cases:
    """One row a slice, or one a scan; several rows may be of one patient.

    names: (N,) what to call each row in a table. patients: (N,) name of the patient; rows whose patient is unknown have
    a name of their own scan. scans: (N,) name of the scan. labels: int8 (N, 6), 0, 1 or UNKNOWN. probabilities:
    float64 (N, 6), NaN where a system does not score a finding or a slice. about: the Manifest's columns that subgroups
    are made of (dataset, scanner, thickness_mm, age, sex, slice, position_mm, path, ...), NaN or null where unknown.
    """

    level: Level
    names: NDArray[Any]
    patients: NDArray[Any]
    scans: NDArray[Any]
    labels: NDArray[np.int8]
    probabilities: NDArray[np.float64]
    about: pd.DataFrame

    def __post_init__(self) -> None:
        shape = (len(self.names), len(FINDING_NAMES))
        if self.labels.shape != shape or self.probabilities.shape != shape:
            raise ValueError(f"labels and probabilities must be {shape}")
        if not len(self.names) == len(self.patients) == len(self.scans) == len(self.about):
            raise ValueError("names, patients, scans and about must have a row each")
        if not np.isin(self.labels, (0, 1, UNKNOWN)).all():
            raise ValueError("labels are 0, 1 or unknown")
        known = self.probabilities[~np.isnan(self.probabilities)]
        if ((known < 0) | (known > 1)).any():
            raise ValueError("probabilities are in [0, 1]")

    def __len__(self) -> int:
        return len(self.names)

    def measured(self, finding: int) -> NDArray[np.bool_]:
        """Rows (N,) whose label of the finding is known and which the system scored for it."""
        there: NDArray[np.bool_] = (self.labels[:, finding] != UNKNOWN) & ~np.isnan(self.probabilities[:, finding])
        return there

    def take(self, rows: NDArray[np.integer[Any]] | NDArray[np.bool_]) -> Cases:
        """Some of the rows, in the order given."""
        return Cases(
            self.level, self.names[rows], self.patients[rows], self.scans[rows], self.labels[rows],
            self.probabilities[rows], self.about.iloc[rows].reset_index(drop=True),
        )  # fmt: skip
