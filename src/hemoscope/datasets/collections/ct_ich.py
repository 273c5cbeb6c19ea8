"""CT-ICH of PhysioNet: 82 head CT after trauma, every slice labelled by two radiologists in consensus.

Source: M. Hssayeni et al., Intracranial Hemorrhage Segmentation Using a Deep Convolutional Model, Data 2020;5(1):14.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from hemoscope.datasets.collection import Collection, Imported, OnProgress, Option
from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.importing.boxes import SIDES, Box, boxes_by_slice
from hemoscope.datasets.importing.ct_ich_layouts import RENDERING, Layout, find_table, layout_of
from hemoscope.datasets.importing.mask_pairs import Pair, ReadPair, read_pair
from hemoscope.datasets.importing.scan_labels import labels_of_scans
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
from hemoscope.datasets.parallel import in_processes
from hemoscope.datasets.problems import Found, Problem
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import UsageError

MASK_VALUES = dict.fromkeys(range(128, 256), "any")  # JPEG masks are 0 and 255 with noise around them
VOLUME_MASK_VALUES = {1: "any", 255: "any"}


FROM_ROWS = ("slice", "position_mm", "path", "frame", "window", "hu_low", "hu_high", "mask")


def read(root: Path, name: str, jobs: int, on_progress: OnProgress, boxes: Path | None = None) -> Imported:
    """Read the table of slices, the table of patients where there is one, and the volumes of the NIfTI layout.

    boxes: `boxes.csv` of boxes on the pictures, with a `slices.csv` beside it that says which of them can be used.
    Raises UsageError where the root is none of the three layouts, or a table lacks a column.
    """
    layout = layout_of(root)
    if boxes and layout is not RENDERING:
        raise UsageError("--boxes are drawn on the 384-pixel pictures of slices.csv, not on those of this layout.")
    rows, labels, sieve = _slices(root, layout)
    drawn, not_used = _boxes(boxes, set(rows["path"][sieve.kept])) if boxes else ({}, [])
    if layout.in_volumes:
        _enter_volumes(rows, sieve, _volumes(root, rows[sieve.kept], jobs, on_progress))
    _report_doubtful(rows, labels, sieve)
    of_scan = _scan_labels(rows, labels, sieve.kept)
    used = rows[sieve.kept]
    columns = {
        "patient": [f"ct-ich:{patient}" for patient in used["patient"]],
        "series": used["patient"].tolist(),
        **{column: used[column].tolist() for column in FROM_ROWS},
        **_people(root, layout, used["patient"]),
        "boxes": [drawn.get(path) for path in used["path"]],
        **dict(zip(FINDING_NAMES, labels[sieve.kept].T, strict=True)),
        **dict(zip(SCAN_FINDING_NAMES, of_scan[sieve.kept].T, strict=True)),
    }
    mask_values = None if layout.mask is None else VOLUME_MASK_VALUES if layout.in_volumes else MASK_VALUES
    manifest = Manifest.from_columns(name, root, columns, mask_values)
    return Imported(manifest, (*sieve.found, *not_used))


def _slices(root: Path, layout: Layout) -> tuple[pd.DataFrame, NDArray[np.int8], Sieve]:
    """The table of slices as columns of a Manifest, its labels, and which rows can be used.

    Further columns: number (in the table, from 1), again (repeats an earlier row), whole (its scan has no slice without
    a row), marked (whether the mask holds blood, None where there is no mask).
    """
    table = read_own_table(find_table(root, layout.table) or root / layout.table, layout.columns, "CT-ICH")
    patient, number = whole_numbers(table["patient"]), whole_numbers(table["slice"])
    labels, wrong = read_labels(table)
    none = numbers(table["no_hemorrhage"])
    labels[:, ANY] = np.where(np.isin(none, (0, 1)), 1 - none, UNKNOWN)
    names = pd.Series("patient " + table["patient"] + ", slice " + table["slice"])
    again, conflicting = repeated(names, labels)
    sieve = Sieve(names)
    sieve.report(~((patient > 0) & (number > 0)), Problem.BAD_ROW, "The number of the patient or slice is missing.")
    sieve.report(wrong | (labels == UNKNOWN).any(axis=1), Problem.BAD_ROW, "A label is missing or is not 0 or 1.")
    sieve.report(contradictions(labels), Problem.CONTRADICTION, "The subtypes contradict No_Hemorrhage.")
    sieve.report(conflicting, Problem.CONFLICTING_ROWS, "The table gives it different labels.")
    sieve.report(again, Problem.DUPLICATE_ROW, "The table lists it more than once.")
    sieve.kept &= ~again
    rows = pd.DataFrame({
        "patient": [f"{one:03.0f}" for one in np.nan_to_num(patient)],
        "number": np.nan_to_num(number).astype(int),
        "again": again,
        "whole": True,
    })  # fmt: skip
    _place(root, layout, rows, sieve)
    return rows, labels, sieve


def _place(root: Path, layout: Layout, rows: pd.DataFrame, sieve: Sieve) -> None:
    """Put in where each slice and its mask are, as far as it is known before a volume is read."""
    places = [{"patient": int(one), "slice": two} for one, two in zip(rows["patient"], rows["number"], strict=True)]
    rows["path"] = [layout.file.format(**place) for place in places]
    rows["mask"] = [layout.mask.format(**place) if layout.mask else None for place in places]
    rows["slice"], rows["window"] = rows["number"] - 1, layout.window
    rows["frame"] = rows["slice"].astype(object) if layout.in_volumes else None
    rows["position_mm"] = rows["hu_low"] = rows["hu_high"] = rows["marked"] = None
    sieve.report(missing_files(root, rows["path"]), Problem.MISSING_FILE, "Its picture or volume is not there.")
    rows.loc[missing_files(root, [mask or "" for mask in rows["mask"]]), "mask"] = None
    if not layout.in_volumes and rows["mask"].notna().any():
        rows["marked"] = rows["mask"].notna()


def _volumes(root: Path, rows: pd.DataFrame, jobs: int, on_progress: OnProgress) -> list[ReadPair]:
    """Read the volume and mask of each patient in the table."""
    files = rows[["path", "mask"]].drop_duplicates()
    pairs = [
        Pair(root, path, mask, VOLUME_MASK_VALUES, None)
        for path, mask in zip(files["path"], files["mask"], strict=True)
    ]
    volumes = []
    for volume in in_processes(_read_volume, pairs, jobs):
        volumes.append(volume)
        on_progress(len(volumes), len(pairs))
    return sorted(volumes, key=lambda volume: volume.image)


def _read_volume(pair: Pair) -> ReadPair:
    """Read a volume with its mask; where only the mask cannot be used that is `found`, and the slices are without."""
    both = read_pair(pair)
    if both.found is None or pair.mask is None:
        return both
    alone = read_pair(replace(pair, mask=None))
    return replace(alone, found=alone.found or replace(both.found, item=pair.mask))


def _enter_volumes(rows: pd.DataFrame, sieve: Sieve, volumes: list[ReadPair]) -> None:
    """Put in what the volumes say: the order and position of each slice, where HU are clipped, and what is marked."""
    for volume in volumes:
        of_volume = (rows["path"] == volume.image).to_numpy()
        if volume.found:
            sieve.found.append(volume.found)
        if not volume.slices:
            sieve.kept &= ~of_volume
            continue
        slices = {one.frame: one for one in volume.slices}
        known = rows["frame"].isin(list(slices)).to_numpy()
        sieve.report(of_volume & ~known, Problem.NO_SLICE, f"{volume.image} has {len(slices)} slices only.")
        unlabelled = len(set(slices) - set(rows["frame"][of_volume]))
        if unlabelled:
            detail = f"{unlabelled} of its {len(slices)} slices have no row in the table."
            sieve.found.append(Found(Problem.NO_LABEL, volume.image, detail))
            rows.loc[of_volume, "whole"] = False
        rows.loc[of_volume, ["hu_low", "hu_high"]] = volume.hu_low, volume.hu_high
        for row in np.flatnonzero(of_volume & known):
            one = slices[rows.at[row, "frame"]]
            rows.at[row, "slice"], rows.at[row, "position_mm"] = one.slice, one.position_mm
            rows.at[row, "marked"] = None if one.pixels is None else bool(one.pixels)
            rows.at[row, "mask"] = None if one.pixels is None else rows.at[row, "mask"]


def _report_doubtful(rows: pd.DataFrame, labels: NDArray[np.int8], sieve: Sieve) -> None:
    """Report labels that a rule finds doubtful: lone negatives between positives, and masks that disagree."""
    positive = pd.Series(labels[:, ANY] == 1)
    ordered = rows[sieve.kept].sort_values(["patient", "slice"])
    bleeds = positive[ordered.index].groupby(ordered["patient"])
    lone = ~positive[ordered.index] & bleeds.shift(1, fill_value=False) & bleeds.shift(-1, fill_value=False)
    between = rows.index.isin(lone.index[lone])
    sieve.report(between, Problem.DOUBTFUL_LABEL, "It is labelled negative between two positive slices.")
    differ = rows["marked"].notna() & (rows["marked"] != positive)
    sieve.report(differ.to_numpy(), Problem.DOUBTFUL_LABEL, "Its label says otherwise than its mask.")


def _scan_labels(rows: pd.DataFrame, labels: NDArray[np.int8], kept: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The labels of the scan of each row; a scan with slices that are not known is not known to be free of anything."""
    known = kept | rows["again"].to_numpy()
    of_scan = labels_of_scans(pa.array(rows["patient"]), np.where(known[:, None], labels, np.int8(UNKNOWN)))
    return np.where((of_scan == 0) & ~rows["whole"].to_numpy()[:, None], np.int8(UNKNOWN), of_scan)


