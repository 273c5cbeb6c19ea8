"""Your own table: DICOM, NIfTI and pictures of the examples, with and without what the files say themselves."""

from __future__ import annotations

import itertools
import random
import shutil
from pathlib import Path

import cv2
import pandas as pd
import pytest

from hemoscope.ct.read import read_scan
from hemoscope.ct.windows import BRAIN, to_grey
from hemoscope.datasets.collection import Imported
from hemoscope.datasets.collections.csv_table import COLLECTION
from hemoscope.datasets.problems import Problem, count_problems
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import HemoscopeError, UsageError

NIFTI = "physionet_ct_ich/patient_052.nii.gz"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def read(root: Path, table: Path, **options: object) -> Imported:
    return COLLECTION.read(root, "own", 1, lambda done, total: None, table=table, **options)


def write(folder: Path, text: str) -> Path:
    path = folder / "own.csv"
    path.write_text(text)
    return path


def test_dicom_files_need_a_path_alone(examples: Path, tmp_path: Path) -> None:
    names = [f"ge_tilted_head_series/{path.name}" for path in (examples / "ge_tilted_head_series").glob("*.dcm")]
    random.Random(7).shuffle(names)
    imported = read(examples, write(tmp_path, "path,any\n" + "".join(f"{name},0\n" for name in names)))
    rows = imported.manifest.table.to_pylist()
    scan = read_scan(examples / "ge_tilted_head_series")
    assert [row["sop_instance_uid"] for row in rows] == [one.sop_instance_uid for one in scan.slices]
    assert [row["path"] for row in rows] == [
        f"ge_tilted_head_series/{one.source.split('/')[-1]}" for one in scan.slices
    ]
    assert [row["slice"] for row in rows] == list(range(28))
    steps = [b["position_mm"] - a["position_mm"] for a, b in itertools.pairwise(rows)]
    expected = [b.position_mm - a.position_mm for a, b in itertools.pairwise(scan.slices)]
    # the position of a pixel's centre and that of the slice's middle differ by a constant along the normal
    assert steps == pytest.approx(expected, abs=0.05)
    assert len({row["series"] for row in rows}) == 1
    assert all(row["patient"].startswith("own:") and row["window"] is None and row["frame"] is None for row in rows)
    assert imported.manifest.labels.tolist() == [[0] * 6] * 28
    # the table does not say that these are all slices of the scan
    assert (imported.manifest.scan_labels == -1).all()


def test_what_the_table_says_counts_more_than_the_header(examples: Path, tmp_path: Path) -> None:
    text = "path,patient,series,sex,scan_any,slice\nge_tilted_head_series/01.dcm,rsna2019:ID_7,S,F,0,5\n"
    row = read(examples, write(tmp_path, text)).manifest.table.to_pylist()[0]
    assert (row["patient"], row["series"], row["sex"], row["slice"]) == ("rsna2019:7", "S", "F", 5)
    assert row["thickness_mm"] is not None
    assert [row[f"scan_{name}"] for name in FINDING_NAMES] == [0] * 6
    assert [row[name] for name in FINDING_NAMES] == [None] * 6


def test_a_volume_without_frame_is_all_its_slices_with_labels_of_the_scan(examples: Path, tmp_path: Path) -> None:
    imported = read(examples, write(tmp_path, f"path,patient,scan_any,scan_epidural\n{NIFTI},52,1,1\n"))
    rows = imported.manifest.table.to_pylist()
    scan = read_scan(examples / NIFTI)
    assert [row["frame"] for row in rows] == [one.frame for one in scan.slices]
    assert [row["position_mm"] for row in rows] == [one.position_mm for one in scan.slices]
    assert (imported.manifest.labels == -1).all()
    assert {(row["scan_any"], row["scan_epidural"], row["scan_subdural"]) for row in rows} == {(1, 1, None)}
    assert {(row["hu_low"], row["hu_high"], row["window"]) for row in rows} == {(-20, 100, None)}
    assert {row["series"] for row in rows} == {NIFTI}
    assert imported.found == ()


