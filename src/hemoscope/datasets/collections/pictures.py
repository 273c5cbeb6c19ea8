"""8-bit pictures of slices whose display window is known: in folders by class, or with a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hemoscope.ct.inputs import JUNK_NAMES, SYSTEM_FOLDER
from hemoscope.ct.windows import Window
from hemoscope.datasets.collection import Collection, Imported, OnProgress, Option
from hemoscope.datasets.importing.assignments import (
    MASK_VALUES_OPTION,
    NONE,
    finding_called,
    findings_of,
    read_assignments,
    read_mask_values,
)
from hemoscope.datasets.importing.file_names import NAME_PATTERN_OPTION, read_names
from hemoscope.datasets.importing.label_table import COLUMN_OPTION, LabelTable, read_column_option, read_label_table
from hemoscope.datasets.importing.picture_rows import WINDOW_OPTION, check_pictures, pictures_below, use_masks
from hemoscope.datasets.importing.slice_rows import PATIENTS_OPTION, SliceRows, to_manifest
from hemoscope.datasets.problems import Problem
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

# What tables of pictures often call the columns of a Manifest; --column says otherwise.
USUAL_NAMES = {"path": "file", "sop_instance_uid": "id"}

WINDOW_COLUMN = re.compile("window.*(level|cent|width)", re.IGNORECASE)


def read(
    root: Path,
    name: str,
    jobs: int,
    on_progress: OnProgress,
    window: str | None = None,
    table: Path | None = None,
    column: Sequence[str] = (),
    id_prefix: str | None = None,
    values: str | None = None,
    classes: str | None = None,
    name_pattern: str | None = None,
    patients: str | None = None,
) -> Imported:
    """Read ROOT/<class>/**/*.png, or the pictures of a table.

    Raises UsageError where the window is not said or said twice, where a folder stands for no class, and where the
    table lacks a column.
    """
    if table is not None and (classes or name_pattern):
        raise UsageError("--classes and --name-pattern are for folders by class: leave them out, or --table.")
    if table is None and (column or id_prefix or values):
        raise UsageError("--column, --id-prefix and --values are about columns of a table: give it with --table.")
    if table is None:
        slices = _folders_by_class(root, classes, name_pattern, patients or name)
    else:
        slices = _rows_of_table(table, column, id_prefix or "", window, patients or name)
    _set_window(slices, window)
    check_pictures(slices, root, on_progress)
    mask_values = findings_of(read_mask_values(values)) if values else {}
    use_masks(slices, root, mask_values)
    return to_manifest(slices, name, root, mask_values)


def _folders_by_class(root: Path, classes: str | None, name_pattern: str | None, namespace: str) -> SliceRows:
    """One row a picture, labelled by the first folder of its path."""
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and not _is_junk(path.name))
    named = read_assignments(classes, "--classes") if classes else _by_their_names(root, folders)
    absent = sorted(set(named) - set(folders))
    if absent:
        raise UsageError(f"{root} has no folder {absent[0]}, which --classes names; it has {', '.join(folders)}.")
    paths = [(folder, path.relative_to(root).as_posix()) for folder in named for path in pictures_below(root / folder)]
    if not paths:
        raise UsageError(f"{root} has no folders by class with PNG or JPEG pictures; or give a table with --table.")
    rows = pd.DataFrame({"path": [path for _, path in paths]})
    for finding in FINDING_NAMES:
        rows[finding] = [1.0 if named[folder] == finding else None for folder, _ in paths]
    rows["any"] = [0.0 if named[folder] == NONE else 1.0 for folder, _ in paths]
    if name_pattern:
        rows = rows.join(read_names(name_pattern, rows["path"].tolist()))
    slices = SliceRows(rows, rows["path"].tolist(), namespace)
    unused = [folder for folder in folders if folder not in named]
    if unused:
        slices.remarks.append(f"Folders that --classes does not name were not read: {', '.join(unused)}.")
    return slices


def _by_their_names(root: Path, folders: Sequence[str]) -> dict[str, str]:
    named = {folder: finding_called(folder) for folder in folders}
    unclear = [folder for folder, finding in named.items() if finding is None]
    if unclear:
        sentence = f"The folder {unclear[0]} of {root} is not named like a finding or 'none': say what each class is,"
        raise UsageError(f"{sentence} for example --classes hemorrhage=any,normal=none; or give a table with --table.")
    return {folder: finding for folder, finding in named.items() if finding is not None}


def _is_junk(folder: str) -> bool:
    return folder.startswith(".") or folder == SYSTEM_FOLDER or folder in JUNK_NAMES


def _rows_of_table(path: Path, column: Sequence[str], id_prefix: str, window: str | None, namespace: str) -> SliceRows:
    read = read_label_table(path, read_column_option(column), USUAL_NAMES)
    if "path" not in read.rows:
        raise UsageError(f"{path} has no column path or file; --column path=COLUMN says which one names the pictures.")
    slices = read.slices(namespace)
    if "sop_instance_uid" in slices.rows:
        slices.rows["sop_instance_uid"] = id_prefix + slices.rows["sop_instance_uid"]
    slices.remarks += _remarks(read, window)
    return slices


def _remarks(read: LabelTable, window: str | None) -> list[str]:
    """Say which columns were not used; and when those that sound like the window of the pictures were not."""
    if not read.unused:
        return []
    remark = f"Columns of {read.name} that were not used: {', '.join(read.unused)}."
    windows = [name for name in read.unused if WINDOW_COLUMN.search(name)]
    if windows and window:
        remark += f" The pictures are taken to show the window {window}, whatever {' and '.join(windows)} say."
    return [remark]


def _set_window(slices: SliceRows, window: str | None) -> None:
    """Give every row its window: that of the option or that of the column, never a mixture of them."""
    if "window" in slices.rows:
        if window:
            raise UsageError("The window is said by --window and by a column of the table: leave out one of them.")
        unknown = slices.text("window").isna().to_numpy()
        slices.sieve.report(unknown, Problem.BAD_ROW, "The window of its picture is not given.")
    elif window:
        slices.rows["window"] = str(Window.from_text(window))
    else:
        sentence = "Say with --window LEVEL/WIDTH which display window the pictures show, for example 40/80 or 77.5/255"
        raise UsageError(f"{sentence}; or, by picture, with a column `window` of the table (--column window=...).")


COLLECTION = Collection(
    name="pictures",
    title="Pictures (PNG, JPEG) of a known window, in folders by class or with a table.",
    read=read,
    options=(
        WINDOW_OPTION,
        Option("--table", "A CSV with a row a picture; without it, ROOT/<class>/ holds the pictures of a class.", Path,
               metavar="CSV"),
        COLUMN_OPTION,
        Option("--id-prefix", "Put this before the identifiers of slices: ID_ for those of RSNA 2019 without it.",
               metavar="TEXT"),
        MASK_VALUES_OPTION,
        Option("--classes", "What each folder stands for: a finding, any or none. By default they are named so.",
               metavar="FOLDER=FINDING,..."),
        NAME_PATTERN_OPTION,
        PATIENTS_OPTION,
    ),
)  # fmt: skip
