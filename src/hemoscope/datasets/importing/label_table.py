"""A user's own table of slices: a CSV whose columns are named as those of a Manifest, each value checked."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd
import pyarrow as pa

from hemoscope.ct.windows import Window
from hemoscope.datasets.collection import Option
from hemoscope.datasets.columns import COLUMNS
from hemoscope.datasets.importing.slice_rows import SliceRows
from hemoscope.datasets.importing.tables import numbers, whole_numbers
from hemoscope.datasets.problems import Found, Problem
from hemoscope.datasets.slice_store.read_slices import PICTURE_FLIPS
from hemoscope.reasons import UsageError

UNKNOWN_CELLS = ("", "NA", "NaN", "nan")
POSTERIOR_UP = "posterior_up"  # 0 or 1, a plainer word for patient_orientation LP or LA
# What one cell can hold: every column but the name of the dataset and the lists.
_TYPES = {column.name: column.type for column in COLUMNS if not pa.types.is_nested(column.type)}
TABLE_COLUMNS: tuple[str, ...] = (*(name for name in _TYPES if name != "dataset"), POSTERIOR_UP)
DELIMITERS = ",;\t"  # of spreadsheets in several languages
FIRST_ROW = 2  # of the data, as spreadsheets count: the names of the columns are in row 1

COLUMN_OPTION = Option(
    "--column", "Take the column NAME of a Manifest from the column COLUMN of the table; the window from two,"
    " window=LEVEL/WIDTH. May be given several times.", metavar="NAME=COLUMN", repeat=True,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class LabelTable:
    """The rows of a table.

    rows: a column for each of TABLE_COLUMNS that the file has, text (None where unknown) or numbers (NaN); the index is
    the number of the row in the file. unused: columns of the file that are none of them. wrong: {row: what is wrong
    with it}; malformed: rows that have not one cell for each column and are not in `rows`.
    """

    name: str
    rows: pd.DataFrame
    unused: tuple[str, ...]
    wrong: Mapping[int, str]
    malformed: tuple[Found, ...]

    def slices(self, namespace: str) -> SliceRows:
        """The rows to make a Manifest of, those that are wrong sorted out."""
        items = [f"{self.name} row {row}" for row in self.rows.index]
        slices = SliceRows(self.rows, items, namespace)
        slices.sieve.found += self.malformed
        slices.sieve.found += [Found(Problem.BAD_ROW, f"{self.name} row {row}", self.wrong[row]) for row in self.wrong]
        slices.sieve.kept &= ~self.rows.index.isin(list(self.wrong))
        return slices


def read_column_option(given: Sequence[str]) -> dict[str, str]:
    """Read the values of --column, `NAME=COLUMN` each; raises UsageError."""
    sources: dict[str, str] = {}
    for text in given:
        name, equals, source = text.partition("=")
        if not equals or name not in TABLE_COLUMNS:
            known = ", ".join(TABLE_COLUMNS)
            raise UsageError(f"--column is written NAME=COLUMN, where NAME is one of {known}; not '{text}'.")
        sources[name] = source
    return sources


def read_label_table(path: Path, sources: Mapping[str, str], usual: Mapping[str, str] | None = None) -> LabelTable:
    """Read a table and check every value; what is empty is unknown.

    sources: {name in a Manifest: name in the file}, for columns of other names; usual: the same, where the file has
    them and no column of the Manifest's name. Raises UsageError where the file is no table, or lacks a column that
    `sources` names.
    """
    cells, malformed = _read_cells(path)
    named = {column.lower(): column for column in cells}
    given = {name: named[name] for name in TABLE_COLUMNS if name in named}
    also = {name: named[other] for name, other in (usual or {}).items() if other in named}
    sources = {**also, **given, **sources}
    chosen, used = _choose(path, cells, sources)
    wrong: dict[int, str] = {}
    frame = pd.DataFrame({name: _values(name, chosen[name], wrong) for name in chosen}, index=cells.index)
    if POSTERIOR_UP in frame:
        if "patient_orientation" in frame:
            raise UsageError(f"{path} has both {POSTERIOR_UP} and patient_orientation: leave one of them out.")
        frame["patient_orientation"] = frame.pop(POSTERIOR_UP).map({1.0: "LA", 0.0: "LP"}).astype(object)
    unused = tuple(name for name in cells if name not in used)
    return LabelTable(path.name, frame, unused, dict(sorted(wrong.items())), tuple(malformed))


def _read_cells(path: Path) -> tuple[pd.DataFrame, list[Found]]:
    """The cells as text, unknown ones as "", and the rows that have not one cell for each column."""
    lines = _read_lines(path)
    header = [name.strip() for name in lines[0]] if lines else []
    if not any(header):
        raise UsageError(f"{path} has no row of column names.")
    names = [name.lower() for name in header if name]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated:
        raise UsageError(f"{path} names the column {repeated} twice (letter case does not count).")
    found, kept, numbers_of = [], [], []
    for number, line in enumerate(lines[1:], FIRST_ROW):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) == len(header):
            kept.append(line)
            numbers_of.append(number)
        else:
            detail = f"It has {len(line)} cells for {len(header)} columns."
            found.append(Found(Problem.BAD_ROW, f"{path.name} row {number}", detail))
    if not kept:
        raise UsageError(f"{path} has no row with a cell for each of its {len(header)} columns.")
    cells = pd.DataFrame(kept, columns=header, index=numbers_of, dtype=object).apply(_stripped)
    nothing = [not name and (cells.iloc[:, place] == "").all() for place, name in enumerate(header)]
    return cells.loc[:, ~np.array(nothing)], found


def _read_lines(path: Path) -> list[list[str]]:
    """The rows as lists of cells, separated by what most often separates the names of the columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            first = stream.readline()
            stream.seek(0)
            return list(csv.reader(stream, delimiter=max(DELIMITERS, key=first.count)))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not in UTF-8: save it as 'CSV UTF-8'.") from error
    except (OSError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as a CSV table: {error}.") from error


def _stripped(column: pd.Series) -> pd.Series:
    stripped = column.str.strip()
    return stripped.mask(stripped.isin(UNKNOWN_CELLS), "")


def _choose(path: Path, cells: pd.DataFrame, sources: Mapping[str, str]) -> tuple[dict[str, pd.Series], set[str]]:
    """The columns by their names in a Manifest, and the names in the file of those that were used."""
    chosen, used = {}, set()
    for name, source in sources.items():
        parts = [source] if source in cells or name != "window" else source.split("/")
        absent = [part for part in parts if part not in cells]
        if absent or len(parts) > 2:
            raise UsageError(f"{path} has no column {source}; it has {', '.join(cells)}.")
        chosen[name] = cells[parts[0]]
        if len(parts) == 2:
            known = (cells[parts[0]] != "") & (cells[parts[1]] != "")
            chosen[name] = (cells[parts[0]] + "/" + cells[parts[1]]).where(known, "")
        used.update(parts)
    return chosen, used


def _values(name: str, cells: pd.Series, wrong: dict[int, str]) -> object:
    """The values of a column; adds to `wrong`, by the number of the row, what cannot be one."""
    values, bad, expected = _checked(name, cells)
    bad = np.asarray(bad) & (cells != "").to_numpy()
    for row, cell in cells[bad].items():
        wrong.setdefault(int(row), f"{name} is '{cell}': it must be {expected}, or empty where unknown.")
    return values


def _checked(name: str, cells: pd.Series) -> tuple[object, object, str]:
    """(values, which are wrong, what they must be)."""
    kind = _TYPES.get(name, pa.int8())
    if kind == pa.int8():
        values = numbers(cells.str.lower().replace({"true": "1", "false": "0"}))
        return values, ~np.isin(values, (0, 1)), "0 or 1"
    if pa.types.is_integer(kind):
        values = whole_numbers(cells)
        return values, ~(values >= 0), "a whole number from 0"
    if pa.types.is_floating(kind):
        values = numbers(cells)
        if name in ("age", "thickness_mm", "row_spacing_mm", "column_spacing_mm"):
            return values, ~(np.isfinite(values) & (values >= 0)), "a number from 0"
        return values, ~np.isfinite(values), "a number"
    texts = cells.where(cells != "", None)
    if name == "window":
        windows = {text: _window(text) for text in set(cells)}
        texts = cells.map(windows)
        return texts, texts.isna(), "level/width in HU, for example 40/80"
    if name in ("path", "mask"):
        paths = [PurePosixPath(PureWindowsPath(text).as_posix()) for text in cells]
        outside = [PureWindowsPath(path).anchor != "" or ".." in path.parts for path in paths]
        texts = pd.Series([str(path) for path in paths], cells.index, dtype=object).where(cells != "", None)
        return texts, outside, "a path from the root on"
    if name == "sex":
        return texts, ~cells.isin(["F", "M"]), "F or M"
    if name == "patient_orientation":
        return texts, ~cells.isin(list(PICTURE_FLIPS)), f"one of {', '.join(PICTURE_FLIPS)}"
    return texts, np.zeros(len(cells), bool), "text"


def _window(text: str) -> str | None:
    """The window in the way that a Manifest writes it; None where it is none."""
    try:
        return str(Window.from_text(text))
    except UsageError:
        return None