def test_labels_of_frames_are_those_of_the_release(examples: Path, tmp_path: Path) -> None:
    labels = pd.read_csv(examples / "physionet_ct_ich" / "labels.csv")
    table = labels.drop(columns=["slice_in_release", "fracture"]).assign(frame=labels["slice"])
    table["file"] = "physionet_ct_ich/" + table["file"]
    table.assign(patient=table["file"]).to_csv(tmp_path / "own.csv", index=False)
    imported = read(examples, tmp_path / "own.csv", column=("path=file",))
    rows = imported.manifest.table.to_pandas()
    assert len(rows) == 22 + 18 + 21
    assert (rows["frame"] == rows["slice"]).all()
    positive = rows.groupby("path")["any"].sum().to_dict()
    assert positive == {
        "physionet_ct_ich/patient_052.nii.gz": 9,
        "physionet_ct_ich/patient_077.nii.gz": 8,
        "physionet_ct_ich/patient_101.nii.gz": 0,
    }
    assert rows.groupby("path")["scan_any"].first().tolist() == [1, 1, 0]
    assert rows[rows["any"] == 1].groupby("path")["slice"].agg(["min", "max"]).to_numpy().tolist() == [[2, 10], [0, 7]]


@pytest.mark.parametrize(("frames", "scan_any"), [(21, 0), (20, None)])
def test_a_volume_is_complete_when_every_frame_has_a_row(
    examples: Path, tmp_path: Path, frames: int, scan_any: int | None
) -> None:
    rows = "".join(f"physionet_ct_ich/patient_101.nii.gz,{frame},0\n" for frame in range(frames))
    imported = read(examples, write(tmp_path, "path,frame,any\n" + rows))
    assert imported.manifest.table["scan_any"].to_pylist() == [scan_any] * frames


def test_a_volume_of_which_a_row_is_kept_out_is_not_complete(examples: Path, tmp_path: Path) -> None:
    rows = "".join(f"physionet_ct_ich/patient_101.nii.gz,{frame},{2 if frame == 9 else 0}\n" for frame in range(21))
    imported = read(examples, write(tmp_path, "path,frame,any\n" + rows))
    assert imported.manifest.table["scan_any"].to_pylist() == [None] * 20


def test_a_label_of_a_slice_cannot_be_given_to_a_whole_volume(examples: Path, tmp_path: Path) -> None:
    other = "physionet_ct_ich/patient_077.nii.gz"
    imported = read(examples, write(tmp_path, f"path,any,scan_any\n{NIFTI},1,\n{other},,1\n"))
    assert set(imported.manifest.table["path"].to_pylist()) == {other}
    found = [(one.problem, one.item) for one in imported.found if one.problem.kept_out]
    assert found == [(Problem.BAD_ROW, "own.csv row 2")]  # once, not once for each of its 22 slices
    assert "scan_any" in imported.found[0].detail


def test_a_table_of_which_nothing_can_be_used_is_an_error_that_says_why(examples: Path, tmp_path: Path) -> None:
    with pytest.raises(
        HemoscopeError, match=r"Nothing .* can be used\. The first of 1 reasons: own\.csv row 2: "
    ) as error:
        read(examples, write(tmp_path, f"path,any\n{NIFTI},1\n"))
    assert not isinstance(error.value, UsageError)  # exit code 1: the use was right


def test_pictures_need_their_window(examples: Path, tmp_path: Path) -> None:
    hu = read_scan(examples / NIFTI).hu
    cv2.imwrite(str(tmp_path / "a.png"), to_grey(hu[5], BRAIN))
    shutil.copy(examples / "ge_tilted_head_series" / "01.dcm", tmp_path)
    table = write(tmp_path, "path,patient,any\na.png,1,1\n01.dcm,2,0\n")
    rows = read(tmp_path, table, window="40/80").manifest.table.to_pylist()
    assert [(row["path"], row["window"], row["any"]) for row in rows] == [("a.png", "40/80", 1), ("01.dcm", None, 0)]
    imported = read(tmp_path, table)
    assert [(one.problem, one.item) for one in imported.found] == [(Problem.BAD_ROW, "own.csv row 2")]
    with pytest.raises(UsageError, match="leave out one"):
        read(tmp_path, write(tmp_path, "path,window\na.png,40/80\n"), window="40/80")


