"""Predictions from CSV files: those of Hemoscope, those of others, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluation_data import NAMES, held_out, slices_of, written

from hemoscope.evaluation.matching.predictions import Predictions
from hemoscope.reasons import UsageError


def read(text: str, folder: Path) -> Predictions:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return Predictions.read(path)


def test_our_own_slices_csv_is_read_as_it_is(tmp_path):
    table = held_out()
    found = Predictions.read(written(slices_of(table), tmp_path / "slices.csv"))
    np.testing.assert_array_equal(found.probabilities, table[NAMES].to_numpy())
    assert found.names["source"].iloc[0] == f"held-out/{table['scan'].iloc[0]}/{table['slice'].iloc[0]:03d}.png#0"
    assert found.names["slice"].tolist() == table["slice"].tolist()
    assert found.names["sop_instance_uid"].isna().all()
    assert found.scored == tuple(NAMES)
    assert found.rows[:2].tolist() == [2, 3]


def test_a_scans_csv_of_detect_has_blanks_where_a_scan_was_not_analysed(tmp_path):
    found = read("scan,epidural,any,checks,state\nscan-0a1,0.25,0.5,,positive\n049,,,NOT_HEAD,not_analysed\n", tmp_path)
    assert found.names["scan"].tolist() == ["scan-0a1", "049"]  # not the number 49
    assert np.isnan(found.probabilities[1]).all()
    assert found.probabilities[0, [0, 5]].tolist() == [0.25, 0.5]
    assert found.scored == ("epidural", "any")


@pytest.mark.parametrize(
    ("header", "finding"),
    [
        ("CPH", "intraparenchymal"),
        ("ICH", "any"),
        ("any_hemorrhage", "any"),
        ("Extradural", "epidural"),
        ("sdh", "subdural"),
    ],
)
def test_findings_go_by_the_names_that_collections_give_them(header, finding, tmp_path):
    found = read(f"ImageID;{header}\nID_0;0.125\n", tmp_path)
    assert found.probabilities[0, NAMES.index(finding)] == 0.125
    assert found.names["sop_instance_uid"].tolist() == ["ID_0"]


def test_the_long_form_of_the_challenge_is_read_in_any_order(tmp_path):
    wide = held_out().head(50)
    ids = [f"ID_{number:09x}" for number in range(len(wide))]
    long = [(f"{one}_{name}", value) for one, row in zip(ids, wide[NAMES].to_numpy(), strict=True)
            for name, value in zip(NAMES, row, strict=True)]  # fmt: skip
    shuffled = pd.DataFrame(long, columns=["ID", "Label"]).sample(frac=1, random_state=0)
    found = Predictions.read(written(shuffled, tmp_path / "submission.csv"))
    order = [ids.index(name) for name in found.names["sop_instance_uid"]]
    assert sorted(order) == list(range(50))
    np.testing.assert_array_equal(found.probabilities, wide[NAMES].to_numpy()[order])
    assert shuffled["ID"].iloc[found.rows[3] - 2].startswith(ids[order[3]])


def test_an_apostrophe_that_guards_a_spreadsheet_is_taken_off(tmp_path):
    found = read("scan,any\n'-scan 1,0.5\n'quoted',0.5\n", tmp_path)
    assert found.names["scan"].tolist() == ["-scan 1", "'quoted'"]


def test_columns_of_no_known_name_are_told(tmp_path):
    header = "scan,Slice,position_mm,epidural,subdrual,prob_edh,checks,seconds,State,patient_id"
    found = read(f"{header}\na,0,1,0,1,1,,,,p\n", tmp_path)
    assert found.unused == ("subdrual", "prob_edh")
    assert Predictions.read(written(slices_of(held_out().head(2)), tmp_path / "slices.csv")).unused == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("scan,any\na,0.5\nb,1.25\nc,-3\n", r"^Row 3 of .*table.csv has 1.25 as any \(2 rows have such values\): prob"),
        ("scan,any\na,0.5\nb,high\n", r"^Row 3 of .*table.csv has 'high' as any, which is no number\.$"),
        ("scan,any\na,inf\n", "Row 2 of .* has inf as any"),
        ("scan,any,ICH\na,0.5,0.5\n", "two columns of any: any and ICH"),
        ("scan,Any,any\na,0.5,0.5\n", "names the column 'any' twice"),
        ("any,score\n0.5,1\n", "does not say of which slice or scan"),
        ("slice,any\n1,0.5\n", "does not say of which slice or scan"),
        ("scan,score\na,1\n", "has no column of a finding .*; it has scan, score"),
        ("scan,any\n", "has no rows"),
        ("", "cannot be read as a CSV table"),
        ("scan,any\na,0.5,7\n", "cannot be read as a CSV table: .*Expected 2 columns, got 3"),
        ("ID,Label\nID_1_any,0.5\nID_1_any,0.5\n", r"has ID_1_any twice, again in row 3\.$"),
        ("ID,Label\nID_1_any,0.5\nID_1_tumour,0.5\n", "Row 3 .* is 'ID_1_tumour', not the ID of a slice followed by _"),
        ("ID,Label\nID_1_any,1.5\n", "Row 2 of .* has 1.5 as Label"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(text, says, tmp_path):
    with pytest.raises(UsageError, match=says):
        read(text, tmp_path)


def test_a_missing_file_and_another_encoding_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"There is no table .*none\.csv\.$"):
        Predictions.read(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("scan,any,Gerät\na,0.5,1\n".encode("latin-1"))
    with pytest.raises(UsageError, match="not in UTF-8"):
        Predictions.read(tmp_path / "latin.csv")


def test_a_folder_and_a_binary_file_are_no_tables(tmp_path):
    with pytest.raises(UsageError, match=rf"^{tmp_path} is a folder, not a table\.$"):
        Predictions.read(tmp_path)
    held_out().head(3).to_parquet(tmp_path / "slices.parquet")
    with pytest.raises(UsageError, match=r"slices\.parquet is not a CSV table\.$"):
        Predictions.read(tmp_path / "slices.parquet")
    (tmp_path / "excel.txt").write_text("scan,any\na,0.5\n", encoding="utf-16")
    with pytest.raises(UsageError, match="not in UTF-8"):
        Predictions.read(tmp_path / "excel.txt")
