"""BHX from its real table, alone and joined with real slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from cq500_folder import SUBDURAL, VERTEX, make_cq500, write_bhx

from hemoscope.datasets.collection import Imported
from hemoscope.datasets.collections.bhx import COLLECTION, TABLE
from hemoscope.datasets.problems import Problem
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def read(root: Path, **options: Any) -> Imported:
    return COLLECTION.read(root, "bhx", 1, lambda done, total: None, **options)


def test_every_box_slice_series_and_study_is_there(shared_data: Path) -> None:
    imported = read(shared_data / "bhx_boxes")
    rows = imported.manifest.table.to_pylist()
    drawn = [box["finding"] for row in rows for box in row["boxes"]]
    assert (len(drawn), len(rows)) == (6283, 3558)
    assert (len({row["series"] for row in rows}), len({row["study"] for row in rows})) == (233, 226)
    assert {name: drawn.count(name) for name in FINDING_NAMES} == {
        "epidural": 66, "intraparenchymal": 1324, "intraventricular": 558, "subarachnoid": 1746, "subdural": 1849,
        "any": 740,
    }  # fmt: skip
    assert imported.found == ()


def test_what_is_not_drawn_is_unknown_and_never_zero(shared_data: Path) -> None:
    manifest = read(shared_data / "bhx_boxes").manifest
    assert (manifest.labels[:, -1] == 1).all()
    assert not (manifest.labels == 0).any()
    assert not (manifest.scan_labels == 0).any()
    assert manifest.table["patient"].null_count == len(manifest)
    for row in manifest.table.to_pylist():
        assert {name for name in FINDING_NAMES[:-1] if row[name]} == {box["finding"] for box in row["boxes"]} - {"any"}


def test_boxes_lie_within_the_slice(shared_data: Path) -> None:
    for row in read(shared_data / "bhx_boxes").manifest.table.to_pylist():
        for box in row["boxes"]:
            assert 0 <= box["xmin"] < box["xmax"] <= 512
            assert 0 <= box["ymin"] < box["ymax"] <= 512


def test_with_images_only_the_slices_that_are_there_are_rows(shared_data: Path, tmp_path: Path) -> None:
    images = make_cq500(shared_data, tmp_path / "CQ500")
    write_bhx(tmp_path / TABLE, images, [(SUBDURAL, "Subdural"), (VERTEX, "Chronic")])
    series = pydicom.dcmread(images / SUBDURAL, stop_before_pixels=True).SeriesInstanceUID
    with (tmp_path / TABLE).open("a") as stream:
        stream.write(f"\n8,1.2.4,{series},1,\"{{'x': 1, 'y': 1, 'width': 9, 'height': 9}}\",Subdural,handDrawn")
        stream.write("\n9,1.2.3,1.2,1,\"{'x': 1, 'y': 1, 'width': 9, 'height': 9}\",Subdural,handDrawn")
    imported = read(tmp_path, images=images)
    rows = {row["path"]: row for row in imported.manifest.table.to_pylist()}
    assert set(rows) == {SUBDURAL, VERTEX}
    assert rows[SUBDURAL]["patient"] == "cq500:CQ500-CT-310"
    assert (rows[SUBDURAL]["subdural"], rows[SUBDURAL]["epidural"], rows[VERTEX]["any"]) == (1, None, 1)
    assert imported.manifest.roots["bhx"] == images
    assert [(one.problem, one.item) for one in imported.found] == [(Problem.NO_SLICE, series)]
    assert imported.remarks == ("BHX covers all of CQ500: 2 of the 4 slices with boxes are here, in 2 of 3 series.",)


@pytest.mark.parametrize(
    "row",
    [
        "1.2.3,1.2,1,\"{'x': 1, 'y': 1, 'width': 0, 'height': 9}\",Subdural,handDrawn",
        "1.2.3,1.2,1,\"{'x': 1}\",Subdural,handDrawn",
        "1.2.3,1.2,1,\"{'x': 1, 'y': 1, 'width': 9, 'height': 9}\",Tumour,handDrawn",
    ],
)
def test_a_row_without_a_valid_box_is_kept_out(tmp_path: Path, row: str) -> None:
    header = ",SOPInstanceUID,SeriesInstanceUID,StudyInstanceUID,data,labelName,labelType"
    good = '0,1.2.4,1.2,1,"{""x"": 1, ""y"": 1, ""width"": 9.5, ""height"": 9}",Subdural,handDrawn'
    (tmp_path / TABLE).write_text(f"{header}\n{good}\n1,{row}")
    imported = read(tmp_path)
    assert imported.manifest.table["sop_instance_uid"].to_pylist() == ["1.2.4"]
    assert [(one.problem, one.item) for one in imported.found] == [(Problem.BAD_ROW, "1.2.3")]


def test_another_folder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not BHX\. There is no table .*1_Initial_Manual_Labeling\.csv"):
        read(tmp_path)
