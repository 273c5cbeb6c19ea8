"""Predictions of slices as Kaggle takes them: a row for each slice and finding, in the order of its sample.

The file that the RSNA 2019 challenge gives, stage_2_sample_submission.csv, has the columns `ID` and `Label`; an ID is
that of a slice, `_` and a finding.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from hemoscope.evaluation.matching.cells import FIRST_ROW, read_cells
from hemoscope.evaluation.matching.matching import HASH_PREFIX, IMAGE_SUFFIX
from hemoscope.evaluation.matching.predictions import RSNA_ID, Predictions
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError
from hemoscope.report.names import hashed

NAMED = 10  # of the missing slices; more make no sentence
NOT_THERE = -1


@dataclass(frozen=True, eq=False)
class Sample:
    """What is asked for, row by row.

    file: its name, for messages. ids: (rows,), as they stand in it. names: (slices,), IDs of slices. slices, findings:
    (rows,), which of the names, and of the six findings, a row asks for.
    """

    file: str
    ids: pa.Array
    names: NDArray[Any]
    slices: NDArray[np.int64]
    findings: NDArray[np.int64]

    @classmethod
    def read(cls, path: Path) -> Sample:
        """Read a sample submission; raises UsageError with one sentence where it is none."""
        cells = read_cells(path)
        if "ID" not in cells.column_names:
            raise UsageError(f"{path} is no sample submission: it needs a column ID, of slices with _ and a finding.")
        ids = cells["ID"].combine_chunks()
        parts = pc.extract_regex(ids, RSNA_ID)
        slices = pc.struct_field(parts, "slice").dictionary_encode()
        findings = pc.index_in(pc.struct_field(parts, "finding"), pa.array(FINDING_NAMES))
        _refuse(path, ids, findings.is_null(), "not the ID of a slice followed by _ and a finding")
        _refuse(path, ids, ids.to_pandas().duplicated(), "there twice")
        names = np.asarray(slices.dictionary.to_pandas(), object)
        return cls(path.name, ids, names, np.asarray(slices.indices, np.int64), np.asarray(findings, np.int64))


def submission(predictions: Predictions, sample: Sample) -> bytes:
    """The CSV with a probability for each row of the sample.

    Raises UsageError, naming the slices, where a probability is missing or a slice is predicted twice.
    """
    rows = rows_of(predictions, sample.names)
    if missing := sample.names[rows == NOT_THERE].tolist():
        raise UsageError(
            f"{predictions.file} has no row for {_some(missing)}, of {len(sample.names):,} slices in {sample.file}: "
            "score these slices too."
        )
    labels = predictions.probabilities[rows[sample.slices], sample.findings]
    if np.isnan(labels).any():
        blank = np.flatnonzero(np.isnan(labels))
        findings = [FINDING_NAMES[finding] for finding in np.unique(sample.findings[blank])]
        slices = sample.names[np.unique(sample.slices[blank])].tolist()
        raise UsageError(
            f"{predictions.file} has no probability of {', '.join(findings)} for {_some(slices)}, of "
            f"{len(sample.names):,} slices in {sample.file}: the challenge asks for all, so fill these in."
        )
    buffer = io.BytesIO()
    buffer.write(b"ID,Label\n")  # without the quotes that pyarrow puts around names of columns
    options = pacsv.WriteOptions(include_header=False, quoting_style="none")
    pacsv.write_csv(pa.table({"ID": sample.ids, "Label": labels}), buffer, options)
    return buffer.getvalue()


def rows_of(predictions: Predictions, names: NDArray[Any]) -> NDArray[np.int64]:
    """The row of the predictions that each slice (slices,) has, NOT_THERE where it has none.

    A slice is known by its SOP instance UID, which is its ID in the challenge, or the hash of it, or else by the name
    of its file. Raises UsageError where two rows are of one slice.
    """
    rows = np.full(len(names), NOT_THERE, np.int64)
    for column in ("sop_instance_uid", "source"):
        left = np.flatnonzero(rows == NOT_THERE)
        if len(left) and column in predictions.names:
            rows[left] = _look_up(predictions, column, names[left])
    return rows


def _look_up(predictions: Predictions, column: str, names: NDArray[Any]) -> NDArray[np.int64]:
    given = predictions.names[column].str.replace(r"^.*[/\\!]", "", regex=True)
    given = given.str.replace(IMAGE_SUFFIX, "", regex=True)
    if column == "sop_instance_uid" and given.str.startswith(HASH_PREFIX, na=False).any():
        names = np.array([hashed(name) for name in names], object)
    wanted = given.isin(names)
    again = np.flatnonzero(wanted & given.duplicated())
    if len(again):
        first = np.flatnonzero(given == given[again[0]])[0]
        raise UsageError(
            f"Rows {predictions.rows[first]} and {predictions.rows[again[0]]} of {predictions.file} are of the same "
            f"slice ({given[again[0]]}): leave one prediction for each."
        )
    places = np.append(np.flatnonzero(wanted), NOT_THERE)
    return np.asarray(places[pd.Index(given[wanted]).get_indexer(pd.Index(names))])


def _refuse(path: Path, ids: pa.Array, wrong: Any, what: str) -> None:
    places = np.flatnonzero(np.asarray(wrong))
    if len(places):
        raise UsageError(f"Row {places[0] + FIRST_ROW} of {path} has the ID {ids[int(places[0])]}, which is {what}.")


def _some(names: Iterable[str]) -> str:
    """The first names, and how many more there are: "a, b and 7 more"."""
    names = list(names)
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
