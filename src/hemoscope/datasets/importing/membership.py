"""Published tables that say which patient, study and scan each slice of RSNA 2019 is of, and where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hemoscope.datasets.importing.headers import NORMAL, POSITION
from hemoscope.datasets.problems import Found, Problem
from hemoscope.reasons import UsageError

# What each column is called, in published tables and in that of DICOM headers.
NAMES = {
    "id": ("id", "ID", "sop_instance_uid", "SOPInstanceUID", "Image", "image"),
    "patient": ("patient", "PatientID", "patient_id"),
    "study": ("study", "StudyInstanceUID", "study_id", "study_instance_uid"),
    "series": ("series", "SeriesInstanceUID", "series_id", "series_instance_uid"),
}
# Identifiers of digits only are no numbers.
AS_TEXT = pacsv.ConvertOptions(column_types={name: pa.string() for given in NAMES.values() for name in given})
# Fifth and sixth number of the orientation; a gantry tilts about the x axis, so that rows run along it.
TILT = ("orient_col_y", "orient_col_z")
UNIT_TOLERANCE = 0.01  # header digits leave directions a little off

# One row a slice, null = unknown. ids without `ID_`; position in mm, normal a unit vector to the head.
NUMBERS = (*POSITION, *NORMAL)
SCHEMA = pa.schema([*((name, pa.string()) for name in NAMES), *((name, pa.float64()) for name in NUMBERS)])


def read_membership(path: Path) -> tuple[pa.Table, tuple[Found, ...]]:
    """Read a Parquet or CSV table as the columns of SCHEMA, one row a slice; raises UsageError where it is no such.

    Slices that two rows describe differently are left out.
    """
    table = _read(path)
    positions = _vectors(table, "ImagePositionPatient", 3)
    if positions is None and "z" in table.column_names:
        absent = pa.nulls(len(table), pa.float64())
        given = [table[name] if name in table.column_names else absent for name in POSITION]
        positions = _stack(given)
    if positions is None:
        positions = np.full((len(table), 3), np.nan)
    numbers = np.concatenate([positions, _normals(table)], axis=1)
    columns = {name: _identifiers(table, given) for name, given in NAMES.items()}
    columns |= {name: pa.array(numbers[:, place], from_pandas=True) for place, name in enumerate(NUMBERS)}
    return _one_row_a_slice(path, pa.Table.from_pydict(columns, SCHEMA))


def without_prefix(identifiers: pa.Array) -> pa.Array:
    """Identifiers of RSNA 2019 without their `ID_`."""
    return pc.replace_substring_regex(identifiers, "^ID_", "")


def _read(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path) if path.suffix == ".parquet" else pacsv.read_csv(path, convert_options=AS_TEXT)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{path} cannot be read as Parquet or CSV: {str(error).splitlines()[0]}") from error
    if not set(NAMES["id"]) & set(table.column_names):
        raise UsageError(f"{path} does not say which slice a row is of: it has none of {', '.join(NAMES['id'])}.")
    return table


def _identifiers(table: pa.Table, given: Sequence[str]) -> pa.Array:
    name = next((name for name in given if name in table.column_names), None)
    if name is None:
        return pa.nulls(len(table), pa.string())
    texts = table[name].cast(pa.string()).combine_chunks()
    return without_prefix(pc.if_else(pc.equal(texts, ""), None, texts))


def _normals(table: pa.Table) -> NDArray[np.float64]:
    """The slice normals [slice, 3], NaN where unknown."""
    directions = _vectors(table, "ImageOrientationPatient", 6)
    if directions is None:
        directions = np.full((len(table), 6), np.nan)
        if set(TILT) <= set(table.column_names):
            directions[:, :4] = (1, 0, 0, 0)
            directions[:, 4:] = _stack([table[name] for name in TILT])
    along_row, along_column = directions[:, :3], directions[:, 3:]
    normals = np.cross(along_row, along_column)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(np.abs(lengths - 1) < UNIT_TOLERANCE, normals / lengths, np.nan)
    return np.asarray(np.where(normals[:, 2:] < 0, -normals, normals))


def _vectors(table: pa.Table, keyword: str, count: int) -> NDArray[np.float64] | None:
    """A DICOM attribute of several numbers [slice, count]: in one column as text, or in a column each; None: absent."""
    for names in _spellings(keyword, count):
        if set(names) <= set(table.column_names):
            return _stack([table[name] for name in names])
    return _parse(table[keyword], count) if keyword in table.column_names else None


def _spellings(keyword: str, count: int) -> list[list[str]]:
    """How published tables call the columns of one number each."""
    spellings = [
        [f"{keyword}_{number}" for number in range(count)],
        [keyword, *(f"{keyword}{number}" for number in range(1, count))],  # fastai
    ]
    return spellings + ([[f"{keyword}_{axis}" for axis in "xyz"]] if count == 3 else [])


def _stack(columns: Sequence[pa.ChunkedArray]) -> NDArray[np.float64]:
    return np.stack([_numbers(column) for column in columns], axis=1)


def _numbers(cells: pa.ChunkedArray) -> NDArray[np.float64]:
    """The numbers in cells of any type; NaN where there is none."""
    return np.asarray(pd.to_numeric(cells.to_pandas(), errors="coerce"), np.float64)


def _parse(texts: pa.ChunkedArray, count: int) -> NDArray[np.float64]:
    """Numbers in texts such as "['-125', '-57', '30']" or "-125\\-57\\30"; NaN where there are not `count`."""
    plain = pc.replace_substring_regex(texts.cast(pa.string()).combine_chunks(), "[^0-9eE.+-]+", " ")
    parts = pc.split_pattern(pc.utf8_trim_whitespace(plain), " ")
    chosen = pc.fill_null(pc.equal(pc.list_value_length(parts), count), False)
    vectors = np.full((len(texts), count), np.nan)
    vectors[chosen.to_numpy(zero_copy_only=False)] = _numbers(pc.list_flatten(parts.filter(chosen))).reshape(-1, count)
    return vectors


def _one_row_a_slice(path: Path, table: pa.Table) -> tuple[pa.Table, tuple[Found, ...]]:
    table = table.filter(pc.is_valid(table["id"]))
    if pc.count_distinct(table["id"]).as_py() == len(table):
        return table, ()
    table = table.group_by(SCHEMA.names).aggregate([]).select(SCHEMA.names)
    rows = table["id"].value_counts()
    differing = rows.field("values").filter(pc.greater(rows.field("counts"), 1))
    sentence = f"{path.name} describes it in several ways: none was used."
    found = tuple(Found(Problem.UNKNOWN_PATIENT, f"ID_{item}", sentence) for item in differing.to_pylist())
    return table.filter(pc.invert(pc.is_in(table["id"], differing))), found