def _boxes(file: Path, slices: set[str]) -> tuple[dict[str, list[Box]], list[Found]]:
    """The boxes of slices whose boxes can be used, by picture; each slice whose boxes cannot be used is reported."""
    verdicts = read_table(
        file.with_name("slices.csv"),
        {name: name for name in ("file", "n_boxes", "usable_for_boxes", "why_not_usable")},
    )
    rows = read_table(file, {"slice": "file", "finding": "type", **{side: side for side in SIDES}})
    usable = set(verdicts["file"][verdicts["usable_for_boxes"] == "1"])
    boxes, found = boxes_by_slice(rows[rows["slice"].isin(usable)], slices)
    unusable = verdicts[(verdicts["n_boxes"] != "0") & (verdicts["usable_for_boxes"] != "1")]
    found += [
        Found(Problem.DOUBTFUL_LABEL, picture, f"Its boxes are left out: {why.replace('_', ' ')}.")
        for picture, why in zip(unusable["file"], unusable["why_not_usable"], strict=True)
    ]
    return boxes, found


def _people(root: Path, layout: Layout, patients: pd.Series) -> dict[str, list[object]]:
    """Age in years and sex of the patient of each row, None where unknown."""
    file = find_table(root, layout.people)
    if file is None:
        return {}
    table = read_table(file, layout.people_columns)
    ages = dict(zip(whole_numbers(table["patient"]), numbers(table["age"]), strict=True))
    sexes = dict(zip(whole_numbers(table["patient"]), table["sex"].str[:1].str.upper(), strict=True))
    wanted = patients.astype(float)
    return {
        "age": [ages.get(patient) for patient in wanted],
        "sex": [sexes.get(patient) if sexes.get(patient) in ("F", "M") else None for patient in wanted],
    }


COLLECTION = Collection(
    name="ct-ich",
    title="CT-ICH of PhysioNet: 82 scans after trauma, every slice labelled; pictures or NIfTI.",
    read=read,
    options=(
        Option("--boxes", "boxes.csv of the boxes on the 384-pixel pictures; slices.csv beside it says which of them"
               " can be used.", Path),
    ),
)  # fmt: skip
