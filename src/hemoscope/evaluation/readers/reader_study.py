"""Readings of scans beside what is true of these scans and what a model says of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.datasets.manifest import Manifest
from hemoscope.evaluation.matching.cases import UNKNOWN
from hemoscope.evaluation.matching.matching import match_scans
from hemoscope.evaluation.matching.predictions import Predictions
from hemoscope.evaluation.matching.truth import Truth
from hemoscope.evaluation.readers.readings import Labels, Readings, read_scan_labels
from hemoscope.evaluation.statistics.agreement import majority
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

MANIFEST_SUFFIX = ".parquet"
Names = NDArray[Any]


@dataclass(frozen=True, eq=False)
class ReaderStudy:
    """readings: of N scans by R readers. truth: (N, 6), 0, 1 or UNKNOWN; None where it was not given. model:
    probabilities (N, 6), NaN where not scored; None where there is none."""

    readings: Readings
    truth: Labels | None = None
    model: NDArray[np.float64] | None = None

    @classmethod
    def read(cls, readings: Path, truth: Path | None = None, model: Path | None = None) -> ReaderStudy:
        """Read the files; truth: a CSV of scans or a Manifest, model: `scans.csv`. Scans are joined by name.

        A Manifest also finds scans that have another name there. Raises UsageError, also where no scan is shared.
        """
        read = Readings.read(readings)
        if len(read.readers) == 1 and truth is None and model is None:
            raise UsageError(f"{readings} is of one reader: there is nobody to agree with; give --truth or --model.")
        scans, labels, manifest = read.scans, None, None
        if truth is not None and truth.suffix == MANIFEST_SUFFIX:
            manifest = Truth.of(Manifest.read(truth))
            scans = _as_in(manifest, scans)
            rows = manifest.targets.first_rows
            of_truth = manifest.scans(rows, np.full((len(rows), len(FINDING_NAMES)), np.nan))
            labels = _joined(scans, of_truth.names, of_truth.labels, UNKNOWN, f"{readings} and {truth}")
        elif truth is not None:
            labels = _joined(scans, *read_scan_labels(truth), UNKNOWN, f"{readings} and {truth}")
        if model is None:
            return cls(read, labels)
        predictions = Predictions.read(model)
        if "scan" not in predictions.names:
            raise UsageError(f"{model} does not say of which scan its rows are: it needs a column scan.")
        names = predictions.names["scan"].to_numpy(object)
        again = predictions.names["scan"].duplicated()
        if again.any():
            raise UsageError(f"{model} has the scan {names[again][0]} twice: give one row a scan.")
        named = names if manifest is None else _as_in(manifest, names)
        return cls(read, labels, _joined(scans, named, predictions.probabilities, np.nan, f"{readings} and {model}"))

    @property
    def vote(self) -> Labels:
        """What the majority of the readers says, (N, 6); of one reader alone, what that one says."""
        labels = self.readings.labels
        if len(labels) == 1:
            return np.asarray(labels[0])
        return np.stack([majority(labels[:, :, finding]) for finding in range(len(FINDING_NAMES))], axis=1)

    def label(self, finding: int) -> Labels:
        """What is true of a finding (N,): as given, or else as the majority of the readers says."""
        column: Labels = (self.vote if self.truth is None else self.truth)[:, finding]
        return column


def _as_in(manifest: Truth, scans: Names) -> Names:
    """The names that the scans have in a Manifest; those that are not found there keep their own."""
    nothing = np.full((len(scans), len(FINDING_NAMES)), np.nan)
    asked = Predictions("the readings", pd.DataFrame({"scan": scans}), np.arange(len(scans)), nothing, ())
    matches = match_scans(asked, manifest.targets)
    names = scans.copy()
    names[matches.found] = manifest.names(matches.rows[matches.found], "scan")
    return names


def _joined(scans: Names, names: Names, values: NDArray[Any], unknown: float, files: str) -> NDArray[Any]:
    """The values (M, 6) of names (M,) in the order of scans (N,); `unknown` where there is none."""
    places = pd.Index(names).get_indexer(pd.Index(scans))
    if (places < 0).all():
        raise UsageError(f"{files} share no scan: their names differ ({scans[0]}, {names[0]}).")
    found = np.asarray(values[places])
    found[places < 0] = unknown
    return found
