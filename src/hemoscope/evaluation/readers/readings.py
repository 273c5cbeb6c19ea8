"""What several readers say of the same scans, and what is true of them, from CSV tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from hemoscope.datasets.importing.assignments import finding_called
from hemoscope.datasets.labels import complete_any
from hemoscope.evaluation.matching.cases import UNKNOWN
from hemoscope.evaluation.matching.cells import FIRST_ROW, read_cells
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

# What columns are called elsewhere, the likeliest first (letter case does not count).
SCAN_COLUMNS = ("scan", "name", "series", "study", "case", "patient", "id")
READER_COLUMNS = ("reader", "rater", "radiologist", "doctor", "observer")
ANSWERS: Mapping[str, int] = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "no": 0, "yes": 1, "false": 0, "true": 1}
Labels = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Readings:
    """scans: (N,) names, in the order of the file. readers: R names. labels: int8 (R, N, 6), 0, 1 or UNKNOWN."""

    scans: NDArray[Any]
    readers: tuple[str, ...]
    labels: Labels

    @classmethod
    def read(cls, path: Path) -> Readings:
        """Read a CSV: a row a scan and reader (`scan, reader, epidural, ...`), or a row a scan (`name, R1:ICH, ...`).

        A blank cell is unknown; what follows from other cells is filled in. Raises UsageError with one sentence.
        """
        cells = read_cells(path)
        scan = _column(cells, SCAN_COLUMNS)
        if scan is None:
            raise UsageError(f"{path} has no column of scans ({', '.join(SCAN_COLUMNS)}).")
        reader = _column(cells, READER_COLUMNS)
        plain, of_readers = _columns_of_findings(path, cells.column_names)
        scans = _names(path, cells, scan)
        if reader is not None and plain:
            return cls._from_rows(path, scans, _names(path, cells, reader), _labels(path, cells, plain))
        if of_readers:
            _refuse_twice(path, scans, "the scan")
            labels = [_labels(path, cells, columns) for columns in of_readers.values()]
            return cls(scans, tuple(of_readers), np.stack(labels))
        raise UsageError(
            f"{path} does not say who read what: it needs a column reader beside those of findings, or columns like "
            f"R1:ICH; it has {', '.join(cells.column_names)}."
        )

    @classmethod
    def _from_rows(cls, path: Path, scans: NDArray[Any], readers: NDArray[Any], rows: Labels) -> Readings:
        """From the scan, the reader and the labels (rows, 6) of each row."""
        _refuse_twice(path, np.array([f"{reader} on {scan}" for reader, scan in zip(readers, scans, strict=True)]), "")
        of_scan, scan_names = pd.factorize(scans)
        of_reader, reader_names = pd.factorize(readers, sort=True)
        labels = np.full((len(reader_names), len(scan_names), len(FINDING_NAMES)), UNKNOWN, np.int8)
        labels[of_reader, of_scan] = rows
        return cls(np.asarray(scan_names, object), tuple(reader_names), labels)


def read_scan_labels(path: Path) -> tuple[NDArray[Any], Labels]:
    """Read what is true of scans from a CSV `scan, epidural, ... any`: names (N,), labels (N, 6). Raises UsageError."""
    cells = read_cells(path)
    scan = _column(cells, SCAN_COLUMNS)
    plain, _ = _columns_of_findings(path, cells.column_names)
    if scan is None or not plain:
        raise UsageError(
            f"{path} needs a column of scans ({', '.join(SCAN_COLUMNS)}) and columns of findings "
            f"({', '.join(FINDING_NAMES)}); it has {', '.join(cells.column_names)}."
        )
    scans = _names(path, cells, scan)
    _refuse_twice(path, scans, "the scan")
    return scans, _labels(path, cells, plain)


def _column(cells: pa.Table, words: Sequence[str]) -> str | None:
    """The column that one of these words names, the first of the words first."""
    there = {name.strip().lower(): name for name in cells.column_names}
    return next((there[word] for word in words if word in there), None)


def _columns_of_findings(path: Path, columns: Sequence[str]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The column of each finding, and of each reader's findings (`R1:ICH`, `R1_ICH`)."""
    plain: dict[str, str] = {}
    of_readers: dict[str, dict[str, str]] = {}
    for column in columns:
        reader, name = "", column
        if finding_called(column) is None:
            reader, _, name = next(
                (parts for parts in (column.rpartition(sign) for sign in ":_ ") if finding_called(parts[2])),
                ("", "", ""),
            )
        finding = finding_called(name)
        if finding not in FINDING_NAMES:
            continue
        found = of_readers.setdefault(reader.strip(), {}) if reader.strip() else plain
        if finding in found:
            raise UsageError(f"{path} has two columns of {finding}: {found[finding]} and {column}.")
        found[finding] = column
    return plain, of_readers


def _names(path: Path, cells: pa.Table, column: str) -> NDArray[Any]:
    names = cells[column].to_pandas().str.strip().replace("", None)
    if names.isna().any():
        raise UsageError(f"Row {int(np.flatnonzero(names.isna())[0]) + FIRST_ROW} of {path} has nothing as {column}.")
    return np.asarray(names, object)


def _refuse_twice(path: Path, names: NDArray[Any], what: str) -> None:
    again = np.flatnonzero(pd.Series(names).duplicated())
    if len(again):
        row = again[0]
        named = " ".join(part for part in (what, str(names[row])) if part)
        raise UsageError(f"{path} has {named} twice, again in row {row + FIRST_ROW}: leave one of them out.")


def _labels(path: Path, cells: pa.Table, columns: Mapping[str, str]) -> Labels:
    """Labels (rows, 6) from the column of each finding, with what follows of `any` from the types and back."""
    labels = np.full((cells.num_rows, len(FINDING_NAMES)), UNKNOWN, np.int8)
    for finding, column in columns.items():
        texts = cells[column].to_pandas().str.strip().str.lower().replace("", None)
        answers = texts.map(ANSWERS)
        wrong = np.flatnonzero(answers.isna() & texts.notna())
        if len(wrong):
            row, text = wrong[0], re.sub(r"\s+", " ", str(texts.iloc[wrong[0]]))
            raise UsageError(
                f"Row {row + FIRST_ROW} of {path} has '{text}' as {column}: it must be 0 or 1, or empty where unknown."
            )
        labels[:, FINDING_NAMES.index(finding)] = answers.fillna(UNKNOWN)
    return complete_any(labels)
