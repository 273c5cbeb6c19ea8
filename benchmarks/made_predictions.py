"""A Manifest and a table of predictions of its slices, made up to look like RSNA 2019."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.manifest import Manifest
from hemoscope.evaluation.question import Question
from hemoscope.findings import FINDING_NAMES

SCANS_OF, PATIENTS_OF = 0.03, 0.018  # of as many slices
OF_SCANS = (0.02, 0.24, 0.16, 0.18, 0.17)  # the share of scans with each of the five subtypes
OF_SLICES = (0.0042, 0.048, 0.035, 0.047, 0.063)  # and of slices
NAMES = list(FINDING_NAMES)


def made_predictions(folder: Path, slices: int) -> Question:
    """Scores are higher where there is a finding, and alike within a patient; both files are written to the folder."""
    random = np.random.default_rng(7)
    scans, patients = round(slices * SCANS_OF), round(slices * PATIENTS_OF)
    scan = np.sort(random.integers(scans, size=slices))
    number = np.arange(slices) - np.searchsorted(scan, scan)
    patient = random.integers(patients, size=scans)[scan]
    inside = (random.random((scans, len(OF_SCANS))) < OF_SCANS)[scan]
    subtypes = inside & (random.random(inside.shape) < np.divide(OF_SLICES, OF_SCANS))
    labels = np.column_stack([subtypes, subtypes.any(axis=1)]).astype(np.int8)
    of_scan = pd.DataFrame(labels).groupby(scan).transform("max").to_numpy(np.int8)
    uids = [f"ID_{name:09x}" for name in random.permutation(slices)]
    series = np.array([f"{name:010x}" for name in range(scans)], object)[scan]
    columns = {"patient": np.array([f"rsna:{name:08x}" for name in range(patients)], object)[patient],
               "series": series, "slice": number, "sop_instance_uid": uids,
               "path": [f"train/{uid}.dcm" for uid in uids]}  # fmt: skip
    columns |= dict(zip(NAMES, labels.T, strict=True)) | dict(zip(SCAN_FINDING_NAMES, of_scan.T, strict=True))
    Manifest.from_columns("rsna", folder, columns).write(folder / "manifest.parquet")
    table = pd.DataFrame({"scan": "rsna/" + series, "slice": number, "sop_instance_uid": uids,
                          "source": [f"rsna/train/{uid}.dcm#0" for uid in uids]})  # fmt: skip
    of_patient = random.normal(size=(patients, len(NAMES)))[patient]
    logits = 3.0 * labels + of_patient + random.normal(size=labels.shape) - 2
    table[NAMES] = (1 / (1 + np.exp(-logits))).round(6)
    table.to_csv(folder / "slices.csv", index=False)
    return Question(folder / "manifest.parquet", folder / "slices.csv")
