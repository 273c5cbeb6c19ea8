"""Rows of slices, from a table or from the names of files, to a Manifest: patients, order, repeats, labels of scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from hemoscope.datasets.collection import Imported, Option
from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.importing.scan_labels import labels_of_scans
from hemoscope.datasets.importing.sieve import Sieve
from hemoscope.datasets.importing.tables import repeated
from hemoscope.datasets.labels import complete_any, contradictions
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.problems import Problem
from hemoscope.findings import FINDING_NAMES

Flags = NDArray[np.bool_]
RSNA_NAMESPACE = "rsna2019"  # its patients are named without the prefix `ID_`
PATIENTS_OPTION = Option(
    "--patients", "What the patients' identifiers belong to, for example rsna2019 where they are those of RSNA 2019; by"
    " default the dataset. An identifier with a colon, rsna2019:10fd36b3, is taken as it is.", metavar="NAMESPACE",
)  # fmt: skip


class SliceRows:
    """Rows in the making.

    rows: columns named as in a Manifest, numbers (NaN where unknown) or text (None). sieve: which of them can be used.
    whole: those of scans that are completely there, as far as the numbers given show; an importer may know more.
    """

    def __init__(self, rows: pd.DataFrame, items: Sequence[str], namespace: str) -> None:
        """Name patients `namespace:id`, and series so that no two scans share a name; items: as in a Sieve."""
        self.rows = rows.reset_index(drop=True)
        self.sieve = Sieve(items)
        self.remarks: list[str] = []
        if "patient" in rows:
            self.rows["patient"] = _patient_names(self.rows["patient"], namespace)
        self._complete_owners()
        self._tell_series_apart()
        self.whole: Flags = self._numbered_without_gap()

    def text(self, name: str) -> pd.Series:
        """A column of text, None where unknown."""
        if name in self.rows:
            return self.rows[name].astype(object)
        return pd.Series([None] * len(self.rows), index=self.rows.index, dtype=object)

    def numbers(self, name: str) -> pd.Series:
        """A column of numbers, NaN where unknown."""
        if name in self.rows:
            return pd.to_numeric(self.rows[name]).astype(float)
        return pd.Series(np.nan, index=self.rows.index)

    def labels(self, names: Sequence[str] = FINDING_NAMES) -> NDArray[np.int8]:
        """Labels: int8 [row, finding], UNKNOWN where unknown."""
        return np.stack([self.numbers(name).fillna(UNKNOWN) for name in names], axis=1).astype(np.int8)

    def _complete_owners(self) -> None:
        """Give rows without patient or study those of their series, where its other rows name only one."""
        series = self.text("series")
        for owner in ("patient", "study"):
            if owner in self.rows:
                of_series = self.rows[owner].groupby(series)
                only = of_series.transform("first").where(of_series.transform("nunique") == 1, None)
                self.rows[owner] = self.rows[owner].fillna(only).astype(object)

    def _tell_series_apart(self) -> None:
        """Where one name stands for series of several patients or studies ("1", "2"), put theirs before it."""
        series = self.text("series")
        owners = pd.DataFrame({"patient": self.text("patient"), "study": self.text("study")}).fillna("")
        if not owners.assign(series=series)[series.notna()].drop_duplicates()["series"].duplicated().any():
            return
        before = owners["patient"].str.rpartition(":")[2] + "/" + owners["study"] + "/"
        self.rows["series"] = (before.str.replace("//", "/") + series).where(series.notna(), None)
        remark = "Several patients or studies have series of one name: they are called patient/study/series."
        self.remarks.append(remark)

    def _numbered_without_gap(self) -> Flags:
        """Whose scan has slices numbered 0, 1, 2 ... by the table or the names: it is taken to be complete."""
        scans = self.numbers("slice").groupby(self.text("series").mask(self.rows.duplicated()))
        count = scans.transform("size")
        gapless = (count > 1) & (scans.transform("nunique") == count) & (scans.transform("min") == 0)
        return np.asarray(gapless & (scans.transform("max") == count - 1), bool)


def to_manifest(slices: SliceRows, name: str, root: Path, mask_values: Mapping[int, str] | None = None) -> Imported:
    """Order the scans, keep out repeats and contradictions, fill in what follows, and label the scans.

    name: of the dataset; root: the folder where its paths begin.
    """
    sieve = slices.sieve
    again = _repeats(slices)
    slices.rows["slice"] = _order(slices)
    labels = slices.labels()
    sieve.report(contradictions(labels), Problem.CONTRADICTION, "`any` contradicts the subtypes.")
    labels = complete_any(labels)
    stated = _stated_scan_labels(slices)
    denied = ((labels == 1) & (complete_any(stated) == 0)).any(axis=1)
    sieve.report(denied, Problem.CONTRADICTION, "The slice has a finding that the table denies of its scan.")
    scan_labels = _scan_labels(slices, labels, stated, again)
    sieve.report(slices.text("patient").isna().to_numpy(), Problem.UNKNOWN_PATIENT, "No patient is given for it.")
    columns = {
        "path": slices.text("path"),
        **{column: slices.rows[column] for column in slices.rows},
        **dict(zip(FINDING_NAMES, labels.T, strict=True)),
        **dict(zip(SCAN_FINDING_NAMES, scan_labels.T, strict=True)),
    }
    kept = {column: values[sieve.kept] for column, values in columns.items()}
    manifest = Manifest.from_columns(name, root, kept, mask_values)
    return Imported(manifest, tuple(sieve.found), tuple(slices.remarks))


def _patient_names(given: pd.Series, namespace: str) -> pd.Series:
    given = given.astype(object)
    names = given.where(given.str.contains(":", regex=False, na=True).astype(bool), namespace + ":" + given)
    return names.str.replace(f"{RSNA_NAMESPACE}:ID_", f"{RSNA_NAMESPACE}:", regex=False)


def _repeats(slices: SliceRows) -> Flags:
    """Use one of several equal rows of a slice, and none of several that differ; returns the equal ones not used."""
    sieve, has_file = slices.sieve, slices.text("path").notna()
    keys = pd.DataFrame({"path": slices.text("path"), "frame": slices.numbers("frame")})
    again = (has_file & slices.rows.duplicated()).to_numpy() & sieve.kept
    sieve.report(again, Problem.DUPLICATE_ROW, "An equal row of the slice comes before it.")
    sieve.kept &= ~again
    left = has_file & sieve.kept
    differ = left & keys[left].duplicated(keep=False).reindex(keys.index, fill_value=False)
    sieve.report(differ.to_numpy(), Problem.CONFLICTING_ROWS, "The slice has several rows that differ.")
    copied, denied = _copies(slices)
    sieve.report(copied, Problem.DUPLICATE_ROW, "The same slice (sop_instance_uid) comes before it in another file.")
    sieve.kept &= ~copied
    sieve.report(denied, Problem.CONFLICTING_ROWS, "Files of the same slice (sop_instance_uid) have different labels.")
    return np.asarray(again | copied, bool)


def _copies(slices: SliceRows) -> tuple[Flags, Flags]:
    """Which rows are of a slice that an earlier row has in another file, and which of these differ in their labels."""
    left = (slices.text("sop_instance_uid").notna() & slices.sieve.kept).to_numpy()
    keys = pd.DataFrame({"slice": slices.text("sop_instance_uid"), "frame": slices.numbers("frame")})[left]
    copied, denied = np.zeros((2, len(left)), bool)
    copied[left], denied[left] = repeated(
        keys.groupby(["slice", "frame"], dropna=False).ngroup(), slices.labels()[left]
    )
    return copied, denied


def _order(slices: SliceRows) -> pd.Series:
    """Numbers of the slices from foot to head: by position where the table gives none, or counts from the head."""
    series, numbers, positions = slices.text("series"), slices.numbers("slice"), slices.numbers("position_mm")
    numbered = numbers.notna().groupby(series).transform("all").eq(True)
    placed = positions.notna().groupby(series).transform("all").eq(True)
    steps = positions.loc[numbers.sort_values(kind="stable").index].groupby(series).diff()
    falling = (steps < 0).where(steps.notna()).astype(float).groupby(series).transform("mean").reindex(series.index)
    down = numbered & placed & (falling > 0.5)
    if down.any():
        count = series[down].nunique()
        sentence = f"{count:,} scans were numbered from head to foot, as their positions show; they are renumbered."
        slices.remarks.append(sentence)
    ranks = positions.groupby(series).rank(method="first") - 1
    numbers = ranks.where(placed & (down | ~numbered), numbers)
    unordered = series.notna() & numbers.isna() & slices.text("path").notna()
    slices.sieve.report(unordered.to_numpy(), Problem.NO_POSITION, "Neither its number nor its position is given.")
    return numbers


def _stated_scan_labels(slices: SliceRows) -> NDArray[np.int8]:
    """What the table states of each row's scan, in any of its rows; keeps out scans of which it states both."""
    stated = pd.DataFrame(slices.labels(SCAN_FINDING_NAMES))
    scans, _ = pd.factorize(slices.text("series"))
    by_scan = stated.where(stated != UNKNOWN).groupby(np.where(scans < 0, -1 - np.arange(len(scans)), scans))
    lowest, highest = by_scan.transform("min"), by_scan.transform("max")
    differ = ((lowest == 0) & (highest == 1)).any(axis=1).to_numpy()
    slices.sieve.report(differ, Problem.CONFLICTING_ROWS, "Rows of the scan state different labels of it.")
    of_scan = highest.fillna(UNKNOWN).to_numpy(np.int8)
    slices.sieve.report(contradictions(of_scan), Problem.CONTRADICTION, "The labels of the scan contradict each other.")
    return np.asarray(of_scan)


def _scan_labels(
    slices: SliceRows, labels: NDArray[np.int8], stated: NDArray[np.int8], again: Flags
) -> NDArray[np.int8]:
    """What is stated of the scans, and what follows from their slices: 0 only where every slice is there and used."""
    series, kept = slices.text("series"), slices.sieve.kept
    used = series.where(kept, None)
    of_slices = labels_of_scans(pa.array(used, pa.string(), from_pandas=True), labels)
    incomplete = set(series[~kept & ~again])
    whole = slices.whole & ~series.isin(incomplete).to_numpy()
    of_slices = np.where(~whole[:, None] & (of_slices == 0), UNKNOWN, of_slices)
    return complete_any(np.where(stated == UNKNOWN, of_slices, stated).astype(np.int8))
