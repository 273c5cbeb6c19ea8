"""Real predictions and labels: what the bundle 0.1.0 said of slices that its five folds held out."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.importing.scan_labels import labels_of_scans
from hemoscope.datasets.manifest import Manifest
from hemoscope.findings import FINDING_NAMES

CROSSVALIDATION = Path(__file__).parents[1] / "held_out_logits.csv"
NAMES = list(FINDING_NAMES)
LABELS = [f"label_{name}" for name in NAMES]


@functools.cache
def held_out() -> pd.DataFrame:
    """A row a slice: `source, patient, scan, slice`, probabilities by finding, `label_` and finding (-1 unknown)."""
    table = pd.read_csv(CROSSVALIDATION)
    table = table[table["run"].str.startswith("fold")].reset_index(drop=True)
    table[NAMES] = (1 / (1 + np.exp(-table[NAMES]))).round(6)
    return table


def manifest_of(table: pd.DataFrame, **columns: object) -> Manifest:
    """A Manifest of these slices, as an importer makes it: scans named by their series, labels of scans derived."""
    labels = table[LABELS].to_numpy(np.int8)
    series = table["scan"].to_numpy(object)
    of_scans = labels_of_scans(pa.array(series), labels)
    named = {"patient": table["patient"].to_numpy(object), "series": series, "slice": table["slice"].to_numpy(),
             "path": [f"{scan}/{number:03d}.png" for scan, number in zip(series, table["slice"], strict=True)],
             "split": table["run"].to_numpy(object)}  # fmt: skip
    named |= dict(zip(NAMES, labels.T, strict=True)) | dict(zip(SCAN_FINDING_NAMES, of_scans.T, strict=True))
    return Manifest.from_columns("held-out", Path("/nowhere"), {**named, **columns})


def slices_of(table: pd.DataFrame) -> pd.DataFrame:
    """The predictions in the columns that every system writes."""
    names = {"scan": "held-out/" + table["scan"], "slice": table["slice"], "position_mm": table["position_mm"]}
    sources = [
        f"held-out/{scan}/{number:03d}.png#0" for scan, number in zip(table["scan"], table["slice"], strict=True)
    ]
    return pd.DataFrame({**names, "sop_instance_uid": None, "source": sources}).join(table[NAMES])


def written(table: pd.DataFrame, path: Path) -> Path:
    """A table as a CSV file."""
    table.to_csv(path, index=False)
    return path
