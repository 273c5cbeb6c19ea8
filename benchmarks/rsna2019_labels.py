"""Claim: the labels of RSNA 2019 become a Manifest in seconds: 752,803 slices, 4.5 million rows of CSV in any order.

The CSV is made up: identifiers and labels are random, with the number of slices and the share of positives of the
second stage. Compared with the usual way of the challenge: pandas, a split of the identifiers, and a pivot table.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from measure import in_turn, report

from hemoscope.datasets.collections.rsna2019 import read_rsna2019
from hemoscope.findings import FINDING_NAMES

SLICES = 752_803
POSITIVE = (0.0042, 0.048, 0.035, 0.047, 0.063)  # of the five subtypes
LIMIT_SECONDS = 15.0
REPEATS = 2


def write_labels(path: Path) -> None:
    """Write the rows of all slices in random order."""
    random = np.random.default_rng(7)
    ids = [f"ID_{number:09x}" for number in random.choice(16**9, SLICES, replace=False)]
    labels = random.random((SLICES, len(POSITIVE))) < POSITIVE
    labels = np.column_stack([labels, labels.any(axis=1)]).astype(np.int8)
    order = random.permutation(labels.size)
    names = np.array([f"{one}_{name}" for one in ids for name in FINDING_NAMES], object)
    pa.csv.write_csv(pa.table({"ID": names[order], "Label": labels.ravel()[order]}), path)


def hemoscope_import(root: Path) -> None:
    """Read, check and sort; the Manifest is written too."""
    imported = read_rsna2019(root, "rsna2019", 1, lambda done, total: None)
    imported.manifest.write(root / "manifest.parquet")


def pandas_pivot(root: Path) -> None:
    """One row a slice, with nothing checked."""
    table = pd.read_csv(root / "stage_2_train.csv")
    table[["image", "finding"]] = table["ID"].str.rsplit("_", n=1, expand=True)
    table = table.drop_duplicates("ID")
    wide = table.pivot(index="image", columns="finding", values="Label")
    wide.reset_index().to_parquet(root / "pandas.parquet")


def main() -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as work:
        root = Path(work)
        write_labels(root / "stage_2_train.csv")
        seconds = in_turn(
            {
                "hemoscope dataset import rsna2019, labels only": lambda: hemoscope_import(root),
                "pandas: split, drop duplicates, pivot": lambda: pandas_pivot(root),
            },
            REPEATS,
        )
    report("rsna2019 labels: 752,803 slices to a Manifest", seconds, LIMIT_SECONDS)


if __name__ == "__main__":
    main()
