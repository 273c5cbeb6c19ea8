"""Your own files and labels: a CSV whose columns are those of a Manifest; DICOM, NIfTI and pictures in any mixture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.ct.inputs import InputFile
from hemoscope.ct.sniff import sniff
from hemoscope.ct.windows import Window
from hemoscope.datasets.collection import Collection, Imported, OnProgress, Option
from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.importing.assignments import MASK_VALUES_OPTION, findings_of, read_mask_values
from hemoscope.datasets.importing.file_facts import FileFacts, read_file_facts
from hemoscope.datasets.importing.label_table import (
    COLUMN_OPTION,
    TABLE_COLUMNS,
    LabelTable,
    read_column_option,
    read_label_table,
)
from hemoscope.datasets.importing.picture_rows import WINDOW_OPTION, use_masks
from hemoscope.datasets.importing.sieve import missing_files
from hemoscope.datasets.importing.slice_rows import PATIENTS_OPTION, SliceRows, to_manifest
from hemoscope.datasets.manifest import UNKNOWN
from hemoscope.datasets.problems import Found, Problem
from hemoscope.reasons import UsageError

NEARLY = 0.8  # share of letters from which on a name is taken for a misspelt one (subdrual)


def read(
    root: Path,
    name: str,
    jobs: int,
    on_progress: OnProgress,
    table: Path,
    column: Sequence[str] = (),
    window: str | None = None,
    values: str | None = None,
    patients: str | None = None,
) -> Imported:
    """Read a table and, for what it leaves out, the headers of the files that it names.

    A folder stands for the DICOM files below it. Raises UsageError where a column of the table is named nearly like one
    of a Manifest, where there is no `path`, and where the window is said twice.
    """
    given = _read_table(table, column, window)
    given = replace(given, rows=_open_folders(root, given.rows))
    paths = given.rows["path"]
    missing = paths.notna().to_numpy() & missing_files(root, paths.fillna("").tolist())
    there = paths.notna().to_numpy() & ~missing & ~given.rows.index.isin(list(given.wrong))
    shown = given.rows["window"].astype(object).where(given.rows["window"].notna(), None)
    windows = dict(zip(paths[there], shown[there], strict=True))
    facts = read_file_facts(root, windows, jobs, on_progress)
    rows = _expand(given.rows.assign(missing=missing), facts)
    slices = replace(given, rows=_complete(rows)).slices(patients or name)
    slices.remarks += _remarks(given, rows)
    slices.rows["slice"] = _first_known(rows, "slice").to_numpy()
    _sort_out(slices, rows, facts, root)
    # numbers that were only counted here do not show that a scan is complete; a file that is whole does
    slices.whole = slices.whole | _all_frames(rows, slices.sieve.kept)
    mask_values = findings_of(read_mask_values(values)) if values else {}
    use_masks(slices, root, mask_values)
    return to_manifest(slices, name, root, mask_values)


def _read_table(path: Path, column: Sequence[str], window: str | None) -> LabelTable:
    """The table, with the columns `frame` and `window` in any case."""
    table = read_label_table(path, read_column_option(column))
    if "path" not in table.rows:
        there = ", ".join((*table.rows, *table.unused))
        sentence = f"{path} has no column path, which names the file of each row from the root on; it has {there}"
        raise UsageError(f"{sentence}: give --column path=COLUMN.")
    free = [name for name in TABLE_COLUMNS if name not in table.rows]
    for unused in table.unused:
        for meant in get_close_matches(unused.lower(), free, 1, NEARLY):
            sentence = f"{path} has the column {unused}: if it is {meant}, give --column {meant}={unused}"
            raise UsageError(f"{sentence}; if not, take it out or rename it.")
    if window and "window" in table.rows:
        raise UsageError("The window is said by --window and by a column of the table: leave out one of them.")
    shown = str(Window.from_text(window)) if window else None
    added = {name: value for name, value in (("frame", np.nan), ("window", shown)) if name not in table.rows}
    return replace(table, rows=table.rows.assign(**added).astype({"window": object}))


def _open_folders(root: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """One row a DICOM file where a row names a folder of some; `in_folder`: whether it is one of these."""
    files = {path: _dicom_below(root, path) for path in rows["path"].dropna().unique() if (root / path).is_dir()}
    in_folder = rows["path"].map(lambda path: bool(files.get(path))).astype(bool)
    paths = rows["path"].map(lambda path: files.get(path) or path)
    return rows.assign(path=paths, in_folder=in_folder).explode("path")


def _dicom_below(root: Path, folder: str) -> list[str]:
    files = [path for path in sorted((root / folder).rglob("*")) if path.is_file()]
    return [path.relative_to(root).as_posix() for path in files if sniff(InputFile(path, path.name, 0)) == "dicom"]


def _remarks(given: LabelTable, rows: pd.DataFrame) -> list[str]:
    """What was not used, and where patients came from; rows: as `_expand` gives them."""
    remarks = []
    if given.unused:
        remarks.append(f"Columns of {given.name} that were not used: {', '.join(given.unused)}.")
    if "patient_file" in rows:
        stated = rows["patient"].notna() if "patient" in rows else False
        count = int((rows["patient_file"].notna() & ~pd.Series(stated, rows.index)).sum())
        if count:
            slices = "1 slice" if count == 1 else f"{count:,} slices"
            remarks.append(f"Patients are called by the PatientID of the DICOM headers of {slices}: see that it is none"
                           " that tells who they are, or give a column patient.")  # fmt: skip
    return remarks


def _expand(rows: pd.DataFrame, facts: FileFacts) -> pd.DataFrame:
    """One row a slice: a row without `frame` becomes all slices of its file.

    What the files say is in columns that end in `_file`; `expanded`: the row was one of a file or folder of several.
    """
    said = facts.rows.rename(columns={name: f"{name}_file" for name in facts.rows if name not in ("path", "frame")})
    said["frame"] = said["frame"].astype(float)
    rows = rows.reset_index(names="row").astype({"path": object})
    all_slices, one_slice = rows[rows["frame"].isna()], rows[rows["frame"].notna()]
    parts = [
        all_slices.drop(columns="frame").merge(said, on="path", how="left"),
        one_slice.merge(said, on=["path", "frame"], how="left"),
    ]
    parts[0]["expanded"] = parts[0]["in_folder"] | (parts[0]["frames_file"].astype(float) > 1)
    parts[1]["expanded"] = parts[1]["in_folder"]
    together = pd.concat([part for part in parts if len(part)])
    return together.sort_values("row", kind="stable").set_index("row")


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns of a Manifest: what the table says, and what the files say where it says nothing.

    The number of a slice stays as the table gives it. The window is that of pictures and of volumes of grey levels.
    """
    known = rows[[name for name in rows if name in TABLE_COLUMNS]].copy()
    for name in (name.removesuffix("_file") for name in rows if name.endswith("_file")):
        if name in TABLE_COLUMNS and name not in ("slice", "window"):
            known[name] = _first_known(rows, name)
    is_picture = rows["kind_file"] == "picture"
    known["window"] = rows["window"].where(is_picture, rows["window_file"].where(rows["window_file"].notna(), None))
    known["frame"] = rows["frame"].where(rows["frames_file"].astype(float) > 1)
    if "slice" in known:
        known["slice"] = known["slice"].mask(rows["expanded"])
    return known


