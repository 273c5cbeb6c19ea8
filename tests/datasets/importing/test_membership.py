"""Tables of patients, scans and positions in the forms in which people publish them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hemoscope.datasets.importing.membership import NUMBERS, read_membership
from hemoscope.datasets.problems import Problem
from hemoscope.reasons import UsageError

HEAD = "SOPInstanceUID,PatientID,StudyInstanceUID,SeriesInstanceUID"
WHO = "ID_00000000a,ID_0000000b,ID_000000000c,ID_000000000d"


def read(path: Path, *lines: str) -> dict[str, object]:
    path.write_text("\n".join(lines) + "\n")
    table, _ = read_membership(path)
    (row,) = table.to_pylist()
    return dict(row)


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("ImagePositionPatient", "\"['-125', '-57.5', '30']\""),
        ("ImagePositionPatient", '"[-125.000, -57.5, 3.0e1]"'),
        ("ImagePositionPatient", "-125\\-57.5\\30"),
        ("ImagePositionPatient_0,ImagePositionPatient_1,ImagePositionPatient_2", "-125,-57.5,30"),
        ("ImagePositionPatient_x,ImagePositionPatient_y,ImagePositionPatient_z", "-125,-57.5,30"),
        ("ImagePositionPatient,ImagePositionPatient1,ImagePositionPatient2", "-125,-57.5,30"),
        ("x,y,z", "-125,-57.5,30"),
    ],
)
def test_positions_as_people_write_them(tmp_path: Path, header: str, cells: str) -> None:
    row = read(tmp_path / "train.csv", f"{HEAD},{header}", f"{WHO},{cells}")
    assert [row[name] for name in ("x", "y", "z")] == [-125, -57.5, 30]
    assert [row[name] for name in ("id", "patient", "study", "series")] == [
        "00000000a", "0000000b", "000000000c", "000000000d",
    ]  # fmt: skip


@pytest.mark.parametrize("cell", ["", "None", '"[1, 2]"', '"[1, 2, 3, 4]"', '"[1, 2, 1-2]"'])
def test_a_malformed_position_is_unknown(tmp_path: Path, cell: str) -> None:
    row = read(tmp_path / "train.csv", f"{HEAD},ImagePositionPatient", f"{WHO},{cell}")
    assert row["z"] is None


def test_a_coordinate_that_is_no_number_is_unknown(tmp_path: Path) -> None:
    row = read(tmp_path / "train.csv", f"{HEAD},x,y,z", f"{WHO},1,2,none")
    assert (row["y"], row["z"]) == (2, None)


def test_the_normal_follows_from_the_orientation(tmp_path: Path) -> None:
    row = read(tmp_path / "train.csv", f"{HEAD},ImageOrientationPatient", f'{WHO},"[1, 0, 0, 0, 0.96, -0.28]"')
    assert [row[name] for name in ("normal_x", "normal_y", "normal_z")] == pytest.approx([0, 0.28, 0.96])


def test_the_normal_of_a_tilted_scan_follows_from_two_numbers(tmp_path: Path) -> None:
    row = read(tmp_path / "train.csv", f"{HEAD},orient_col_y,orient_col_z", f"{WHO},0.96,-0.28")
    assert [row[name] for name in ("normal_x", "normal_y", "normal_z")] == pytest.approx([0, 0.28, 0.96])


def test_only_z(tmp_path: Path) -> None:
    row = read(tmp_path / "t.csv", "id,series,z", "00000000a,000000000d,12.5")
    assert (row["x"], row["z"], row["patient"]) == (None, 12.5, None)


def test_identifiers_of_digits_stay_text(tmp_path: Path) -> None:
    row = read(tmp_path / "t.csv", "id,patient", "000000001,00000002")
    assert (row["id"], row["patient"]) == ("000000001", "00000002")


def test_rows_that_differ_are_not_used(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,patient\nID_00000000a,1\nID_00000000a,1\nID_00000000b,1\nID_00000000b,2\n")
    table, found = read_membership(path)
    assert table["id"].to_pylist() == ["00000000a"]
    assert [(one.problem, one.item) for one in found] == [(Problem.UNKNOWN_PATIENT, "ID_00000000b")]


def test_a_table_without_slices_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("patient\n1\n")
    with pytest.raises(UsageError, match="which slice"):
        read_membership(path)


def test_the_published_table(shared_data: Path) -> None:
    path = shared_data / "rsna_metadata" / "slices.parquet"
    table, found = read_membership(path)
    known = {name: len(table) - table[name].null_count for name in ("patient", "study", "series", "z")}
    assert (len(table), found) == (874_035, ())
    assert known == {"patient": 258_081, "study": 258_081, "series": 433_329, "z": 110_741}
    position = pq.read_table(path, columns=["id", "x", "y", "z"]).slice(0, 1).to_pylist()[0]
    row = table.slice(0, 1).to_pylist()[0]
    assert (row["id"], row["x"], row["y"], row["z"]) == tuple(position.values())
    assert set(NUMBERS) <= set(row)
    lengths = np.linalg.norm([table[name].drop_null().to_numpy() for name in NUMBERS[3:]], axis=0)
    assert np.allclose(lengths, 1)
