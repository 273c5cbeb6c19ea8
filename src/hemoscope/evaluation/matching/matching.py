"""Which slice, or scan, of a Manifest each prediction is of.

Systems name slices differently: `hemoscope predict` by the key of the Manifest, `hemoscope detect` by hashes, or by
file names where there are no UIDs, challenges by an ID. Several ways are tried, the surest first. A name that is of
several slices of the Manifest is never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemoscope.evaluation.matching.predictions import Predictions
from hemoscope.evaluation.matching.targets import Names, Targets
from hemoscope.reasons import UsageError
from hemoscope.report.names import hashed

NOT_THERE, SEVERAL = -1, -2  # instead of a row of the Manifest
HASH_PREFIX = hashed("").partition(":")[0] + ":"
IMAGE_SUFFIX = r"(?i)\.(?:dcm|dicom|ima|png|jpe?g)$"
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Matches:
    """rows: (N,) the row of the Manifest of each prediction (of scans: a row of the scan), NOT_THERE or SEVERAL. ways:
    by which kind of name how many were found."""

    rows: Rows
    ways: Mapping[str, int]

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which predictions (N,) are of a row of the Manifest."""
        return np.asarray(self.rows >= 0)


def match_slices(predictions: Predictions, targets: Targets) -> Matches:
    """Find the row of the Manifest that each predicted slice is; raises UsageError where two are the same slice."""
    rows = np.full(len(predictions), NOT_THERE, np.int64)
    ways: dict[str, int] = {}
    for way, columns, look_up in _WAYS:
        left = np.flatnonzero(rows < 0)
        if len(left) and set(columns) <= set(predictions.names):
            found = look_up(predictions.names.iloc[left], targets)
            rows[left] = np.where(found == NOT_THERE, rows[left], found)
            ways[way] = ways.get(way, 0) + int((found >= 0).sum())
    _refuse_twice(predictions, rows, "slice")
    return Matches(rows, {way: count for way, count in ways.items() if count})


def match_scans(
    predictions: Predictions, targets: Targets, slices: tuple[Predictions, Matches] | None = None
) -> Matches:
    """Find the scan of the Manifest that each predicted scan is, by where its slices were found, or by its name.

    slices: of the same system, which say what it calls a scan. Raises UsageError where two are the same scan.
    """
    if "scan" not in predictions.names:
        raise UsageError(f"{predictions.file} does not say of which scan its rows are: it needs a column scan.")
    if "slice" in predictions.names and predictions.names["scan"].dropna().duplicated().any():
        raise UsageError(f"{predictions.file} is no table of scans; it has a row a slice: give it as --predictions.")
    wanted = _array(predictions.names["scan"])
    scans, ways = np.full(len(wanted), NOT_THERE, np.int64), {}
    if slices is not None and "scan" in slices[0].names:
        found = slices[1].found
        of_slices = targets.scan_of[slices[1].rows[found]]
        scans = _look_up(_array(slices[0].names["scan"])[found], wanted, of_slices)
        ways["its slices"] = int((scans >= 0).sum())
    left = np.flatnonzero(scans == NOT_THERE)
    scans[left], by_name = _scans_called(wanted[left], targets)
    rows = np.where(scans >= 0, targets.first_rows[scans], scans)
    _refuse_twice(predictions, rows, "scan")
    return Matches(rows, {way: count for way, count in (ways | by_name).items() if count})


def _look_up(names: NDArray[Any], wanted: NDArray[Any], rows: Rows | None = None) -> Rows:
    """The row of each wanted name (by default the place in `names`), SEVERAL where it is of more than one.

    None is the name of nothing.
    """
    rows = np.arange(len(names)) if rows is None else rows
    codes = pd.factorize(np.concatenate([names, wanted]))[0]  # -1 of None
    ours, theirs = codes[: len(names)], codes[len(names) :]
    named = ours >= 0
    ours, rows = ours[named], rows[named]
    found = np.full(codes.max(initial=-1) + 2, NOT_THERE, np.int64)  # the last of None
    found[ours] = rows
    found[ours[found[ours] != rows]] = SEVERAL
    return np.asarray(found[theirs])