def test_files_of_hu_may_stand_beside_pictures_without_a_window(examples: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), to_grey(read_scan(examples / NIFTI).hu[5], BRAIN))
    shutil.copy(examples / NIFTI, tmp_path / "n.nii.gz")
    table = write(tmp_path, "path,frame,window\na.png,,40/80\nn.nii.gz,3,\nn.nii.gz,4,40/80\n")
    rows = read(tmp_path, table).manifest.table.to_pylist()
    shown = {(row["path"], row["frame"]): (row["window"], row["hu_high"]) for row in rows}
    assert shown == {("a.png", None): ("40/80", None), ("n.nii.gz", 3): (None, 100), ("n.nii.gz", 4): (None, 100)}


def test_a_scan_of_which_only_labels_are_known_is_a_row_without_file(tmp_path: Path) -> None:
    imported = read(tmp_path, write(tmp_path, "path,patient,series,scan_any\n,1,A,1\n,2,B,0\n,3,C,\n"))
    assert imported.manifest.table["series"].to_pylist() == ["A", "B"]
    assert imported.manifest.scan_labels[:, ANY].tolist() == [1, 0]
    assert [(one.problem, one.item) for one in imported.found] == [(Problem.BAD_ROW, "own.csv row 4")]


def test_rows_that_cannot_be_used_are_kept_out(examples: Path, tmp_path: Path) -> None:
    for number in range(1, 5):
        shutil.copy(examples / "ge_tilted_head_series" / f"0{number}.dcm", tmp_path)
    (tmp_path / "text.dcm").write_text("none")
    (tmp_path / "cut.dcm").write_bytes((tmp_path / "01.dcm").read_bytes()[:300])
    shutil.copy(examples / NIFTI, tmp_path / "n.nii.gz")
    text = """path,frame,epidural,any,age
01.dcm,,0,0,50
01.dcm,,0,0,50
02.dcm,,0,0,
02.dcm,,0,1,
03.dcm,,1,0,
04.dcm,,2,,
gone.dcm,,,,
text.dcm,,,,
cut.dcm,,,,
n.nii.gz,22,,,
n.nii.gz,3,,1,young
01.dcm,,
"""
    imported = read(tmp_path, write(tmp_path, text))
    assert imported.manifest.table["path"].to_pylist() == ["01.dcm"]
    found = {(one.item, one.problem) for one in imported.found}
    assert found == {
        ("own.csv row 3", Problem.DUPLICATE_ROW),
        ("own.csv row 4", Problem.CONFLICTING_ROWS),
        ("own.csv row 5", Problem.CONFLICTING_ROWS),
        ("own.csv row 6", Problem.CONTRADICTION),
        ("own.csv row 7", Problem.BAD_ROW),
        ("own.csv row 8", Problem.MISSING_FILE),
        ("text.dcm", Problem.UNREADABLE_FILE),
        ("cut.dcm", Problem.UNREADABLE_FILE),
        ("own.csv row 11", Problem.BAD_ROW),
        ("own.csv row 12", Problem.BAD_ROW),
        ("own.csv row 13", Problem.BAD_ROW),
    }
    details = {one.item: one.detail for one in imported.found}
    assert details["own.csv row 7"] == "epidural is '2': it must be 0 or 1, or empty where unknown."
    assert details["own.csv row 13"] == "It has 3 cells for 5 columns."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,subdrual\na,1\n", "has the column subdrual: if it is subdural, give --column subdural=subdrual"),
        ("file,any\na,1\n", "has no column path, .*; it has any, file: give --column path=COLUMN"),
        ("path,Path\na,b\n", "names the column path twice"),
        ("", "no row of column names"),
        ("path,any\n", "no row with a cell for each"),
    ],
)
def test_wrong_tables_are_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(tmp_path, write(tmp_path, text))


