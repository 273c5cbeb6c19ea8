"""A user's own table: what each cell may hold, and columns under other names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hemoscope.datasets.importing.label_table import read_column_option, read_label_table
from hemoscope.datasets.slice_store.read_slices import PICTURE_FLIPS
from hemoscope.reasons import UsageError


def table(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("any", ["0", "1", "1.0", " 1 ", "TRUE", "False"], ["2", "-1", "yes", "0.5"]),
        ("scan_any", ["0", "1"], ["-1"]),
        ("slice", ["0", "12", "3.0"], ["-1", "1.5", "first"]),
        ("position_mm", ["-3.5", "1e1"], ["x", "inf"]),
        ("age", ["0", "61.5"], ["-1", "61Y"]),
        ("window", ["40/80", "77.5/255.0"], ["40", "40/0", "brain"]),
        ("sex", ["F", "M"], ["f", "0"]),
        ("patient_orientation", list(PICTURE_FLIPS), ["PL", "up"]),
        ("posterior_up", ["0", "1"], ["2"]),
        ("path", ["a/b.png", r"a\b.png"], ["/a.png", r"C:\a.png", r"\\host\a.png", "a/../../b.png", r"..\a.png"]),
    ],
)
def test_what_a_cell_may_hold(tmp_path: Path, column: str, good: list[str], bad: list[str]) -> None:
    cells = [*good, *bad, "", "NA", "NaN"]
    read = read_label_table(table(tmp_path, f"{column},study\n" + "".join(f"{cell},s\n" for cell in cells)), {})
    assert sorted(read.wrong) == [2 + len(good) + number for number in range(len(bad))]
    name = "patient_orientation" if column == "posterior_up" else column
    assert read.rows[name].notna().to_numpy()[: len(good)].all()
    assert read.rows[name].isna().to_numpy()[-3:].all()


def test_the_back_of_the_head_up_is_said_in_the_words_of_dicom(tmp_path: Path) -> None:
    read = read_label_table(table(tmp_path, "path,posterior_up\na,1\nb,0\nc,\n"), {})
    assert [None if pd.isna(one) else one for one in read.rows["patient_orientation"]] == ["LA", "LP", None]
    with pytest.raises(UsageError, match="leave one of them out"):
        read_label_table(table(tmp_path, "posterior_up,patient_orientation\n1,LA\n"), {})


def test_columns_under_other_names(tmp_path: Path) -> None:
    path = table(tmp_path, "patient,PatientID,level,width,bleed\nno,7,40,80,1\nno,8,40,,0\n")
    sources = read_column_option(["patient=PatientID", "window=level/width", "any=bleed"])
    read = read_label_table(path, sources)
    assert read.rows["patient"].tolist() == ["7", "8"]
    assert [None if pd.isna(one) else one for one in read.rows["window"]] == ["40/80", None]
    np.testing.assert_array_equal(read.rows["any"], [1, 0])
    assert read.unused == ("patient",)


@pytest.mark.parametrize("given", ["patient", "nobody=PatientID", "dataset=x", "boxes=y"])
def test_only_columns_of_a_manifest_can_be_taken(given: str) -> None:
    with pytest.raises(UsageError, match="--column is written NAME=COLUMN"):
        read_column_option([given])


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no column PatientID; it has path, any"):
        read_label_table(table(tmp_path, "path,any\na,1\n"), {"patient": "PatientID"})


def test_a_file_that_is_no_table_gives_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xff")
    for path in (tmp_path / "table.csv", tmp_path / "absent.csv", tmp_path):
        with pytest.raises(UsageError, match=r"cannot be read as a CSV table|is not in UTF-8: save it"):
            read_label_table(path, {})


@pytest.mark.parametrize(
    "text",
    [
        "Path,PATIENT,Any\r\na/1.png,7,TRUE\r\n\r\nb.png,,0\r\n",
        "path;patient;any\na/1.png;7;1\n;;\nb.png;;0\n",
        "path\tpatient\tany\na/1.png\t7\t1\n\nb.png\t\t0\n",
        '"path","patient","any",\n"a\\1.png","7","1.0",\n,,,\n"./b.png","","0",\n',
    ],
)
def test_what_spreadsheets_of_all_kinds_write(tmp_path: Path, text: str) -> None:
    read = read_label_table(table(tmp_path, text), {})
    assert read.rows["path"].tolist() == ["a/1.png", "b.png"]
    assert [None if pd.isna(one) else one for one in read.rows["patient"]] == ["7", None]
    assert read.rows["any"].tolist() == [1, 0]
    assert read.rows.index.tolist() == [2, 4]
    assert (read.unused, read.wrong, read.malformed) == ((), {}, ())