def _scans_called(wanted: Names, targets: Targets) -> tuple[Rows, dict[str, int]]:
    """(the number of the scan of each name, NOT_THERE or SEVERAL; by which way how many were found)."""
    codes, names = pd.factorize(wanted)
    scans = np.full(len(names) + 1, NOT_THERE, np.int64)  # the last of no name
    ways = {}
    for way, names_of_scans in targets.of_scans:
        left = np.flatnonzero(scans[:-1] < 0)
        if len(left):
            found = _look_up(names_of_scans(), np.asarray(names, object)[left])
            scans[left] = np.where(found == NOT_THERE, scans[left], found)
            ways[way] = int(np.isin(codes, left[found >= 0]).sum())
    return scans[codes], ways


def _by_uid(names: pd.DataFrame, targets: Targets) -> Rows:
    wanted = names["sop_instance_uid"]
    if wanted.str.startswith(HASH_PREFIX, na=False).any():
        return _look_up(targets.hashed_uids, _array(wanted))
    return _look_up(targets.uids, _array(wanted.str.replace(IMAGE_SUFFIX, "", regex=True)))


def _by_number(names: pd.DataFrame, targets: Targets) -> Rows:
    """By scan and number of the slice, but not where both sides have an UID: then these differ."""
    scans, _ = _scans_called(_array(names["scan"]), targets)
    stride = int(targets.slices.max(initial=-1)) + 1
    given = names["slice"].to_numpy()
    whole = (scans >= 0) & (given >= 0) & (given < stride) & (given == np.round(given))
    wanted = np.where(whole, scans * stride + np.where(whole, given, 0).astype(np.int64), -1)
    of_rows = targets.scan_of * stride + targets.slices
    found = _look_up(of_rows[targets.slices >= 0], wanted, np.flatnonzero(targets.slices >= 0))
    if "sop_instance_uid" in names:
        other = names["sop_instance_uid"].notna().to_numpy() & pd.notna(targets.uids)[found]
        found = np.where((found >= 0) & other, NOT_THERE, found)
    return np.where(scans == SEVERAL, SEVERAL, found)


def _by_file_name(column: str) -> Callable[[pd.DataFrame, Targets], Rows]:
    def look_up(names: pd.DataFrame, targets: Targets) -> Rows:
        return _look_up(_array(_base(pd.Series(targets.files, dtype=object))), _array(_base(names[column])))

    return look_up


def _base(paths: pd.Series) -> pd.Series:
    """The last part of paths, also of files in an archive (`archive.zip!folder/file`)."""
    return paths.str.replace(r"^.*[/\\!]", "", regex=True)


def _array(column: pd.Series) -> Names:
    return np.asarray(column, object)


# (way, the columns that it needs, from names of predictions to rows of the Manifest)
_WAYS: tuple[tuple[str, tuple[str, ...], Callable[[pd.DataFrame, Targets], Rows]], ...] = (
    ("key of the Manifest", ("source",), lambda names, targets: _look_up(targets.keys, _array(names["source"]))),
    ("SOP instance UID", ("sop_instance_uid",), _by_uid),
    ("path", ("source",), lambda names, targets: _look_up(targets.files, _array(names["source"]))),
    ("scan and slice", ("scan", "slice"), _by_number),
    ("file name", ("source",), _by_file_name("source")),
    ("file name", ("sop_instance_uid",), _by_file_name("sop_instance_uid")),
)


def _refuse_twice(predictions: Predictions, rows: Rows, what: str) -> None:
    twice = np.flatnonzero((rows >= 0) & pd.Series(rows).duplicated().to_numpy())
    if len(twice):
        second = twice[0]
        first = np.flatnonzero(rows == rows[second])[0]
        more = f"; {len(twice):,} rows repeat a {what}" if len(twice) > 1 else ""
        both = f"Rows {predictions.rows[first]} and {predictions.rows[second]} of {predictions.file}"
        name = predictions.shown.iloc[second]
        raise UsageError(f"{both} are of the same {what} ({name}){more}: leave one prediction for each.")
