"""Counts over the rows of a Manifest: slices, and the scans and patients that they are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.patients import patients_of, scan_names
from hemoscope.findings import ANY

NO_SPLIT = "none"
SPLIT_ORDER = ("train", "validation", "test")  # folds after them, slices in no split last


@dataclass(frozen=True, eq=False)
class Rows:
    """A Manifest as arrays, a place a row.

    patient, scan: numbers, -1 where the patient is unknown and for loose slices. labels: of slices; positive: in the
    slice or anywhere in its scan; both [row, finding]. is_slice: False for a row that stands for a scan without slices.
    """

    patient: NDArray[np.intp]
    scan: NDArray[np.intp]
    labels: NDArray[np.int8]
    scan_labels: NDArray[np.int8]
    is_slice: NDArray[np.bool_]
    dataset: NDArray[Any]
    split: NDArray[Any]

    @classmethod
    def of(cls, manifest: Manifest) -> Rows:
        """The rows of a Manifest."""
        table = manifest.table
        return cls(
            _numbers(patients_of(manifest)),
            _numbers(scan_names(manifest)),
            manifest.labels,
            manifest.scan_labels,
            manifest.is_slice,
            table["dataset"].to_pandas().to_numpy(object),
            pc.fill_null(table["split"], NO_SPLIT).to_pandas().to_numpy(object),
        )

    @property
    def positive(self) -> NDArray[np.bool_]:
        """Findings in the slice or anywhere in its scan: bool [row, finding]."""
        return np.asarray((self.labels == 1) | (self.scan_labels == 1))

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Slices of which a label is known: bool [row]."""
        return np.asarray((self.labels != UNKNOWN).any(axis=1))

    @property
    def scan_negative(self) -> NDArray[np.bool_]:
        """Rows of scans that are known to have no hemorrhage: bool [row]."""
        return np.asarray((self.scan_labels[:, ANY] == 0) & ~self.positive[:, ANY])

    @property
    def everything(self) -> NDArray[np.bool_]:
        """All rows: bool [row]."""
        return np.ones(len(self.split), bool)

    @property
    def parts(self) -> list[tuple[str, NDArray[np.bool_]]]:
        """Each split and its rows, without the rows in no split; all rows where nothing is split."""
        if not set(self.splits) - {NO_SPLIT, "test"}:  # "test" alone is the collections' own
            return [("all", self.everything)]
        return [(name, self.split == name) for name in self.splits if name != NO_SPLIT]

    @property
    def labelled_parts(self) -> list[tuple[str, NDArray[np.bool_]]]:
        """`parts` without those of which no `any` is known, of slices or scans: a challenge's own test set."""
        known = (self.labels[:, ANY] != UNKNOWN) | (self.scan_labels[:, ANY] != UNKNOWN)
        return [(name, inside) for name, inside in self.parts if (inside & known).any()]

    @property
    def splits(self) -> list[str]:
        """The splits that there are, in the order to print."""
        found = [str(name) for name in pd.unique(self.split)]
        return sorted(found, key=lambda name: (name == NO_SPLIT, _place(name), len(name), name))

    def slices(self, chosen: NDArray[np.bool_]) -> int:
        """How many slices are among the chosen rows."""
        return int((chosen & self.is_slice).sum())

    def scans(self, chosen: NDArray[np.bool_]) -> int:
        """How many scans have a chosen row."""
        return _distinct(self.scan[chosen])

    def patients(self, chosen: NDArray[np.bool_]) -> int:
        """How many known patients have a chosen row."""
        return _distinct(self.patient[chosen])


def _numbers(names: pa.Array | pa.ChunkedArray) -> NDArray[np.intp]:
    return np.asarray(pd.factorize(names.to_pandas())[0])


def _distinct(numbers: NDArray[np.intp]) -> int:
    return int(np.count_nonzero(np.bincount(numbers[numbers >= 0])))


def _place(split: str) -> int:
    return SPLIT_ORDER.index(split) if split in SPLIT_ORDER else len(SPLIT_ORDER)