def _first_known(rows: pd.DataFrame, name: str) -> pd.Series:
    """What the table says, else what the file says; of a file that one row stands for, what the file says."""
    of_file = rows[f"{name}_file"]
    if name not in rows:
        return of_file
    if name in ("slice", "position_mm"):
        return rows[name].where(rows[name].notna() & ~rows["expanded"].astype(bool), of_file)
    return rows[name].where(rows[name].notna(), of_file)


def _all_frames(rows: pd.DataFrame, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows are of a file of several slices of which every slice is among the rows that are kept."""
    there = rows["frame"].where(kept).groupby(rows["path"].to_numpy()).transform("nunique")
    frames = rows["frames_file"].astype(float)
    return np.asarray((frames > 1) & (there == frames), bool)


def _sort_out(slices: SliceRows, rows: pd.DataFrame, facts: FileFacts, root: Path) -> None:
    """Keep out what cannot be used; rows: as `_expand` gives them, in the order of the slices."""
    sieve, path = slices.sieve, rows["path"]
    labelled = (slices.labels() != UNKNOWN).any(axis=1)
    of_scan = (slices.labels(SCAN_FINDING_NAMES) != UNKNOWN).any(axis=1) & slices.text("series").notna().to_numpy()
    sieve.report(path.isna().to_numpy() & ~of_scan, Problem.BAD_ROW, "It has neither a path nor a scan with labels.")
    folders = {one for one in path[rows["missing"]] if (root / one).is_dir()}
    absent = [f"{one} is a folder without DICOM files." if one in folders else f"There is no {one} below the root."
              for one in path]  # fmt: skip
    sieve.report(rows["missing"].to_numpy(bool), Problem.MISSING_FILE, absent)
    unusable = path.isin(list(facts.unusable)).to_numpy() & sieve.kept
    sieve.found += [Found(Problem.UNREADABLE_FILE, one, facts.unusable[one]) for one in path[unusable].unique()]
    sieve.kept &= ~unusable
    detail = "It labels slices of a file or folder of several: name each (file, frame), or label the scan (scan_any)."
    sieve.report(rows["expanded"].to_numpy(bool) & labelled, Problem.BAD_ROW, detail)
    beyond = path.notna() & rows["kind_file"].isna()
    sieve.report(beyond.to_numpy(), Problem.BAD_ROW, "Its file has no such frame.")
    unknown = (rows["kind_file"] == "picture") & slices.text("window").isna().to_numpy()
    sieve.report(unknown.to_numpy(), Problem.BAD_ROW, "The window of its picture is not given (--window).")


COLLECTION = Collection(
    name="csv",
    title="Your own files and labels: a CSV whose columns are those of a Manifest.",
    read=read,
    options=(
        Option("--table", "The CSV: a row a slice, or a row a file of several slices.", Path, metavar="CSV",
               required=True),
        COLUMN_OPTION,
        WINDOW_OPTION,
        MASK_VALUES_OPTION,
        PATIENTS_OPTION,
    ),
)  # fmt: skip
