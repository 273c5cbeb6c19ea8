"""What a stage learns from: the slices and scans of a Manifest that its store has, with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.patients import patients_of
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError


@dataclass(frozen=True, eq=False)
class Examples:
    """Slices of some splits in the order of the store, scan by scan, foot to head.

    rows: in the Manifest; stored: in the store; labels: int8 [slice, finding] of the slices and scan_labels of their
    scans, UNKNOWN where not known, findings as in `findings`; starts: where each scan begins, and the number of slices.
    A slice whose place in its scan is unknown is a scan of its own.
    """

    manifest: Manifest
    findings: tuple[str, ...]
    rows: NDArray[np.int64]
    stored: NDArray[np.int64]
    labels: NDArray[np.int8]
    scan_labels: NDArray[np.int8]
    starts: NDArray[np.int64]

    @classmethod
    def of(
        cls, manifest: Manifest, store: SliceStore, splits: Sequence[str] | None, findings: Sequence[str]
    ) -> Examples:
        """All slices of these splits (None: of all and of none) that the store has; labelled or not."""
        stored = store.rows_of(manifest)
        chosen = stored >= 0
        if splits is not None:
            chosen &= manifest.in_splits(*splits)
        rows = np.flatnonzero(chosen)
        rows = rows[np.argsort(stored[rows], kind="stable")]
        columns = [FINDING_NAMES.index(name) for name in findings]
        scans = _names_of_scans(manifest).take(pa.array(rows)).dictionary_encode().indices.to_numpy()
        starts = np.flatnonzero(np.diff(scans, prepend=-1)) if len(rows) else np.zeros(0, np.int64)
        of_slices, of_scans = manifest.labels[rows][:, columns], manifest.scan_labels[rows][:, columns]
        return cls(manifest, tuple(findings), rows, stored[rows], of_slices, of_scans, np.append(starts, len(rows)))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The slices of each scan."""
        return np.diff(self.starts)

    @property
    def scan_of(self) -> NDArray[np.int64]:
        """The number of the scan of each slice."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @property
    def labels_of_scans(self) -> NDArray[np.int8]:
        """Labels of the scans: int8 [scan, finding], UNKNOWN where not known."""
        labels: NDArray[np.int8] = self.scan_labels[self.starts[:-1]]
        return labels

    @property
    def scans(self) -> pa.Array:
        """The name of the scan of each slice, in which each has its place: that of the Manifest, or the slice's own."""
        return _names_of_scans(self.manifest).take(pa.array(self.rows))

    @property
    def patients(self) -> int:
        """How many patients they are of; slices whose patient is unknown are not counted."""
        return len(patients_of(self.manifest).take(self.rows).drop_null().unique())

    def neighbours(self, reach: int) -> NDArray[np.int64]:
        """The slices around each slice, itself in the middle: [slice, 2 * reach + 1]; the ends of a scan repeat."""
        around = np.arange(len(self))[:, None] + np.arange(-reach, reach + 1)
        first, last = self.starts[self.scan_of], self.starts[self.scan_of + 1] - 1
        clipped: NDArray[np.int64] = np.clip(around, first[:, None], last[:, None])
        return clipped

    def labelled_slices(self) -> NDArray[np.int64]:
        """The slices of which at least one finding is known."""
        return np.flatnonzero((self.labels != UNKNOWN).any(axis=1))

    def usable_scans(self, fewest: int, most: int, *, by_slices: bool, by_scans: bool) -> NDArray[np.int64]:
        """The scans of a number of slices with a known label, of a slice or of the scan."""
        known = np.zeros(len(self.lengths), bool)
        if by_slices:
            known |= np.bincount(self.scan_of, (self.labels != UNKNOWN).any(axis=1), len(known)) > 0
        if by_scans:
            known |= (self.labels_of_scans != UNKNOWN).any(axis=1)
        return np.flatnonzero(known & (self.lengths >= fewest) & (self.lengths <= most))

    def places_of_scan(self, scan: int) -> NDArray[np.int64]:
        """The slices of a scan, foot to head."""
        return np.arange(self.starts[scan], self.starts[scan + 1])


def _names_of_scans(manifest: Manifest) -> pa.Array:
    """The scan of each row; a slice without a number in a scan of several has no neighbours: its key is its name."""
    scans = manifest.scans
    shared = pa.array(scans.to_pandas().duplicated(keep=False))
    unplaced = manifest.table["slice"].combine_chunks().is_null()
    return pc.if_else(pc.and_(unplaced, shared), manifest.keys, scans)


def check_labels(labels: NDArray[np.int8], findings: Sequence[str], what: str) -> None:
    """Raise UsageError where nothing can be learned: no label known, or a finding always or never there.

    labels: int8 [example, finding]; what: "slices" or "scans" of which stage, for the sentence.
    """
    for name, column in zip(findings, labels.T, strict=True):
        known = column[column != UNKNOWN]
        if not len(known):
            raise UsageError(f"Of the {what} none has a known label of {name}: choose other splits or data.")
        if known.min() == known.max():
            all_or_none = "all have" if known.max() else "none has"
            raise UsageError(
                f"Of the {len(known):,} {what} with a known label of {name}, {all_or_none} it: "
                "nothing can be learned from that."
            )