def test_the_labels_of_the_examples_are_imported_as_they_are(examples: Path) -> None:
    folder = examples / "physionet_ct_ich"
    imported = read(folder, folder / "labels.csv", column=("path=file", "frame=slice"))
    rows = imported.manifest.table.to_pandas()
    assert rows.groupby("path")["any"].sum().tolist() == [9, 8, 0]
    assert rows.groupby("path")["scan_any"].first().tolist() == [1, 1, 0]
    assert (rows["frame"] == rows["slice"]).all()
    assert "Columns of labels.csv that were not used: slice_in_release, fracture." in imported.remarks


def test_a_folder_of_dicom_is_a_scan(examples: Path, tmp_path: Path) -> None:
    shutil.copytree(examples / "ge_tilted_head_series", tmp_path / "scans" / "7")
    (tmp_path / "scans" / "7" / "note.txt").write_text("no slice")
    (tmp_path / "scans" / "8").mkdir()
    imported = read(tmp_path, write(tmp_path, "path,patient,scan_any\nscans/7,7,1\nscans/8,8,1\n"))
    rows = imported.manifest.table.to_pylist()
    scan = read_scan(examples / "ge_tilted_head_series")
    assert [row["sop_instance_uid"] for row in rows] == [one.sop_instance_uid for one in scan.slices]
    assert [row["slice"] for row in rows] == list(range(28))
    assert {(row["patient"], row["any"], row["scan_any"]) for row in rows} == {("own:7", None, 1)}
    found = [(one.problem, one.item, one.detail) for one in imported.found]
    assert found == [(Problem.MISSING_FILE, "own.csv row 3", "scans/8 is a folder without DICOM files.")]
    with pytest.raises(HemoscopeError, match=r"own\.csv row 2: It labels slices of a file or folder of several"):
        read(tmp_path, write(tmp_path, "path,any\nscans/7,1\n"))


def test_patients_that_come_from_headers_are_told(examples: Path, tmp_path: Path) -> None:
    taken = read(examples, write(tmp_path, "path,any\nge_tilted_head_series/01.dcm,0\n"))
    assert any("PatientID of the DICOM headers of 1 slice" in remark for remark in taken.remarks)
    given = read(examples, write(tmp_path, "path,any,patient\nge_tilted_head_series/01.dcm,0,7\n"))
    assert given.remarks == ()


def test_scan_labels_that_contradict_their_slices_are_kept_out(examples: Path, tmp_path: Path) -> None:
    text = f"path,frame,any,scan_any\n{NIFTI},3,1,0\n{NIFTI},4,0,\n"
    imported = read(examples, write(tmp_path, text))
    assert imported.manifest.table["frame"].to_pylist() == [4]
    assert imported.manifest.table["scan_any"].to_pylist() == [0]
    assert count_problems(imported.found)[Problem.CONTRADICTION] == 1
    other = "physionet_ct_ich/patient_101.nii.gz"
    differing = read(examples, write(tmp_path, f"path,frame,scan_any\n{NIFTI},3,1\n{NIFTI},4,0\n{other},3,0\n"))
    assert differing.manifest.table["path"].to_pylist() == [other]
    assert count_problems(differing.found)[Problem.CONFLICTING_ROWS] == 2


def test_series_of_one_name_are_told_apart_by_their_patients(examples: Path, tmp_path: Path) -> None:
    text = f"path,frame,patient,series,any\n{NIFTI},3,1,a,1\nphysionet_ct_ich/patient_101.nii.gz,3,2,a,0\n"
    imported = read(examples, write(tmp_path, text))
    assert imported.manifest.scans.to_pylist() == ["own/1/a", "own/2/a"]
    assert imported.manifest.table["scan_any"].to_pylist() == [1, None]
    assert any("patient/study/series" in remark for remark in imported.remarks)
