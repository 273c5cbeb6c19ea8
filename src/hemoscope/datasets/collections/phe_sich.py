"""PHE-SICH-CT-IDS: 120 whole scans, each with a spontaneous intraparenchymal hemorrhage, as pictures.

Source: D. Ma et al., PHE-SICH-CT-IDS, arXiv 2308.10521 (2023).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.ct.windows import Window
from hemoscope.datasets.collection import Collection, Imported, OnProgress, Option
from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.importing.boxes import SIDES, Box, boxes_by_slice
from hemoscope.datasets.importing.sieve import Sieve, missing_files
from hemoscope.datasets.importing.tables import (
    numbers,
    read_labels,
    read_own_table,
    read_table,
    repeated,
    whole_numbers,
)
from hemoscope.datasets.labels import contradictions
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.problems import Problem
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import UsageError

CLEAN_DISTANCE = 3  # of slices; a quarter of those next to a labelled slice show faint blood that has no label
IPH = FINDING_NAMES.index("intraparenchymal")
UPSIDE_DOWN = "0144"  # its pictures have the couch and the back of the head at the top: the only scan of the 120
PICTURE_HEIGHT = 320  # pixels, of every picture
COLUMNS = ("patient", "slice_order", "slice_id", "file", "any", "intraparenchymal", "dist_to_lesion", "n_boxes",
           "window_level_est", "window_width_est")  # fmt: skip


def read(root: Path, name: str, jobs: int, on_progress: OnProgress, clean_distance: int | None = None) -> Imported:
    """Read `slices.csv`, `boxes.csv` and the pictures that they name.

    clean_distance: in slices, from which on a slice without a box counts as negative, from 1. Raises UsageError
    where it is less, and where a table is not there or lacks a column.
    """
    if clean_distance is not None and clean_distance < 1:
        raise UsageError(f"--clean-distance is a number of slices from 1, not {clean_distance}.")
    rows = read_own_table(root / "slices.csv", {name: name for name in COLUMNS}, "PHE-SICH-CT-IDS")
    labels, wrong = read_labels(rows)
    order, distance, windows = whole_numbers(rows["slice_order"]), whole_numbers(rows["dist_to_lesion"]), _windows(rows)
    again, conflicting = repeated(rows["slice_id"], labels)
    sieve = Sieve(rows["slice_id"])
    sieve.report(wrong | (labels[:, ANY] == UNKNOWN), Problem.BAD_ROW, "A label is missing or is not 0 or 1.")
    sieve.report((rows["patient"] == "").to_numpy(), Problem.BAD_ROW, "The patient is missing.")
    sieve.report(np.isnan(order) | np.isnan(distance), Problem.BAD_ROW, "slice_order or dist_to_lesion is no number.")
    sieve.report(windows == "", Problem.BAD_ROW, "Its window is not a level and a width in HU.")
    sieve.report(conflicting, Problem.CONFLICTING_ROWS, "slices.csv gives it different labels.")
    sieve.report(contradictions(labels), Problem.CONTRADICTION, "slices.csv has intraparenchymal 1 and any 0.")
    sieve.report(again, Problem.DUPLICATE_ROW, "slices.csv lists it more than once.")
    sieve.report(missing_files(root, rows["file"]), Problem.MISSING_FILE, "Its picture is not there.")
    mask_only = (labels[:, ANY] == 1) & (rows["n_boxes"] == "0").to_numpy()
    sieve.report(mask_only, Problem.DOUBTFUL_LABEL, "It is labelled by an edema mask alone; no box was drawn.")
    near = (labels[:, ANY] == 0) & (distance < (CLEAN_DISTANCE if clean_distance is None else clean_distance))
    labels[near] = UNKNOWN
    drawn = read_table(root / "boxes.csv", {"slice": "slice_id", **{side: side for side in SIDES}})
    boxes, not_used = boxes_by_slice(drawn.assign(finding="intraparenchymal"), set(rows["slice_id"]))
    turned = set(rows["slice_id"][rows["patient"] == UPSIDE_DOWN]) & set(boxes)
    boxes |= {one: [_turned(box) for box in boxes[one]] for one in turned}
    used = rows[sieve.kept & ~again]
    columns = {
        "patient": [f"phe-sich:{patient}" for patient in used["patient"]],
        "series": used["patient"].tolist(),
        "slice": order[used.index],
        "path": used["file"].tolist(),
        "window": windows[used.index].tolist(),
        "patient_orientation": ["LA" if patient == UPSIDE_DOWN else None for patient in used["patient"]],
        "boxes": [boxes.get(one) for one in used["slice_id"]],
        **dict(zip(FINDING_NAMES, labels[used.index].T, strict=True)),
        **dict(zip(SCAN_FINDING_NAMES, _scan_labels(len(used)).T, strict=True)),
    }
    remarks = [
        f"{near.sum():,} slices near a lesion have unknown labels: they may hold faint blood that is not labelled."
    ]
    if (used["patient"] == UPSIDE_DOWN).any():
        remarks.append(
            f"Scan {UPSIDE_DOWN} is stored upside down and is turned for display; left and right are not sure."
        )
    return Imported(Manifest.from_columns(name, root, columns), (*sieve.found, *not_used), tuple(remarks))


def _turned(box: Box) -> Box:
    """A box on a picture that is stored upside down, as it lies on the display."""
    return {**box, "ymin": PICTURE_HEIGHT - box["ymax"], "ymax": PICTURE_HEIGHT - box["ymin"]}


def _scan_labels(count: int) -> NDArray[np.int8]:
    """Every scan has an intraparenchymal hemorrhage; blood elsewhere was not looked for."""
    labels = np.full((count, len(FINDING_NAMES)), UNKNOWN, np.int8)
    labels[:, [IPH, ANY]] = 1
    return labels


def _windows(rows: pd.DataFrame) -> NDArray[np.str_]:
    """The window of each picture, "" where it is not known."""
    levels, widths = numbers(rows["window_level_est"]), numbers(rows["window_width_est"])
    return np.array([
        str(Window(level, width)) if np.isfinite(level) and width > 0 else ""
        for level, width in zip(levels, widths, strict=True)
    ])  # fmt: skip


COLLECTION = Collection(
    name="phe-sich",
    title="PHE-SICH-CT-IDS: 120 scans with spontaneous intraparenchymal hemorrhage, as pictures.",
    read=read,
    options=(
        Option("--clean-distance", "Slices without a box count as negative from this distance to the nearest labelled"
               f" slice on; nearer ones are unknown (default {CLEAN_DISTANCE}).", int),
    ),
)  # fmt: skip
