"""Labels in the long form of RSNA 2019: a CSV with a row for each slice and finding, `ID_xxxxxxxxx_subtype,Label`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from hemoscope.datasets.manifest import UNKNOWN
from hemoscope.datasets.problems import Found, Problem
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

ID_LENGTH = 12  # ID_ and nine hexadecimal digits
ID_PATTERN = "^ID_[0-9a-f]{9}$"
LABEL_TEXTS = pa.array(["0", "1", "0.0", "1.0"])  # the latter two where pandas has written the file again


@dataclass(frozen=True, eq=False)
class LongLabels:
    """One row a slice, in the order in which the slices first come in the file.

    ids: of the slices, strings. labels: int8 [slice, finding], UNKNOWN where no good row was found or two rows differ.
    conflicting: bool [slice], where two rows differ. found: bad, repeated and conflicting rows.
    """

    ids: pa.Array
    labels: NDArray[np.int8]
    conflicting: NDArray[np.bool_]
    found: tuple[Found, ...]


def read_long_labels(path: Path) -> LongLabels:
    """Read the labels of a long CSV; its rows may come in any order. Raises UsageError where it is no such file."""
    rows, found = _read_rows(path, ("ID", "Label"))
    names, values = rows["ID"], pc.index_in(rows["Label"], LABEL_TEXTS)
    slices, findings = _split_names(names)
    good = pc.and_(pc.is_valid(findings), pc.is_valid(values))
    found += _bad_rows(path, rows, pc.invert(good))
    if not pc.any(good).as_py():
        raise UsageError(f"No row of {path} reads `ID_xxxxxxxxx_subtype,0` or `...,1`; give the CSV as Kaggle has it.")

    ids, shape = slices.dictionary, (len(slices.dictionary), len(FINDING_NAMES))
    slots = slices.indices.filter(good).to_numpy() * np.int64(shape[1]) + findings.filter(good).to_numpy()
    positive = np.bincount(slots, values.filter(good).to_numpy() % 2, shape[0] * shape[1]).reshape(shape)
    rows_there = np.bincount(slots, minlength=shape[0] * shape[1]).reshape(shape)
    labels = np.where(positive == rows_there, 1, np.where(positive == 0, 0, UNKNOWN)).astype(np.int8)
    labels[rows_there == 0] = UNKNOWN
    conflicting = (positive > 0) & (positive < rows_there)
    found += _repeated_rows(path, ids, rows_there, conflicting)
    named = rows_there.any(axis=1)  # by a good row
    differing = np.asarray(conflicting[named].any(axis=1))
    return LongLabels(ids.filter(pa.array(named)), labels[named], differing, tuple(found))


def read_long_ids(path: Path) -> tuple[pa.Array, tuple[Found, ...]]:
    """Read which slices a sample submission asks for: (their ids, the bad rows); raises UsageError."""
    rows, found = _read_rows(path, ("ID",))
    slices, findings = _split_names(rows["ID"])
    good = pc.is_valid(findings)
    return slices.filter(good).unique().dictionary_decode(), (*found, *_bad_rows(path, rows, pc.invert(good)))


def _read_rows(path: Path, columns: Iterable[str]) -> tuple[dict[str, pa.Array], list[Found]]:
    """The columns as text, and the lines that do not have as many fields as the first."""
    found: list[Found] = []

    def keep_out(line: pacsv.InvalidRow) -> str:
        detail = f"{path.name} has a line of {line.actual_columns} fields instead of {line.expected_columns}."
        found.append(Found(Problem.BAD_ROW, line.text, detail))
        return "skip"

    try:
        table = pacsv.read_csv(
            path,
            parse_options=pacsv.ParseOptions(invalid_row_handler=keep_out),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(columns), column_types=dict.fromkeys(columns, pa.string())
            ),
        )
    except (pa.ArrowException, OSError) as error:
        raise UsageError(
            f"{path} cannot be read as a CSV with the columns {', '.join(columns)}: {str(error).splitlines()[0]}"
        ) from error
    return {name: table[name].combine_chunks() for name in columns}, found


def _split_names(names: pa.Array) -> tuple[pa.Array, pa.Array]:
    """(slice, dictionary-encoded; number of the finding, null where malformed) of each `ID_xxxxxxxxx_subtype`."""
    slices = pc.utf8_slice_codeunits(names, 0, ID_LENGTH).dictionary_encode()
    findings = pc.index_in(pc.utf8_slice_codeunits(names, ID_LENGTH), pa.array([f"_{name}" for name in FINDING_NAMES]))
    well_formed = pc.match_substring_regex(slices.dictionary, ID_PATTERN).take(slices.indices)
    return slices, pc.if_else(well_formed, findings, None)


def _bad_rows(path: Path, rows: dict[str, pa.Array], bad: pa.Array) -> list[Found]:
    texts = zip(*(column.filter(bad).to_pylist() for column in rows.values()), strict=True)
    sentence = f"A row of {path.name} is not `ID_` with nine hexadecimal digits, a finding and 0 or 1."
    return [Found(Problem.BAD_ROW, ",".join(fields), sentence) for fields in texts]


def _repeated_rows(
    path: Path, ids: pa.Array, rows_there: NDArray[np.int64], conflicting: NDArray[np.bool_]
) -> list[Found]:
    """What is there more than once; rows_there and conflicting are [slice, finding]."""
    found = []
    for place in zip(*np.nonzero(rows_there > 1), strict=True):
        item = f"{ids[place[0]]}_{FINDING_NAMES[place[1]]}"
        if conflicting[place]:
            detail = f"{path.name} has {rows_there[place]} rows of it, some with 0 and some with 1."
            found.append(Found(Problem.CONFLICTING_ROWS, item, detail))
        else:
            detail = f"{path.name} has {rows_there[place]} equal rows of it."
            found.append(Found(Problem.DUPLICATE_ROW, item, detail))
    return found
