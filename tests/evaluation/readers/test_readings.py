"""Readings of scans from CSV tables of several layouts, and what is wrong with tables that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs pip install hemoscope[evaluate]")

from hemoscope.evaluation.readers.readings import Readings, read_scan_labels
from hemoscope.reasons import UsageError


def write(folder: Path, text: str) -> Path:
    path = folder / "reads.csv"
    path.write_text(text)
    return path


def test_cq500_has_a_row_a_scan(shared_data: Path) -> None:
    readings = Readings.read(shared_data / "cq500_reads/reads.csv")
    assert readings.readers == ("R1", "R2", "R3")
    assert readings.labels.shape == (3, 491, 6) and readings.scans[0] == "CQ500-CT-427"
    assert (readings.labels == 1).sum(axis=1).tolist() == [
        [10, 143, 39, 67, 82, 230], [17, 140, 30, 53, 49, 196], [13, 130, 26, 78, 45, 193],
    ]  # fmt: skip


def test_a_row_a_scan_and_reader(tmp_path: Path) -> None:
    text = "Series;Radiologist;EDH;CPH;IVH;SAH;SDH;ICH\nb;Z;0;1;0;0;0;1\na;Y;0;0;0;0;0;0\nb;Y;1;;0;no;Yes;1\n"
    readings = Readings.read(write(tmp_path, text))
    assert readings.scans.tolist() == ["b", "a"] and readings.readers == ("Y", "Z")
    assert readings.labels[:, 0].tolist() == [[1, -1, 0, 0, 1, 1], [0, 1, 0, 0, 0, 1]]
    assert readings.labels[:, 1].tolist() == [[0] * 6, [-1] * 6]  # Z did not read it


def test_a_row_a_scan_in_other_words(tmp_path: Path) -> None:
    text = "case,Dr. A_subdural,Dr. A_any hemorrhage,B: SDH,remark\n1,1,,,x\n2,0,0,1,y\n"
    readings = Readings.read(write(tmp_path, text))
    assert readings.readers == ("Dr. A", "B")
    assert readings.labels[0].tolist() == [[-1, -1, -1, -1, 1, 1], [0] * 6]  # any follows from a type, and none from it
    assert readings.labels[1].tolist() == [[-1] * 6, [-1, -1, -1, -1, 1, 1]]


def test_what_is_true_of_scans(tmp_path: Path) -> None:
    scans, labels = read_scan_labels(write(tmp_path, "scan,any,subdural\nx,0,\ny,1,1\n"))
    assert scans.tolist() == ["x", "y"]
    assert np.array_equal(labels, [[0] * 6, [-1, -1, -1, -1, 1, 1]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("scan,EDH\na,1\n", "does not say who read what"),
        ("reader,EDH\na,1\n", "has no column of scans"),
        ("scan,reader,EDH\na,R1,2\n", "Row 2 of .* has '2' as EDH: it must be 0 or 1"),
        ("scan,reader,EDH\na,R1,1\nb,R1,0.3\n", "Row 3 of .* has '0.3' as EDH"),
        ("scan,reader,EDH\na,R1,1\na,R1,1\n", "has R1 on a twice, again in row 3"),
        ("scan,R1:EDH\na,1\na,0\n", "has the scan a twice, again in row 3"),
        ("scan,reader,EDH\na,,1\n", "Row 2 of .* has nothing as reader"),
        ("scan,reader,EDH,epidural\na,R1,1,1\n", "two columns of epidural: EDH and epidural"),
        ("scan,R1:EDH,R1_epidural\na,1,1\n", "two columns of epidural: R1:EDH and R1_epidural"),
        ("scan,reader,EDH\n", "has no rows"),
        ("", "cannot be read as a CSV table"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as error:
        Readings.read(write(tmp_path, text))
    assert "\n" not in error.value.sentence


def test_a_truth_without_findings(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"needs a column of scans .* and columns of findings"):
        read_scan_labels(write(tmp_path, "scan,colour\na,1\n"))
