"""Rows of slices to a Manifest: names of patients and series, order, and which scan labels follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hemoscope.datasets.collection import Imported
from hemoscope.datasets.importing.slice_rows import SliceRows, to_manifest
from hemoscope.datasets.problems import Problem, count_problems

ROOT = Path("/data")


def manifest(keep_out: int | None = None, **columns: list[object]) -> Imported:
    rows = pd.DataFrame(columns, dtype=object)
    rows["path"] = columns.get("path", [f"{number}.png" for number in range(len(rows))])
    slices = SliceRows(rows, [str(number) for number in range(len(rows))], "own")
    if keep_out is not None:
        slices.sieve.report(np.arange(len(rows)) == keep_out, Problem.MISSING_FILE, "gone")
    return to_manifest(slices, "own", ROOT)


@pytest.mark.parametrize(
    ("given", "namespace", "named"),
    [
        ("7", "own", "own:7"),
        ("ID_10fd36b3", "rsna2019", "rsna2019:10fd36b3"),
        ("rsna2019:ID_10fd36b3", "own", "rsna2019:10fd36b3"),
        ("cq500:12", "own", "cq500:12"),
        (None, "own", None),
    ],
)
def test_patients_get_one_name_over_all_datasets(given: str | None, namespace: str, named: str | None) -> None:
    rows = SliceRows(pd.DataFrame({"patient": [given], "path": ["a"]}, dtype=object), ["a"], namespace).rows
    assert [None if pd.isna(one) else one for one in rows["patient"]] == [named]


def test_a_slice_without_patient_has_that_of_its_series() -> None:
    made = manifest(patient=["1", None, None, None], series=["A", "A", "B", None])
    assert made.manifest.table["patient"].to_pylist() == ["own:1", "own:1", None, None]
    assert count_problems(made.found)[Problem.UNKNOWN_PATIENT] == 2


def test_a_scan_is_negative_only_when_it_is_complete_and_all_its_slices_are() -> None:
    complete = manifest(series=["A"] * 3, slice=[0, 1, 2], any=[0, 0, 0])
    assert complete.manifest.table["scan_any"].to_pylist() == [0, 0, 0]
    for columns in (
        {"series": ["A"] * 3, "slice": [0, 1, 3], "any": [0, 0, 0]},  # a gap
        {"series": ["A"] * 3, "slice": [1, 2, 3], "any": [0, 0, 0]},  # does not begin at 0
        {"series": ["A"] * 3, "slice": [0, 1, 2], "any": [0, None, 0]},  # one is unknown
        {"series": ["A"] * 3, "position_mm": [0, 5, 10], "any": [0, 0, 0]},  # the numbers are only counted here
        {"series": ["A"], "slice": [0], "any": [0]},  # a single slice
    ):
        assert set(manifest(**columns).manifest.table["scan_any"].to_pylist()) == {None}, columns


def test_a_scan_of_which_a_slice_is_kept_out_is_not_complete() -> None:
    made = manifest(keep_out=2, series=["A"] * 3, slice=[0, 1, 2], any=[0, 0, 0])
    assert made.manifest.table["scan_any"].to_pylist() == [None, None]
    made = manifest(series=["A"] * 3, slice=[0, 1, 2], any=[0, 0, 0], epidural=[None, None, 1])  # contradicts itself
    assert made.manifest.table["scan_any"].to_pylist() == [None, None]
    twice = manifest(path=["a", "b", "b"], series=["A"] * 3, slice=[0, 1, 1], any=[0, 0, 0])  # an equal row is no loss
    assert twice.manifest.table["scan_any"].to_pylist() == [0, 0]


def test_copies_of_a_slice_are_used_once_and_not_at_all_where_their_labels_differ() -> None:
    made = manifest(
        patient=["1"] * 6, series=["A"] * 6, sop_instance_uid=["u", "v", "u", "w", "w", None], any=[0, 0, 0, 0, 1, 0]
    )
    assert sorted(made.manifest.table["path"].to_pylist()) == ["0.png", "1.png", "5.png"]
    assert [(one.problem, one.item) for one in made.found if one.problem is not Problem.NO_POSITION] == [
        (Problem.DUPLICATE_ROW, "2"), (Problem.CONFLICTING_ROWS, "3"), (Problem.CONFLICTING_ROWS, "4"),
    ]  # fmt: skip


def test_one_positive_slice_makes_the_scan_positive() -> None:
    made = manifest(series=["A", "A"], slice=[4, 9], epidural=[1, None]).manifest.table
    assert made["scan_epidural"].to_pylist() == [1, 1]
    assert made["scan_any"].to_pylist() == [1, 1]
    assert made["scan_subdural"].to_pylist() == [None, None]


def test_slices_without_number_are_numbered_by_position() -> None:
    made = manifest(series=["A"] * 3 + ["B"] * 2, position_mm=[10.0, -5.0, 2.5, 1.0, None])
    rows = {row["path"]: row["slice"] for row in made.manifest.table.to_pylist()}
    assert rows == {"0.png": 2, "1.png": 0, "2.png": 1, "3.png": None, "4.png": None}
    assert count_problems(made.found)[Problem.NO_POSITION] == 2


def test_scans_numbered_from_the_head_are_turned() -> None:
    made = manifest(series=["A"] * 3 + ["B"] * 3, slice=[0, 1, 2] * 2, position_mm=[10, 5, 0, 0, 5, 10], any=[0] * 6)
    rows = made.manifest.table.to_pylist()
    assert [(row["path"], row["slice"]) for row in rows] == [
        ("2.png", 0), ("1.png", 1), ("0.png", 2), ("3.png", 0), ("4.png", 1), ("5.png", 2),
    ]  # fmt: skip
    assert any(remark.startswith("1 scans were numbered from head to foot") for remark in made.remarks)
    assert {row["scan_any"] for row in rows} == {0}


def test_numbers_that_agree_with_positions_stay() -> None:
    made = manifest(series=["A"] * 3, slice=[4, 7, 9], position_mm=[0, 5, 10])
    assert made.manifest.table["slice"].to_pylist() == [4, 7, 9]
