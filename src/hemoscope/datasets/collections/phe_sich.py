"""PHE-SICH-CT-IDS: 120 whole scans, each with a spontaneous intraparenchymal hemorrhage, as pictures.

Source: D. Ma et al., PHE-SICH-CT-IDS, arXiv 2308.10521 (2023).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.ct.windows import Window
from hemoscope.datasets.boxes import Box, whole_pixels
from hemoscope.datasets.collection import Collection, Imported, OnProgress, Option
from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.problems import Found, Problem
from hemoscope.datasets.tables import numbers, read_labels, read_table, whole_numbers
from hemoscope.findings import ANY, FINDING_NAMES

CLEAN_DISTANCE = 3  # of slices; a quarter of those next to a labelled slice show faint blood that has no label
IPH = FINDING_NAMES.index("intraparenchymal")
COLUMNS = ("patient", "slice_order", "slice_id", "file", "any", "intraparenchymal", "dist_to_lesion", "n_boxes",
           "window_level_est", "window_width_est")  # fmt: skip


def read(root: Path, name: str, jobs: int, on_progress: OnProgress, clean_distance: int | None = None) -> Imported:
    """Read `slices.csv`, `boxes.csv` and the pictures that they name.

    clean_distance: in slices, from which on a slice without a box counts as negative. Raises UsageError where a table
    is not there or lacks a column.
    """
    rows = read_table(root / "slices.csv", {name: name for name in COLUMNS})
    labels, wrong = read_labels(rows)
    distance = whole_numbers(rows["dist_to_lesion"])
    order = whole_numbers(rows["slice_order"])
    windows = _windows(rows)
    wrong |= (labels[:, ANY] == UNKNOWN) | np.isnan(distance) | np.isnan(order) | (windows == "")
    missing = ~wrong & np.array([not (root / file).is_file() for file in rows["file"]], bool)
    near = (labels[:, ANY] == 0) & (distance < (CLEAN_DISTANCE if clean_distance is None else clean_distance))
    labels[near] = UNKNOWN
    boxes, found = _boxes(root, set(rows["slice_id"]))
    found += [Found(Problem.BAD_ROW, one, "A label, number or window is missing or wrong.")
              for one in rows["slice_id"][wrong]]  # fmt: skip
    found += [Found(Problem.MISSING_FILE, file, "slices.csv lists it.") for file in rows["file"][missing]]
    found += [Found(Problem.DOUBTFUL_LABEL, one, "It is labelled by an edema mask alone; no box was drawn.")
              for one in rows["slice_id"][(labels[:, ANY] == 1) & (rows["n_boxes"] == "0")]]  # fmt: skip
    kept = ~(wrong | missing)
    columns = {
        "patient": ["phe-sich:" + patient for patient in rows["patient"][kept]],
        "series": rows["patient"][kept].tolist(),
        "slice": order[kept],
        "path": rows["file"][kept].tolist(),
        "window": windows[kept].tolist(),
        "boxes": [boxes.get(one) for one in rows["slice_id"][kept]],
        **dict(zip(FINDING_NAMES, labels[kept].T, strict=True)),
        **dict(zip(SCAN_FINDING_NAMES, _scan_labels(int(kept.sum())).T, strict=True)),
    }
    remark = f"{near.sum():,} slices near a lesion have unknown labels: they may hold faint blood that is not labelled."
    return Imported(Manifest.from_columns(name, root, columns), tuple(found), (remark,))


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


def _boxes(root: Path, slices: set[str]) -> tuple[dict[str, list[Box]], list[Found]]:
    """Boxes by slice, in pixels of the pictures; they hold the hematoma with its edema and a margin."""
    sides = ("xmin", "ymin", "xmax", "ymax")
    rows = read_table(root / "boxes.csv", {name: name for name in ("slice_id", *sides)})
    corners = np.stack([numbers(rows[side]) for side in sides], axis=1)
    boxes: dict[str, list[Box]] = {}
    found = []
    for one, corner in zip(rows["slice_id"], corners.tolist(), strict=True):
        if not (corner[0] < corner[2] and corner[1] < corner[3]):
            found.append(Found(Problem.BAD_ROW, one, "A box has no area."))
        elif one not in slices:
            found.append(Found(Problem.NO_SLICE, one, "A box is drawn on it; slices.csv does not list it."))
        else:
            boxes.setdefault(one, []).append(whole_pixels("intraparenchymal", *corner))
    return boxes, found


COLLECTION = Collection(
    name="phe-sich",
    title="PHE-SICH-CT-IDS: 120 scans with spontaneous intraparenchymal hemorrhage, as pictures.",
    read=read,
    options=(
        Option("--clean-distance", "Slices without a box count as negative from this distance to the nearest labelled"
               f" slice on; nearer ones are unknown (default {CLEAN_DISTANCE}).", int),
    ),
)  # fmt: skip
