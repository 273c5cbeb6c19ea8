"""PHE-SICH from its real files: counts, unknown labels, windows, orientation and order."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from hemoscope.ct.windows import Window, from_grey
from hemoscope.datasets.collection import Imported
from hemoscope.datasets.collections.phe_sich import COLLECTION
from hemoscope.datasets.problems import Problem, count_problems
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


def test_another_folder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no table .*slices\.csv"):
        read(tmp_path)
    (tmp_path / "slices.csv").write_text("patient,slice\n1,1\n")
    with pytest.raises(UsageError, match="lacks the column slice_order"):
        read(tmp_path)
