"""The labelled collections as one table of prepared slices, with patients and folds over all of them at once.

Unknown labels are -1. A patient is `collection:number`; the RSNA folders share one name space because they share
patients. Slices of RSNA whose patient is unknown have the patient "" and serve for training only.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from hemoscope.ct.prepare import prepare_slice
from hemoscope.ct.windows import Window, from_grey
from hemoscope.findings import FINDING_NAMES

SIZE = 224
FOLDS = 5
SUBTYPES = list(FINDING_NAMES[:-1])
HU_MINUS_50 = Window(77.5, 255)  # RSNA pictures: HU = value - 50
# Patients of examples/: they are in the demo, so the bundle never trains on them.
EXAMPLE_PATIENTS = ("physionet:52", "physionet:77", "physionet:101")
# Slices next to a labelled hematoma often show faint blood: they are no negatives (README of phe_sich).
PHE_SICH_CLEAN_DISTANCE = 3


def physionet(root: Path) -> pd.DataFrame:
    """CT-ICH of PhysioNet: 82 patients, five subtypes, brain window 40/120."""
    table = pd.read_csv(root / "physionet_ct_ich/slices.csv")
    table["any"] = 1 - table["no_hemorrhage"]
    ages = pd.read_csv(root / "physionet_ct_ich/patients.csv").set_index("patient")["age_years"]
    return table.assign(
        age_years=table["patient"].map(ages),
        source="physionet",
        patient="physionet:" + table["patient"].astype(str),
        scan="physionet:" + table["patient"].astype(str),
        path=str(root / "physionet_ct_ich") + "/" + table["file"],
        level=40.0,
        width=120.0,
    )


def phe_sich(root: Path) -> pd.DataFrame:
    """PHE-SICH: 120 patients, all with intraparenchymal hemorrhage; other subtypes are not labelled."""
    table = pd.read_csv(root / "phe_sich/slices.csv", dtype={"patient": str})
    table["slice"] = table["slice_order"]
    clean = (table["any"] == 1) | (table["dist_to_lesion"] >= PHE_SICH_CLEAN_DISTANCE)
    table.loc[~clean, ["any", "intraparenchymal"]] = -1
    for name in ("epidural", "intraventricular", "subarachnoid", "subdural"):
        table[name] = -1
    return table.assign(
        source="phe_sich",
        patient="phe_sich:" + table["patient"],
        scan="phe_sich:" + table["patient"],
        path=str(root / "phe_sich") + "/" + table["file"],
        level=table["window_level_est"].astype(float),
        width=table["window_width_est"].astype(float),
    )


def rsna_series(root: Path) -> pd.DataFrame:
    """RSNA 2019: 20 whole series with labels."""
    table = pd.read_csv(root / "rsna_hu_pictures/slices.csv").dropna(subset=["any"])
    return table.assign(
        source="rsna_series",
        patient="rsna:" + table["patient"],
        scan="rsna:" + table["series"],
        path=str(root / "rsna_hu_pictures") + "/" + table["file"],
        level=HU_MINUS_50.level,
        width=HU_MINUS_50.width,
    )


def rsna_loose(root: Path) -> pd.DataFrame:
    """RSNA 2019: loose slices, clipped to many windows (the network's 0...70 HU lies inside all of them)."""
    table = pd.read_csv(root / "rsna_loose_pictures/slices.csv")
    return table.assign(
        source="rsna_loose",
        slice=0,
        patient=np.where(table["patient"].isna(), "", "rsna:" + table["patient"].fillna("")),
        scan="rsna_loose:" + table["id"],
        path=str(root / "rsna_loose_pictures") + "/" + table["file"],
        level=HU_MINUS_50.level,
        width=HU_MINUS_50.width,
    )


def bhsd(root: Path) -> pd.DataFrame:
    """BHSD and MBH-Seg: 30 slices, all positive, from RSNA scans; pixel value = HU."""
    table = pd.read_csv(root / "bhsd_images/slices.csv")
    rsna_patient = "rsna:" + table["rsna_patient_study"].str.split("_").str[1]
    return table.assign(
        source="bhsd",
        any=1,
        patient=rsna_patient.fillna("bhsd:" + table["volume"]),
        scan="bhsd:" + table["file"],
        path=str(root / "bhsd_images/images") + "/" + table["file"],
        level=127.5,
        width=255.0,
        upside_down=table["posterior_up"].astype(bool),
    )


def read_collections(root: Path) -> pd.DataFrame:
    """One row a slice of every collection: whose it is, where it lies, how to read it, six labels, fold.

    Fold -1 is for training only (patient unknown), fold -2 is never used (examples/).
    """
    parts = [physionet(root), phe_sich(root), rsna_series(root), rsna_loose(root), bhsd(root)]
    table = pd.concat(parts, ignore_index=True)
    columns = [
        "source",
        "patient",
        "scan",
        "slice",
        "position_mm",
        "age_years",
        "path",
        "level",
        "width",
        "upside_down",
        *FINDING_NAMES,
    ]
    table = table[columns].copy()
    table["upside_down"] = table["upside_down"].fillna(False).astype(bool)
    table[list(FINDING_NAMES)] = table[list(FINDING_NAMES)].astype(int)
    known = (table[SUBTYPES] >= 0).all(axis=1)
    assert (table.loc[known, SUBTYPES].max(axis=1) == table.loc[known, "any"]).all(), "`any` contradicts the subtypes"
    table["fold"] = patient_folds(table)
    return table


def patient_folds(table: pd.DataFrame) -> pd.Series:
    """Deal the patients of each source to the folds, rarest subtypes first, so that every fold has its share."""
    random = np.random.default_rng(7)
    frequency = (table[SUBTYPES] == 1).sum()
    fold_of = {"": -1} | dict.fromkeys(EXAMPLE_PATIENTS, -2)
    for _, part in table.groupby("source", sort=True):
        positives = part.groupby("patient")[[*SUBTYPES, "any"]].max().eq(1)
        positives = positives.iloc[random.permutation(len(positives))]
        rarest = [
            min((frequency[name] for name in SUBTYPES if row[name]), default=1e9) for _, row in positives.iterrows()
        ]
        order = [patient for _, patient in sorted(zip(rarest, positives.index, strict=True), key=lambda pair: pair[0])]
        turn = int(random.integers(FOLDS))
        for patient in order:
            if patient not in fold_of:  # a patient of several collections keeps its first fold
                fold_of[patient] = turn % FOLDS
                turn += 1
    return table["patient"].map(fold_of)


def prepare(table: pd.DataFrame) -> np.ndarray:
    """Read and prepare every slice as detection does: uint8 [slice, 224, 224]."""
    prepared = np.empty((len(table), SIZE, SIZE), np.uint8)
    for i, row in enumerate(table.itertuples()):
        grey = cv2.imread(row.path, cv2.IMREAD_GRAYSCALE)
        if row.upside_down:
            grey = grey[::-1]
        prepared[i], _ = prepare_slice(from_grey(grey, Window(row.level, row.width)), None, SIZE)
    return prepared
