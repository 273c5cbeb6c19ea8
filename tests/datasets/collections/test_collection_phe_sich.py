"""PHE-SICH from its real files: counts, unknown labels, windows, orientation and order."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import binary_erosion, binary_fill_holes, binary_opening, gaussian_filter

from hemoscope.ct.pixels import Decoder
from hemoscope.ct.windows import Window, from_grey
from hemoscope.datasets.collection import Imported
from hemoscope.datasets.collections.phe_sich import COLLECTION
from hemoscope.datasets.problems import Problem, count_problems
from hemoscope.datasets.slice_store.read_slices import SlicePixels, read_slices, slice_sources
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError


@pytest.fixture(scope="module")
def root(shared_data: Path) -> Path:
    return shared_data / "phe_sich"


@pytest.fixture(scope="module")
def imported(root: Path) -> Imported:
    return read(root)


def read(root: Path, **options: int) -> Imported:
    return COLLECTION.read(root, "phe-sich", 1, lambda done, total: None, **options)


def picture(root: Path, row: dict[str, object]) -> np.ndarray:
    grey = cv2.imread(str(root / str(row["path"])), cv2.IMREAD_GRAYSCALE)
    grey = grey[::-1] if row["patient_orientation"] == "LA" else grey
    return from_grey(grey, Window.from_text(str(row["window"])))


def test_every_slice_patient_and_box_is_there(imported: Imported) -> None:
    table = imported.manifest.table
    assert (len(table), len(set(table["patient"].to_pylist()))) == (3511, 120)
    assert sum(len(boxes) for boxes in table["boxes"].to_pylist() if boxes) == 725
    assert count_problems(imported.found) == {Problem.DOUBTFUL_LABEL: 2}
    assert {one.item for one in imported.found} == {"0013_12", "0115_20"}


def test_only_what_the_source_names_is_labelled(imported: Imported) -> None:
    labels = imported.manifest.labels
    known = [FINDING_NAMES.index("intraparenchymal"), FINDING_NAMES.index("any")]
    others = [place for place in range(len(FINDING_NAMES)) if place not in known]
    assert (labels[:, known] == 1).sum(axis=0).tolist() == [727, 727]
    assert (labels[:, others] == -1).all()
    assert (imported.manifest.scan_labels[:, known] == 1).all()
    assert (imported.manifest.scan_labels[:, others] == -1).all()


@pytest.mark.parametrize(("distance", "unknown"), [(1, 0), (2, 242), (3, 242 + 240), (4, 242 + 240 + 240)])
def test_slices_near_a_lesion_are_unknown(root: Path, distance: int, unknown: int) -> None:
    labels = read(root, clean_distance=distance).manifest.labels[:, -1]
    assert ((labels == -1).sum(), (labels == 1).sum(), (labels == 0).sum()) == (unknown, 727, 2784 - unknown)


def test_without_a_distance_two_slices_on_either_side_are_unknown(root: Path, imported: Imported) -> None:
    assert (imported.manifest.labels == read(root, clean_distance=3).manifest.labels).all()


def test_the_edema_masks_are_not_taken_for_blood(imported: Imported) -> None:
    assert imported.manifest.table["mask"].null_count == len(imported.manifest)


def test_the_window_is_that_of_the_scan(root: Path, imported: Imported) -> None:
    rows = imported.manifest.table.to_pylist()
    narrow = {row["series"] for row in rows if row["window"] == "40/80"}
    assert narrow == {"0160", "0161", "0162", "0163", "0164", "0165", "0166", "0167"}
    assert {row["window"] for row in rows if row["series"] not in narrow} == {"40/120"}
    for series in ("0001", "0160"):  # grey and white matter are at 25 to 45 HU whatever the window
        middle = [row for row in rows if row["series"] == series][len([1 for r in rows if r["series"] == series]) // 2]
        hu = picture(root, middle)
        assert 25 <= np.median(hu[(hu > 10) & (hu < 70)]) <= 45


def test_the_last_slice_is_nearest_to_the_vertex(root: Path, imported: Imported) -> None:
    rows = imported.manifest.table.to_pylist()
    for series in sorted({row["series"] for row in rows})[::10]:
        scan = [row for row in rows if row["series"] == series]
        assert [row["slice"] for row in scan] == list(range(len(scan)))
        brain = [np.mean((hu > 10) & (hu < 70)) for hu in (picture(root, row) for row in scan)]
        assert brain[-1] < max(brain) / 2, series
        bone = [np.mean(picture(root, row) >= 80) for row in scan]
        third = len(scan) // 3
        assert np.mean(bone[:third]) > np.mean(bone[-third:]), series  # the skull base is in the lowest slices


def test_boxes_lie_on_the_blood(root: Path, imported: Imported) -> None:
    """More blood (50 to 79 HU) is inside than where they would lie if they were mirrored, flipped or transposed."""
    shares = []
    for row in imported.manifest.table.to_pylist():
        if row["boxes"] and row["slice"] % 4 == 0:
            box, hu = row["boxes"][0], picture(root, row)
            blood = (hu > 50) & (hu < 79)
            inside = (slice(int(box["ymin"]), int(box["ymax"])), slice(int(box["xmin"]), int(box["xmax"])))
            shares.append([view[inside].mean() for view in (blood, blood[:, ::-1], blood[::-1], blood.T)])
    drawn, *others = np.array(shares).T
    assert len(drawn) > 100
    better = [float(np.mean(drawn > other)) for other in others]
    assert min(better) > 0.55, better  # flipping changes least: the basal ganglia lie midway from front to back


def displayed(imported: Imported, series: str) -> list[tuple[dict[str, Any], np.ndarray]]:
    """The rows of a scan, each with its grey levels as they are read for display."""
    chosen = np.array(imported.manifest.table["series"].to_pylist()) == series
    scan = imported.manifest.take(chosen)
    rows = scan.table.to_pylist()
    with Decoder(1) as decoder:
        read_ones = list(read_slices(slice_sources(scan), decoder))
    assert len(read_ones) == len(rows)
    return [(rows[number], one.pixels) for number, one in read_ones if isinstance(one, SlicePixels)]


@pytest.mark.parametrize("series", ["0142", "0144"])
def test_the_couch_is_below_the_head_also_where_the_pictures_are_upside_down(imported: Imported, series: str) -> None:
    heads = 0
    for row, grey in displayed(imported, series):
        bright = np.flatnonzero((grey > 200).any(axis=1))
        head = np.flatnonzero(
            binary_opening(grey > 30, iterations=6).any(axis=1)
        )  # what is thin, as the couch, is gone
        if len(head):
            heads += 1
            assert bright[-1] - head[-1] > head[0] - bright[0], row["path"]
    assert heads > 15


def test_boxes_are_turned_with_the_pictures(root: Path, imported: Imported) -> None:
    """What is in the box on the display is what is in it on the picture as stored, and it is where the blood is."""
    drawn = pd.read_csv(root / "boxes.csv").set_index("file")
    off = []
    for row, grey in displayed(imported, "0144"):
        if not row["boxes"]:
            continue
        [box], given = row["boxes"], drawn.loc[row["path"]]
        stored = cv2.imread(str(root / row["path"]), cv2.IMREAD_GRAYSCALE)
        columns = slice(int(given.xmin), int(np.ceil(given.xmax)))
        of_stored = stored[int(given.ymin) : int(np.ceil(given.ymax)), columns]
        of_display = grey[int(box["ymin"]) : int(box["ymax"]), int(box["xmin"]) : int(box["xmax"])]
        assert (of_display == of_stored[::-1]).all()
        hu = gaussian_filter(from_grey(grey, Window.from_text(row["window"])).astype(float), 1.5)
        blood = (hu > 50) & binary_erosion(binary_fill_holes(hu > 90) & (hu < 90), iterations=6)
        if blood[:, columns].sum() > 300:
            height = np.nonzero(blood[:, columns])[0].mean()
            middles = (box["ymin"] + box["ymax"]) / 2, (given.ymin + given.ymax) / 2
            off.append([abs(height - middle) for middle in middles])
    turned, as_stored = np.mean(off, axis=0)
    assert len(off) >= 3
    assert turned < 0.7 * as_stored, (turned, as_stored)  # pixels


def test_the_scan_that_is_turned_is_named(imported: Imported) -> None:
    table = imported.manifest.table.to_pandas()
    assert set(table["patient_orientation"][table["series"] == "0144"]) == {"LA"}
    assert table["patient_orientation"][table["series"] != "0144"].isna().all()
    assert any("0144" in remark and "left and right" in remark for remark in imported.remarks)


def test_a_missing_picture_a_bad_row_and_a_stray_box_are_kept_out(root: Path, tmp_path: Path) -> None:
    lines = (root / "slices.csv").read_text().splitlines()[:6]
    cells = lines[5].split(",")
    cells[6] = "2"
    (tmp_path / "slices.csv").write_text("\n".join([*lines[:5], ",".join(cells)]))
    (tmp_path / "images" / "0001").mkdir(parents=True)
    for number in range(3):
        shutil.copy(root / "images" / "0001" / f"0001_0{number}.jpg", tmp_path / "images" / "0001")
    boxes = (root / "boxes.csv").read_text().splitlines()[:2]
    flat = boxes[1].replace("0001_12,", "0001_01,").replace(",93.75,143.75,", ",193.75,143.75,")
    (tmp_path / "boxes.csv").write_text("\n".join([*boxes, flat]))
    imported = read(tmp_path)
    assert imported.manifest.table["slice"].to_pylist() == [0, 1, 2]
    assert [(one.problem, one.item) for one in imported.found] == [
        (Problem.BAD_ROW, "0001_04"),
        (Problem.MISSING_FILE, "0001_03"),
        (Problem.NO_SLICE, "0001_12"),
        (Problem.BAD_ROW, "0001_01"),
    ]


def test_a_distance_below_one_is_refused(root: Path) -> None:
    for distance in (0, -5):
        with pytest.raises(UsageError, match="--clean-distance is a number of slices from 1"):
            read(root, clean_distance=distance)


def test_another_folder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not PHE-SICH-CT-IDS\. There is no table .*slices\.csv"):
        read(tmp_path)
    (tmp_path / "slices.csv").write_text("patient,slice\n1,1\n")
    with pytest.raises(UsageError, match=r"is not PHE-SICH-CT-IDS\. .* lacks the column slice_order"):
        read(tmp_path)
