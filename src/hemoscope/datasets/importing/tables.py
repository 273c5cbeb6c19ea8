"""CSV tables of collections, read as text so that what a cell holds is judged here and not guessed by a library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.datasets.manifest import UNKNOWN
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError


def read_table(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read some columns of a CSV file as text; a blank cell is "".

    columns: {name here: name in the file}; letter case and white space in the names of the file do not count. Raises
    UsageError when the file is not there, is no CSV file or lacks a column.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"There is no table {path}: give the folder that holds {path.name}.") from None
    except (OSError, ValueError) as error:  # pandas' and the decoder's own errors are ValueErrors
        raise UsageError(f"{path} is no CSV table: {str(error).splitlines()[0]}") from error
    present = {_plain(name): name for name in table.columns}
    lacking = [name for name in columns.values() if _plain(name) not in present]
    if lacking:
        raise UsageError(f"{path} lacks the column {lacking[0]}; it has {', '.join(map(str, table.columns))}.")
    chosen = {name: table[present[_plain(given)]].fillna("").str.strip() for name, given in columns.items()}
    return pd.DataFrame(chosen)


def read_own_table(path: Path, columns: Mapping[str, str], collection: str) -> pd.DataFrame:
    """Read the table that a collection is known by; where it is not, or is another, the root is another."""
    try:
        return read_table(path, columns)
    except UsageError as error:
        raise UsageError(f"{path.parent} is not {collection}. {error.sentence}") from error


def numbers(cells: pd.Series) -> NDArray[np.float64]:
    """The numbers in cells of text; NaN where there is none."""
    return np.asarray(pd.to_numeric(cells, errors="coerce"), np.float64)


def whole_numbers(cells: pd.Series) -> NDArray[np.float64]:
    """The whole numbers in cells of text; NaN where there is something else."""
    values = numbers(cells)
    return np.where(np.isfinite(values) & (values == np.round(values)), values, np.nan)


def read_labels(table: pd.DataFrame) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Labels from the columns that are named like findings, and which rows hold anything but 0, 1 or nothing.

    Returns int8 [row, finding], UNKNOWN where blank, where the row is wrong and where there is no such column.
    """
    labels = np.full((len(table), len(FINDING_NAMES)), UNKNOWN, np.int8)
    wrong = np.zeros(len(table), bool)
    for place, name in enumerate(FINDING_NAMES):
        if name in table:
            values = numbers(table[name])
            wrong |= ~np.isin(values, (0, 1)) & (table[name] != "").to_numpy()
            labels[:, place] = np.where(np.isin(values, (0, 1)), values, UNKNOWN)
    labels[wrong] = UNKNOWN
    return labels, wrong


def repeated(names: pd.Series, labels: NDArray[np.int8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows repeat an earlier one of the same name, and which are of a name that has different labels.

    labels: int8 [row, finding].
    """
    values = pd.DataFrame(labels, index=names.index)
    again = names.duplicated().to_numpy()
    several = values.groupby(names.to_numpy()).nunique().max(axis=1) > 1
    conflicting = names.isin(several.index[several]).to_numpy()
    return again & ~conflicting, conflicting


def _plain(name: str) -> str:
    return re.sub(r"\s+", "", str(name)).lower()
