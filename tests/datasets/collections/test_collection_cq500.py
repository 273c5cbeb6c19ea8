"""CQ500 from its real readings and real slices: votes, what follows for slices, series, order, and boxes of BHX."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
import pytest
from cq500_folder import ANGIOGRAPHY, SUBDURAL, VERTEX, make_cq500, write_bhx
from scipy.ndimage import binary_fill_holes, binary_opening, median_filter

from hemoscope.ct.pixels import Decoder
from hemoscope.datasets.collection import Imported
from hemoscope.datasets.collections.cq500 import COLLECTION
from hemoscope.datasets.columns import SCAN_FINDING_NAMES
from hemoscope.datasets.problems import Problem, count_problems
from hemoscope.datasets.slice_store.read_slices import SlicePixels, read_slices, slice_sources
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

BOX = {"xmin": 100, "ymin": 200, "xmax": 151, "ymax": 261}  # of `write_bhx`, rounded outwards


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(shared_data: Path, tmp_path: Path) -> Path:
    return make_cq500(shared_data, tmp_path / "CQ500")


def read(root: Path, **options: Any) -> Imported:
    return COLLECTION.read(root, "cq500", 1, lambda done, total: None, **options)


def rows_of(imported: Imported) -> dict[str, dict[str, Any]]:
    """Rows by file, or by scan where there is none."""
    return {row["path"] or row["series"]: row for row in imported.manifest.table.to_pylist()}


# The readings alone


def test_the_majority_counts_are_those_that_are_published(shared_data: Path) -> None:
    imported = read(shared_data / "cq500_reads")
    votes = imported.manifest.scan_labels
    assert len(imported.manifest) == 491
    counts = dict(zip(FINDING_NAMES, (votes == 1).sum(axis=0).tolist(), strict=True))
    assert counts == {"any": 205, "intraparenchymal": 134, "intraventricular": 28, "subdural": 53, "epidural": 13,
                      "subarachnoid": 60}  # fmt: skip
    assert (votes[:, -1] == 0).sum() == 491 - 205
    assert (imported.manifest.labels == -1).all()  # a scan is no slice
    assert "491 of 491 scans have no DICOM files" in imported.remarks[0]


def test_the_three_readings_are_kept_as_they_are(shared_data: Path) -> None:
    rows = rows_of(read(shared_data / "cq500_reads"))
    short = dict(zip(("EDH", "IPH", "IVH", "SAH", "SDH", "ICH"), FINDING_NAMES, strict=True))
    with (shared_data / "cq500_reads" / "reads.csv").open() as stream:
        for scan in csv.DictReader(stream):
            for reader, reading in zip(("R1", "R2", "R3"), rows[scan["name"]]["scan_readings"], strict=True):
                assert reading["reader"] == reader
                assert {name: int(scan[f"{reader}:{own}"]) for own, name in short.items()} == {
                    name: reading[name] for name in FINDING_NAMES
                }


def test_a_hemorrhage_without_an_agreed_type_has_unknown_types(shared_data: Path) -> None:
    imported = read(shared_data / "cq500_reads")
    untyped = {one.item for one in imported.found if "agrees on no type" in one.detail}
    assert untyped == {f"CQ500-CT-{number}" for number in (12, 106, 159, 228, 362, 370)}
    row = rows_of(imported)["CQ500-CT-159"]  # R1 subdural, R2 intraparenchymal, R3 subarachnoid
    assert {name: row[name] for name in SCAN_FINDING_NAMES} == {
        "scan_epidural": 0, "scan_intraparenchymal": None, "scan_intraventricular": 0, "scan_subarachnoid": None,
        "scan_subdural": None, "scan_any": 1,
    }  # fmt: skip


def test_a_reader_who_contradicts_themselves_is_reported(shared_data: Path) -> None:
    found = read(shared_data / "cq500_reads").found
    assert {one.item for one in found if "R1 contradicts" in one.detail} == {"CQ500-CT-52", "CQ500-CT-337"}
    assert count_problems(found) == {Problem.DOUBTFUL_LABEL: 8}


def test_readings_that_cannot_be_used_are_kept_out(shared_data: Path, tmp_path: Path) -> None:
    lines = (shared_data / "cq500_reads" / "reads.csv").read_text().splitlines()[:5]
    blank = lines[2].replace(",B2,1,", ",B2,,", 1)
    other = lines[3].split(",")
    other[2] = "0" if other[2] == "1" else "1"
    (tmp_path / "reads.csv").write_text("\n".join([lines[0], lines[1], lines[1], blank, lines[3], ",".join(other)]))
    imported = read(tmp_path)
    assert list(rows_of(imported)) == [lines[1].split(",")[0]]
    assert {one.problem for one in imported.found if one.problem.kept_out} == {
        Problem.BAD_ROW, Problem.CONFLICTING_ROWS,
    }  # fmt: skip
    assert Problem.DUPLICATE_ROW in count_problems(imported.found)


# With slices


def test_every_series_of_a_scan_has_rows_with_the_labels_of_the_scan(root: Path) -> None:
    imported = read(root)
    rows = [row for row in imported.manifest.table.to_pylist() if row["path"]]
    assert len(rows) == 51 + 1 + 1
    assert len({row["series"] for row in rows}) == 3
    assert {row["patient"] for row in rows} == {"cq500:CQ500-CT-0", "cq500:CQ500-CT-310"}
    assert "489 of 491 scans have no DICOM files" in imported.remarks[0]
    for row in rows:
        header = pydicom.dcmread(root / row["path"], stop_before_pixels=True)
        assert (row["sop_instance_uid"], row["series"]) == (header.SOPInstanceUID, header.SeriesInstanceUID)
        assert row["study"] == header.PatientID == row["patient"].removeprefix("cq500:")
        assert row["thickness_mm"] == pytest.approx(float(header.SliceThickness))
        assert len(row["scan_readings"]) == 3


def test_a_slice_has_not_what_its_scan_has_not_and_the_rest_is_unknown(root: Path) -> None:
    rows = rows_of(read(root))
    assert [rows[VERTEX][name] for name in FINDING_NAMES] == [0] * 6  # two of three readers see nothing in CQ500-CT-0
    subdural = rows[SUBDURAL]
    assert [subdural[name] for name in SCAN_FINDING_NAMES] == [0, 0, 0, 0, 1, 1]
    assert [subdural[name] for name in FINDING_NAMES] == [0, 0, 0, 0, None, None]


def test_slices_go_from_foot_to_head_whatever_their_names(shared_data: Path, root: Path) -> None:
    with (shared_data / "head_ct_hu" / "cq500_ct0_cta_partial" / "slices.csv").open() as stream:
        known = list(csv.DictReader(stream))
    rows = [row for row in read(root).manifest.table.to_pylist() if row["path"] and ANGIOGRAPHY in row["path"]]
    rows.sort(key=lambda row: row["slice"])
    heights = [
        float(pydicom.dcmread(root / row["path"], stop_before_pixels=True).ImagePositionPatient[2]) for row in rows
    ]
    assert [row["slice"] for row in rows] == list(range(len(known)))
    assert heights == sorted(heights)
    assert [row["path"] for row in rows] != sorted(row["path"] for row in rows)  # their names are in another order
    assert (np.diff([row["position_mm"] for row in rows]) > 0).all()


def test_files_of_no_known_scan_are_named(root: Path) -> None:
    stranger = pydicom.dcmread(root / VERTEX)
    stranger.PatientID = stranger.PatientName = "someone"
    (root / "other").mkdir()
    stranger.save_as(root / "other" / "a.dcm")
    stranger.PatientID, stranger.SeriesInstanceUID, stranger.SOPInstanceUID = "CQ500-CT-999", "1.2.3", "1.2.4"
    stranger.save_as(root / "other" / "b.dcm")
    (root / "other" / "c.dcm").write_bytes(b"nothing")
    found = read(root).found
    assert [(one.problem, one.item) for one in found if one.problem is not Problem.DOUBTFUL_LABEL] == [
        (Problem.UNREADABLE_FILE, "other/c.dcm"),
        (Problem.NO_LABEL, "other/a.dcm"),
        (Problem.NO_LABEL, "CQ500-CT-999"),
    ]


def test_the_folder_names_the_scan_where_the_header_does_not(root: Path) -> None:
    header = pydicom.dcmread(root / VERTEX)
    header.PatientID = "anonymous"
    header.save_as(root / VERTEX)
    assert rows_of(read(root))[VERTEX]["patient"] == "cq500:CQ500-CT-0"


# With the boxes of BHX


def test_boxes_make_slices_positive(root: Path, tmp_path: Path) -> None:
    boxes = write_bhx(tmp_path / "bhx.csv", root, [(SUBDURAL, "Subdural"), (SUBDURAL, "Chronic")])
    imported = read(root, boxes=boxes)
    rows = rows_of(imported)
    assert rows[SUBDURAL]["boxes"] == [{"finding": "subdural", **BOX}, {"finding": "any", **BOX}]
    assert [rows[SUBDURAL][name] for name in FINDING_NAMES] == [0, 0, 0, 0, 1, 1]
    assert rows[VERTEX]["boxes"] is None
    assert count_problems(imported.found) == {Problem.DOUBTFUL_LABEL: 8}  # those of the readings


def test_chronic_blood_is_a_hemorrhage_of_unknown_type(root: Path, tmp_path: Path) -> None:
    row = rows_of(read(root, boxes=write_bhx(tmp_path / "bhx.csv", root, [(SUBDURAL, "Chronic")])))[SUBDURAL]
    assert (row["subdural"], row["any"]) == (None, 1)


def test_where_bhx_and_the_majority_disagree_the_slices_are_unknown(root: Path, tmp_path: Path) -> None:
    boxes = write_bhx(tmp_path / "bhx.csv", root, [(SUBDURAL, "Epidural"), (VERTEX, "Subarachnoid")])
    imported = read(root, boxes=boxes)
    rows = rows_of(imported)
    assert [rows[SUBDURAL][name] for name in FINDING_NAMES] == [None, 0, 0, 0, None, 1]
    slices = [row for row in rows.values() if row["path"] and row["patient"] == "cq500:CQ500-CT-0"]
    assert len(slices) == 52  # of both series: the blood may be in any of them
    for row in slices:
        assert [row[name] for name in FINDING_NAMES] == [0, 0, 0, None, 0, None]
        assert [row[name] for name in SCAN_FINDING_NAMES] == [0] * 6
    disputed = {(one.item, one.detail.split()[2]) for one in imported.found if one.detail.startswith("BHX draws")}
    assert disputed == {("CQ500-CT-0", "subarachnoid"), ("CQ500-CT-0", "any"), ("CQ500-CT-310", "epidural")}


def test_where_bhx_draws_blood_of_no_type_and_the_majority_sees_none_every_type_is_unknown(
    root: Path, tmp_path: Path
) -> None:
    rows = rows_of(read(root, boxes=write_bhx(tmp_path / "bhx.csv", root, [(VERTEX, "Chronic")])))
    assert [rows[VERTEX][name] for name in FINDING_NAMES] == [None] * 6


def test_a_slice_that_was_copied_is_there_once(root: Path) -> None:
    copy = VERTEX.replace("CT000000", "copy")
    shutil.copy(root / VERTEX, root / copy)
    imported = read(root)
    assert (VERTEX in rows_of(imported), copy in rows_of(imported)) == (True, False)
    assert [one.item for one in imported.found if one.problem is Problem.DUPLICATE_ROW] == [copy]


def test_boxes_are_placed_only_on_slices_stored_as_they_are_displayed(root: Path, tmp_path: Path) -> None:
    header = pydicom.dcmread(root / SUBDURAL)
    header.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]
    header.save_as(root / SUBDURAL)
    imported = read(root, boxes=write_bhx(tmp_path / "bhx.csv", root, [(SUBDURAL, "Subdural")]))
    assert rows_of(imported)[SUBDURAL]["boxes"] is None
    assert rows_of(imported)[SUBDURAL]["subdural"] == 1
    assert [one.item for one in imported.found if "left out" in one.detail] == [SUBDURAL]


def test_the_boxes_of_bhx_lie_on_the_collection_of_the_one_slice_at_hand(shared_data: Path, root: Path) -> None:
    """The large left collection is darker than brain; it is inside, and not where mirrored or turned boxes would be."""
    imported = read(root, boxes=shared_data / "bhx_boxes" / "1_Initial_Manual_Labeling.csv")
    row = rows_of(imported)[SUBDURAL]
    assert [box["finding"] for box in row["boxes"]] == ["any", "subdural"]  # "Chronic" and "Subdural"
    assert (row["subdural"], row["any"]) == (1, 1)
    chosen = np.array([path == SUBDURAL for path in imported.manifest.table["path"].to_pylist()])
    with Decoder(1) as decoder:
        [(_, slice_)] = read_slices(slice_sources(imported.manifest.take(chosen)), decoder)
    assert isinstance(slice_, SlicePixels)
    hu = median_filter(slice_.pixels, 7)
    within_skull = binary_fill_holes(hu > 200) & (hu < 100)
    fluid = binary_opening(within_skull & (hu > 12) & (hu < 22), iterations=3)
    for box in row["boxes"]:
        inside = (slice(int(box["ymin"]), int(box["ymax"])), slice(int(box["xmin"]), int(box["xmax"])))
        drawn, mirrored, transposed = (view[inside].sum() / fluid.sum() for view in (fluid, fluid[:, ::-1], fluid.T))
        assert drawn > 0.65 > 0.5 > max(mirrored, transposed)
    # one series is there in part; the scans that are not there at all are no problem, and counted in a remark
    drawn = pd.read_csv(shared_data / "bhx_boxes" / "1_Initial_Manual_Labeling.csv").drop_duplicates("SOPInstanceUID")
    others = int((drawn["SeriesInstanceUID"] == row["series"]).sum()) - 1
    missing = [(one.item, one.detail) for one in imported.found if one.problem is Problem.NO_SLICE]
    assert missing == [(row["series"], f"{others} of its slices have boxes, but are not among the files.")]
    sentence = "BHX covers all of CQ500: 1 of the 3,558 slices with boxes are here, in 1 of 233 series."
    assert sentence in imported.remarks


def test_wrong_use_is_refused_in_one_sentence(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not CQ500\. There is no table .*reads\.csv"):
        read(tmp_path)
    with pytest.raises(UsageError, match="--boxes needs the DICOM files"):
        read(shared_data / "cq500_reads", boxes=shared_data / "bhx_boxes" / "1_Initial_Manual_Labeling.csv")
