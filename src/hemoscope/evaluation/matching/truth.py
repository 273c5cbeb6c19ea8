"""What a Manifest says of its slices and scans, to put beside what a system says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.patients import patients_of
from hemoscope.evaluation.matching.cases import UNKNOWN, Cases, Level
from hemoscope.evaluation.matching.targets import Targets, texts

OF_PATIENTS = ("age", "sex")
OF_SCANS = ("dataset", "study", "series", "split", "scanner", "thickness_mm", *OF_PATIENTS)
OF_SLICES = ("slice", "position_mm", "sop_instance_uid", "path", "frame")
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Truth:
    """The rows of a Manifest, in an order that does not depend on that in its file.

    So nothing that is drawn at random, and no table, changes with the order of rows.
    """

    manifest: Manifest

    @classmethod
    def of(cls, manifest: Manifest) -> Truth:
        """Sort a Manifest by scan and number of the slice, and what ties by file and frame or UID."""
        places = pd.DataFrame(
            {
                "scan": pd.factorize(manifest.scans.to_pandas(), sort=True)[0],
                "slice": pc.fill_null(manifest.table["slice"], -1).to_numpy(),
                "tie": 0,
            }
        )
        tied = np.flatnonzero(places.duplicated(keep=False))
        names = pc.coalesce(manifest.keys, manifest.table["sop_instance_uid"].combine_chunks()).take(pa.array(tied))
        places.loc[tied, "tie"] = pd.factorize(names.to_pandas(), sort=True)[0]
        order = np.lexsort([places["tie"], places["slice"], places["scan"]])
        return cls(manifest if (np.diff(order) == 1).all() else manifest.take(order))

    @cached_property
    def targets(self) -> Targets:
        """The names of the rows."""
        return Targets(self.manifest)

    @cached_property
    def patients(self) -> NDArray[Any]:
        """The patient of each row; where it is unknown, a name of the scan's own."""
        known = patients_of(self.manifest)
        return texts(pc.coalesce(known, self.manifest.scans))

    @cached_property
    def is_loose(self) -> NDArray[np.bool_]:
        """Which rows are of no known scan."""
        return np.asarray(self.manifest.table["series"].is_null())

    @cached_property
    def is_first_of_scan(self) -> NDArray[np.bool_]:
        """Which rows stand for their scan: the first of each."""
        return np.isin(np.arange(len(self.manifest)), self.targets.first_rows)

    def rows_in(self, splits: Sequence[str]) -> NDArray[np.bool_]:
        """Which rows are in one of these splits; all where none is named."""
        return self.manifest.in_splits(*splits) if splits else np.ones(len(self.manifest), np.bool_)

    def scans_in(self, splits: Sequence[str]) -> NDArray[np.bool_]:
        """Of which rows the scan has rows in these splits and in no other; all where none is named."""
        if not splits:
            return self.rows_in(splits)
        inside = self.rows_in(splits)
        outside = ~inside & np.asarray(self.manifest.table["split"].is_valid())
        of = self.targets.scan_of
        return np.asarray(self.scans_touching(splits) & (np.bincount(of, outside) == 0)[of])

    def scans_touching(self, splits: Sequence[str]) -> NDArray[np.bool_]:
        """Of which rows the scan has a row in one of these splits."""
        of = self.targets.scan_of
        return np.asarray((np.bincount(of, self.rows_in(splits)) > 0)[of])

    def names(self, rows: Rows, level: Level) -> list[str]:
        """What to call the slices, or the scans, of these rows."""
        return [str(name) for name in _names(self._part(rows), level)]

    def slices(self, rows: Rows, probabilities: NDArray[np.float64]) -> Cases:
        """Cases of these rows; probabilities (N, 6)."""
        part = self._part(rows)
        about = _about(part, (*OF_SCANS, *OF_SLICES)).assign(key=part.keys.to_pandas())
        names, scans = _names(part, "slice"), texts(part.scans)
        return Cases("slice", names, self.patients[rows], scans, part.labels, probabilities, about)

    def scans(self, rows: Rows, probabilities: NDArray[np.float64]) -> Cases:
        """Cases of the scans that these rows, one a scan, are of; probabilities (N, 6).

        Labels are those of the scan in the Manifest, which collections derive from the slices where they can: one that
        is unknown there is of a scan whose slices are not all known, and is 1 where one of them is positive, never 0.
        """
        part = self._part(rows)
        scans = self.targets.scan_of
        own = part.scan_labels
        labels = np.where((own == UNKNOWN) & self._has_positive_slice[scans[rows]], 1, own).astype(np.int8)
        about = _about(part, OF_SCANS).assign(
            slices=np.bincount(scans, self.manifest.is_slice).astype(int)[scans[rows]],
            partly_known=((own == UNKNOWN) & (labels == 1)).any(axis=1),
        )
        names = _names(part, "scan")
        return Cases("scan", names, self.patients[rows], names, labels, probabilities, about)

    @cached_property
    def _has_positive_slice(self) -> NDArray[np.bool_]:
        """Which scans have a slice with each finding: (scans, 6)."""
        scans = self.targets.scan_of
        return np.stack([np.bincount(scans, column == 1) > 0 for column in self.manifest.labels.T], axis=1)

    def _part(self, rows: Rows) -> Manifest:
        """These rows of the Manifest; all of them need no copy."""
        return self.manifest if np.array_equal(rows, np.arange(len(self.manifest))) else self.manifest.take(rows)


def _names(part: Manifest, level: Level) -> NDArray[Any]:
    keys = pc.coalesce(part.keys, part.table["sop_instance_uid"], part.scans) if level == "slice" else part.scans
    return texts(keys)


def _about(part: Manifest, columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({name: part.table[name].to_pandas() for name in columns})
