"""Predictions of slices or of scans, from the tables of Hemoscope or from someone else's CSV."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemoscope.datasets.importing.assignments import finding_called
from hemoscope.evaluation.matching.cells import FIRST_ROW, read_cells
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError
from hemoscope.report.names import FORMULA_STARTS
from hemoscope.report.tables import SCAN_COLUMNS, SLICE_COLUMNS

# What columns are called here, and elsewhere (letter case, blanks, "_" and "-" do not count).
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "scan": ("scan", "scan id", "series", "series id", "series instance uid", "volume"),
    "slice": ("slice", "slice number", "slice index"),
    "sop_instance_uid": ("sop instance uid", "sop uid", "image", "image id", "id"),
    "source": ("source", "path", "file", "file name"),
}
# What else a table may say of its cases; "" is the index that pandas writes.
OTHERS = ("", "patient", "patient id", "study", "study id", "study instance uid", "dataset", "split")
RSNA_ID = r"^(?P<slice>.+)_(?P<finding>[A-Za-z]+)$"  # ID_xxxxxxxxx_subtype, a row for each slice and finding


@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities of slices or scans as a table has them, in its order.

    file: its name, for messages. names: a row each, with those of the columns of SYNONYMS that the table has; text or
    None, `slice` float64 with NaN. rows: (N,) the number of each row in the file, as spreadsheets count.
    probabilities: float64 (N, 6), NaN where none is given. scored: the findings that the table has a column of. unused:
    the columns that are of no known name.
    """

    file: str
    names: pd.DataFrame
    rows: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    scored: tuple[str, ...]
    unused: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shown(self) -> pd.Series:
        """What to call each row in a message: the most particular of its names."""
        shown = pd.Series([None] * len(self), dtype=object)
        if "scan" in self.names:
            shown = self.names["scan"]
            if "slice" in self.names:
                numbers = self.names["slice"].map("{:.0f}".format, na_action="ignore")
                shown = (shown + " slice " + numbers).where(numbers.notna(), shown)
        for name in ("source", "sop_instance_uid"):
            if name in self.names:
                shown = self.names[name].where(self.names[name].notna(), shown)
        return shown.where(shown.notna(), "row " + pd.Series(self.rows).astype(str))

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Read a CSV: `slices.csv`, `scans.csv`, columns of other names, or the long form of RSNA 2019 (`ID,Label`).

        Raises UsageError with one sentence where it names no slice, scan or finding, or where a probability is none.
        """
        cells = read_cells(path)
        columns = {_plain(name): name for name in cells.column_names}
        if set(columns) == {"id", "label"}:
            return _read_long(path, cells[columns["id"]], cells[columns["label"]])
        used = _columns_of_findings(path, cells.column_names)
        probabilities = np.full((cells.num_rows, len(FINDING_NAMES)), np.nan)
        for name, column in used.items():
            probabilities[:, FINDING_NAMES.index(name)] = _probabilities(path, column, cells[column])
        names = {
            name: _name_cells(name, cells[columns[_plain(word)]])
            for name, words in SYNONYMS.items()
            for word in words[::-1]  # of several, the first of the words is taken
            if _plain(word) in columns
        }
        if not set(names) - {"slice"}:
            raise UsageError(
                f"{path} does not say of which slice or scan its rows are: it needs a column sop_instance_uid, scan "
                f"(and slice) or source; it has {', '.join(cells.column_names)}."
            )
        rows = np.arange(FIRST_ROW, FIRST_ROW + cells.num_rows)
        scored = tuple(name for name in FINDING_NAMES if name in used)
        unused = tuple(name for name in cells.column_names if name not in used.values() and _plain(name) not in _KNOWN)
        return cls(path.name, pd.DataFrame(names), rows, probabilities, scored, unused)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()


_KNOWN = frozenset(map(_plain, (*OTHERS, *SLICE_COLUMNS, *SCAN_COLUMNS, *(w for ws in SYNONYMS.values() for w in ws))))


def _columns_of_findings(path: Path, columns: list[str]) -> dict[str, str]:
    """The column of each finding that the table has."""
    found: dict[str, str] = {}
    for column in columns:
        finding = finding_called(column)
        if finding not in FINDING_NAMES:
            continue
        if finding in found:
            raise UsageError(f"{path} has two columns of {finding}: {found[finding]} and {column}.")
        found[finding] = column
    if not found:
        raise UsageError(
            f"{path} has no column of a finding ({', '.join(FINDING_NAMES)}); it has {', '.join(columns)}."
        )
    return found


def _probabilities(path: Path, column: str, cells: pa.ChunkedArray) -> NDArray[np.float64]:
    """The numbers (N,) of a column, NaN where it is blank; raises UsageError naming the first row that holds none."""
    try:
        values = np.asarray(pc.cast(pc.utf8_trim_whitespace(cells), pa.float64()).to_numpy(), np.float64)
    except pa.ArrowInvalid:
        texts = cells.to_pandas()
        bad = np.flatnonzero(pd.to_numeric(texts, errors="coerce").isna() & texts.notna())
        row, text = bad[0] + FIRST_ROW, texts.iloc[bad[0]]
        raise UsageError(f"Row {row} of {path} has '{text}' as {column}, which is no number.") from None
    outside = np.flatnonzero((values < 0) | (values > 1))
    if len(outside):
        row, value = outside[0] + FIRST_ROW, values[outside[0]]
        also = f" ({len(outside):,} rows have such values)" if len(outside) > 1 else ""
        raise UsageError(
            f"Row {row} of {path} has {value:g} as {column}{also}: probabilities lie between 0 and 1; turn logits or "
            "percentages into them first."
        )
    return values


def _name_cells(name: str, cells: pa.ChunkedArray) -> Any:
    if name == "slice":
        return pd.to_numeric(cells.to_pandas(), errors="coerce").astype(np.float64)
    texts = cells.to_pandas().astype(object)
    if pc.any(pc.starts_with(cells, "'")).as_py():  # as Hemoscope writes what a spreadsheet would run as a formula
        guarded = texts.str.startswith("'", na=False) & texts.str[1:].str.startswith(FORMULA_STARTS, na=False)
        return texts.mask(guarded, texts.str[1:]).astype(object)
    return texts


def _read_long(path: Path, ids: pa.ChunkedArray, values: pa.ChunkedArray) -> Predictions:
    """The long form of RSNA 2019; raises UsageError for a row of another form, and for one that comes twice."""
    probabilities = _probabilities(path, "Label", values)
    parts = pc.extract_regex(ids, RSNA_ID).combine_chunks()
    slices, findings = pc.struct_field(parts, "slice"), pc.struct_field(parts, "finding")
    finding = pc.index_in(pc.utf8_lower(findings), pa.array(FINDING_NAMES))
    wrong = np.flatnonzero(np.asarray(finding.is_null()))
    if len(wrong):
        raise UsageError(
            f"Row {wrong[0] + FIRST_ROW} of {path} is '{ids[int(wrong[0])]}', not the ID of a slice followed by _ and "
            f"one of {', '.join(FINDING_NAMES)}."
        )
    encoded = slices.dictionary_encode()
    slot = encoded.indices.to_numpy().astype(np.int64) * len(FINDING_NAMES) + finding.to_numpy()
    table = np.full(len(encoded.dictionary) * len(FINDING_NAMES), np.nan)
    repeated = np.flatnonzero(pd.Series(slot).duplicated())
    if len(repeated):
        raise UsageError(f"{path} has {ids[int(repeated[0])]} twice, again in row {repeated[0] + FIRST_ROW}.")
    table[slot] = probabilities
    first = np.unique(encoded.indices.to_numpy(), return_index=True)[1]
    names = pd.DataFrame({"sop_instance_uid": encoded.dictionary.to_pandas().astype(object)})
    scored = tuple(FINDING_NAMES[place] for place in np.unique(finding.to_numpy()))
    return Predictions(path.name, names, first + FIRST_ROW, table.reshape(-1, len(FINDING_NAMES)), scored)
