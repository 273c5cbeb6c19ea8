"""Labels in long form: 4.5 million rows in any order, with repeated, conflicting and malformed ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemoscope.datasets.importing.long_labels import LongLabels, read_long_ids, read_long_labels
from hemoscope.datasets.problems import Problem
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

FIRST, SECOND = "ID_00000000a", "ID_00000000b"


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(["ID,Label", *rows]) + "\n")
    return path


def rows_of(slice_id: str, labels: str) -> list[str]:
    return [f"{slice_id}_{name},{label}" for name, label in zip(FINDING_NAMES, labels, strict=True)]


def by_id(read: LongLabels) -> dict[str, list[int]]:
    return dict(zip(read.ids.to_pylist(), read.labels.tolist(), strict=True))


def test_rows_need_not_be_adjacent_or_in_order(tmp_path: Path) -> None:
    rows = np.random.default_rng(7).permutation(rows_of(FIRST, "010001") + rows_of(SECOND, "000110")).tolist()
    read = read_long_labels(write(tmp_path / "train.csv", rows))
    assert by_id(read) == {FIRST: [0, 1, 0, 0, 0, 1], SECOND: [0, 0, 0, 1, 1, 0]}
    assert read.found == ()


def test_equal_rows_count_once_and_are_reported(tmp_path: Path) -> None:
    rows = rows_of(FIRST, "010001")
    read = read_long_labels(write(tmp_path / "train.csv", rows + rows))
    assert by_id(read) == {FIRST: [0, 1, 0, 0, 0, 1]}
    assert [one.problem for one in read.found] == [Problem.DUPLICATE_ROW] * 6
    assert not read.conflicting.any()


def test_rows_that_differ_leave_the_label_unknown(tmp_path: Path) -> None:
    rows = [*rows_of(FIRST, "010001"), f"{FIRST}_epidural,1", *rows_of(SECOND, "000000")]
    read = read_long_labels(write(tmp_path / "train.csv", rows))
    assert by_id(read) == {FIRST: [-1, 1, 0, 0, 0, 1], SECOND: [0, 0, 0, 0, 0, 0]}
    assert [(one.problem, one.item) for one in read.found] == [(Problem.CONFLICTING_ROWS, f"{FIRST}_epidural")]
    assert dict(zip(read.ids.to_pylist(), read.conflicting.tolist(), strict=True)) == {FIRST: True, SECOND: False}


@pytest.mark.parametrize(
    "row",
    [
        f"{FIRST}_extradural,1",
        f"{FIRST}_,1",
        f"{FIRST},1",
        "ID_00000000_epidural,1",
        "ID_00000000G_epidural,1",
        "ID_00000000A_epidural,1",
        "00000000a_epidural,1",
        f"{FIRST}_epidural,2",
        f"{FIRST}_epidural,-1",
        f"{FIRST}_epidural,0.5",
        f"{FIRST}_epidural,",
        f"{FIRST}_epidural,yes",
        f"{FIRST}_epidural,1,1",
        ",",
    ],
)
def test_a_malformed_row_is_reported_and_its_label_is_unknown(tmp_path: Path, row: str) -> None:
    read = read_long_labels(write(tmp_path / "train.csv", [*rows_of(FIRST, "000011")[1:], row]))
    assert by_id(read) == {FIRST: [-1, 0, 0, 0, 1, 1]}
    assert [(one.problem, one.item) for one in read.found] == [(Problem.BAD_ROW, row)]


def test_labels_that_pandas_wrote_as_floats(tmp_path: Path) -> None:
    rows = [row + ".0" for row in rows_of(FIRST, "010001")]
    assert by_id(read_long_labels(write(tmp_path / "train.csv", rows))) == {FIRST: [0, 1, 0, 0, 0, 1]}


@pytest.mark.parametrize("text", ["", "ID,Label\n", "id,label\nID_00000000a_any,1\n", "ID,Label\nx,1\n"])
def test_another_file_is_a_usage_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "train.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"train\.csv"):
        read_long_labels(path)


def test_a_sample_submission_names_the_slices(tmp_path: Path) -> None:
    path = write(tmp_path / "submission.csv", [*rows_of(SECOND, "555555"), "ID_1_any,0.5", *rows_of(FIRST, "555555")])
    ids, found = read_long_ids(path)
    assert ids.to_pylist() == [SECOND, FIRST]
    assert [one.problem for one in found] == [Problem.BAD_ROW]
