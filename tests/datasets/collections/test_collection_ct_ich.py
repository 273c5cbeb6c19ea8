"""CT-ICH in its three layouts, each made of real slices: counts, labels, boxes, masks, order and what is doubted."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import cv2
import nibabel as nib
import numpy as np
import pytest

from hemoscope.datasets.collection import Imported
from hemoscope.datasets.collections.ct_ich import COLLECTION
from hemoscope.datasets.problems import Problem, count_problems
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

RELEASE_HEADER = ("PatientNumber,SliceNumber,Intraventricular,Intraparenchymal,Subarachnoid,Epidural,Subdural,"
                  "No_Hemorrhage,Fracture_Yes_No")  # fmt: skip


def read(root: Path, **options: Any) -> Imported:
    return COLLECTION.read(root, "ct-ich", 1, lambda done, total: None, **options)


def rows_of(imported: Imported) -> list[dict[str, Any]]:
    return list(imported.manifest.table.to_pylist())


@pytest.fixture(scope="module")
def boxes(shared_data: Path) -> Path:
    return shared_data / "physionet_ct_ich_boxes" / "boxes.csv"


@pytest.fixture(scope="module")
def rendering(shared_data: Path, boxes: Path) -> Imported:
    return read(shared_data / "physionet_ct_ich", boxes=boxes)


# The pictures at hand


def test_counts_are_those_of_the_release(rendering: Imported) -> None:
    table, labels = rendering.manifest.table, rendering.manifest.labels
    assert (len(table), len(set(table["patient"].to_pylist()))) == (2501, 82)
    positives = dict(zip(FINDING_NAMES, (labels == 1).sum(axis=0).tolist(), strict=True))
    assert positives == {"epidural": 173, "intraparenchymal": 73, "intraventricular": 24, "subarachnoid": 18,
                         "subdural": 56, "any": 318}  # fmt: skip
    assert (labels >= 0).all()
    scans = {row["series"]: row for row in rows_of(rendering)}
    patients = {name: sum(row[f"scan_{name}"] for row in scans.values()) for name in FINDING_NAMES}
    assert patients == {"epidural": 21, "intraparenchymal": 16, "intraventricular": 5, "subarachnoid": 7,
                        "subdural": 4, "any": 36}  # fmt: skip


def test_only_usable_boxes_are_kept_and_the_others_are_named(rendering: Imported) -> None:
    boxed = [row for row in rows_of(rendering) if row["boxes"]]
    drawn = [box["finding"] for row in boxed for box in row["boxes"]]
    assert (len(boxed), len(drawn)) == (220, 248)
    assert {name: drawn.count(name) for name in FINDING_NAMES[:5]} == {
        "epidural": 149, "intraparenchymal": 30, "intraventricular": 21, "subarachnoid": 6, "subdural": 42,
    }  # fmt: skip
    assert all(row[box["finding"]] == 1 for row in boxed for box in row["boxes"])
    assert len([one for one in rendering.found if one.detail.startswith("Its boxes are left out")]) == 15 + 11 + 11
    assert not any(row["boxes"] for row in rows_of(rendering) if row["series"] == "076")


def test_boxes_lie_on_the_blood(shared_data: Path, rendering: Imported) -> None:
    shares = []
    for row in rows_of(rendering):
        if row["boxes"]:
            grey = cv2.imread(str(shared_data / "physionet_ct_ich" / row["path"]), cv2.IMREAD_GRAYSCALE)
            blood = (grey > 149) & (grey < 213)  # 50 to 80 HU in the window 40/120
            box = row["boxes"][0]
            inside = (slice(int(box["ymin"]), int(box["ymax"])), slice(int(box["xmin"]), int(box["xmax"])))
            shares.append([view[inside].mean() for view in (blood, blood[:, ::-1], blood[::-1], blood.T)])
    drawn, *others = np.array(shares).T
    better = [float(np.mean(drawn > other)) for other in others]
    assert min(better) > 0.75, better


def test_lone_negatives_between_positives_are_doubted(rendering: Imported) -> None:
    doubted = {one.item for one in rendering.found if "between two positive" in one.detail}
    assert doubted == {"patient 53, slice 21", "patient 74, slice 17", "patient 76, slice 11", "patient 78, slice 18"}
    assert set(count_problems(rendering.found)) == {Problem.DOUBTFUL_LABEL}


def test_slices_are_numbered_from_foot_to_head(shared_data: Path, rendering: Imported) -> None:
    by_scan: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(rendering):
        by_scan.setdefault(row["series"], []).append(row)
    shrinks = []
    for scan in list(by_scan.values())[::6]:
        assert [row["slice"] for row in scan] == list(range(len(scan)))
        assert [row["path"][-6:-4] for row in scan] == [f"{number + 1:02d}" for number in range(len(scan))]
        brain = []
        for row in scan:
            grey = cv2.imread(str(shared_data / "physionet_ct_ich" / row["path"]), cv2.IMREAD_GRAYSCALE)
            brain.append(np.mean((grey > 80) & (grey < 150)))
        shrinks.append(brain[-1] < max(brain) / 2)
    assert len(shrinks) == 14
    assert np.mean(shrinks) > 0.9


def test_age_sex_and_window_come_with_each_slice(rendering: Imported) -> None:
    first = next(row for row in rows_of(rendering) if row["series"] == "050")
    assert (first["age"], first["sex"], first["window"]) == (pytest.approx(7 / 12), "F", "40/120")
    people = {row["series"]: (row["age"], row["sex"]) for row in rows_of(rendering)}
    assert [sex for _, sex in people.values()].count("M") == 46
    assert np.mean([age for age, _ in people.values()]) == pytest.approx(27.8, abs=0.05)


# The pictures of release 1.0.0


def release_pictures(shared_data: Path, root: Path, patient: int = 53) -> None:
    """A patient's real pictures under the names of the release; masks beside the positive slices."""
    brain = root / "Patients_CT" / f"{patient:03d}" / "brain"
    brain.mkdir(parents=True)
    lines = [RELEASE_HEADER]
    with (shared_data / "physionet_ct_ich" / "slices.csv").open() as stream:
        for row in csv.DictReader(stream):
            if int(row["patient"]) == patient:
                shutil.copy(shared_data / "physionet_ct_ich" / row["file"], brain / f"{row['slice']}.jpg")
                lines.append(",".join(row[name] for name in list(row) if name != "file"))
                if row["no_hemorrhage"] == "0":
                    mask = np.zeros((384, 384), np.uint8)
                    cv2.circle(mask, (150, 150), 20, 255, -1)
                    cv2.imwrite(str(brain / f"{row['slice']}_HGE_Seg.jpg"), mask)
    (root / "hemorrhage_diagnosis.csv").write_text("\n".join(lines))


def test_the_pictures_of_the_release_say_the_same(shared_data: Path, rendering: Imported, tmp_path: Path) -> None:
    release_pictures(shared_data, tmp_path)
    (tmp_path / "patient_demographics.csv").write_text(
        '"Patient Number","Age\n(years)","Gender"\n,,\n"53","44","Male"\n', encoding="utf-8-sig"
    )
    imported = read(tmp_path)
    expected = [row for row in rows_of(rendering) if row["series"] == "053"]
    for row, same in zip(rows_of(imported), expected, strict=True):
        assert row["path"] == f"Patients_CT/053/brain/{row['slice'] + 1}.jpg"
        for name in ("patient", "slice", "window", "age", "sex", *FINDING_NAMES):
            assert row[name] == same[name], name
        mask = f"Patients_CT/053/brain/{row['slice'] + 1}_HGE_Seg.jpg"
        assert row["mask"] == (mask if row["any"] else None)
    values = imported.manifest.mask_values["ct-ich"]
    mask = cv2.imread(str(tmp_path / "Patients_CT/053/brain/18_HGE_Seg.jpg"), cv2.IMREAD_GRAYSCALE)
    assert len(np.unique(mask)) > 2  # JPEG leaves more than 0 and 255
    assert np.isin(mask, list(values)).sum() == pytest.approx(np.pi * 20**2, rel=0.05)
    assert [one.item for one in imported.found] == ["patient 53, slice 21"]


def test_a_mask_beside_a_negative_slice_is_doubted(shared_data: Path, tmp_path: Path) -> None:
    release_pictures(shared_data, tmp_path)
    brain = tmp_path / "Patients_CT" / "053" / "brain"
    (brain / "18_HGE_Seg.jpg").rename(brain / "3_HGE_Seg.jpg")
    doubted = [one.item for one in read(tmp_path).found if "mask" in one.detail]
    assert doubted == ["patient 53, slice 3", "patient 53, slice 18"]


def test_bad_rows_are_kept_out_and_the_scan_is_then_not_known_to_be_free(shared_data: Path, tmp_path: Path) -> None:
    release_pictures(shared_data, tmp_path)
    table = tmp_path / "hemorrhage_diagnosis.csv"
    lines = table.read_text().splitlines()
    lines[2] = "53,2,0,0,0,0,0,0,0"  # neither a subtype nor none
    lines[3] = "53,3,0,2,0,0,0,0,0"
    lines[4] = "53,x,0,0,0,0,0,1,0"
    lines += [lines[5], "53,6,1,0,0,0,0,0,0"]
    table.write_text("\n".join(lines))
    (tmp_path / "Patients_CT" / "053" / "brain" / "7.jpg").unlink()
    imported = read(tmp_path)
    assert {row["slice"] + 1 for row in rows_of(imported)} == set(range(1, 34)) - {2, 3, 4, 6, 7}
    counts = count_problems(imported.found)
    assert counts == {Problem.MISSING_FILE: 1, Problem.BAD_ROW: 2, Problem.CONTRADICTION: 1,
                      Problem.CONFLICTING_ROWS: 1, Problem.DUPLICATE_ROW: 1, Problem.DOUBTFUL_LABEL: 1}  # fmt: skip
    first = rows_of(imported)[0]
    assert (first["scan_epidural"], first["scan_subdural"], first["scan_any"]) == (1, None, 1)


def test_a_row_that_is_there_twice_leaves_the_scan_known(shared_data: Path, tmp_path: Path) -> None:
    release_pictures(shared_data, tmp_path)
    table = tmp_path / "hemorrhage_diagnosis.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[5]]))
    imported = read(tmp_path)
    assert len(imported.manifest) == len(lines) - 1
    assert count_problems(imported.found)[Problem.DUPLICATE_ROW] == 1
    first = rows_of(imported)[0]
    assert (first["scan_epidural"], first["scan_subdural"], first["scan_any"]) == (1, 0, 1)


# The NIfTI volumes of release 1.3


def release_volumes(examples: Path, root: Path, *, upside_down: bool = False, true_hu: bool = False) -> None:
    """The example volumes under the names of the release, slices from 1 in the order that is stored; with masks."""
    for folder in ("ct_scans", "masks"):
        (root / folder).mkdir()
    labels = list(csv.DictReader((examples / "physionet_ct_ich" / "labels.csv").open()))
    lines = [RELEASE_HEADER]
    for patient in (52, 77, 101):
        own = [row for row in labels if row["file"] == f"patient_{patient:03d}.nii.gz"]
        image = nib.load(examples / "physionet_ct_ich" / f"patient_{patient:03d}.nii.gz")
        hu, affine = np.asarray(image.dataobj).astype(np.int16), image.affine.copy()
        if true_hu:
            hu[hu == -20] = -1000
        if upside_down:
            hu, own = hu[:, :, ::-1], own[::-1]
            affine[2, 2], affine[2, 3] = -affine[2, 2], affine[2, 3] + affine[2, 2] * (hu.shape[2] - 1)
        mask = np.full_like(hu, 1e-6, np.float32)  # the masks of the release are scaled, and not exact
        for number, row in enumerate(own):
            lines.append(f"{patient},{number + 1}," + ",".join(row[name] for name in (
                "intraventricular", "intraparenchymal", "subarachnoid", "epidural", "subdural")
            ) + f",{1 - int(row['any'])},{row['fracture']}")  # fmt: skip
            mask[100:110, 100:110, number] += 0.9999 * int(row["any"])
        nib.save(nib.Nifti1Image(hu, affine), root / "ct_scans" / f"{patient:03d}.nii")
        nib.save(nib.Nifti1Image(mask, affine), root / "masks" / f"{patient:03d}.nii")
    (root / "hemorrhage_diagnosis_raw_ct.csv").write_text("\n".join(lines))
    (root / "Patient_demographics.csv").write_text("Patient Number,Age (years),Gender\n77,33,Male\n101,19,Female\n")


@pytest.mark.parametrize("upside_down", [False, True])
def test_volumes_are_ordered_by_their_affine(examples: Path, tmp_path: Path, upside_down: bool) -> None:
    release_volumes(examples, tmp_path, upside_down=upside_down)
    rows = rows_of(read(tmp_path))
    assert len(rows) == 22 + 18 + 21
    first_in_release = {"052": 9, "077": 14, "101": 11}
    labels = {(row["file"][8:11], int(row["slice"])): int(row["epidural"])
              for row in csv.DictReader((examples / "physionet_ct_ich" / "labels.csv").open())}  # fmt: skip
    for series in first_in_release:
        scan = [row for row in rows if row["series"] == series]
        assert [row["slice"] for row in scan] == list(range(len(scan)))
        frames = list(range(len(scan)))
        assert [row["frame"] for row in scan] == (frames[::-1] if upside_down else frames)
        assert np.diff([row["position_mm"] for row in scan]) == pytest.approx(5)
        assert [row["epidural"] for row in scan] == [labels[series, number] for number in frames]
        hu = np.asarray(nib.load(tmp_path / scan[0]["path"]).dataobj)
        brain = [np.mean((hu[:, :, row["frame"]] > 10) & (hu[:, :, row["frame"]] < 60)) for row in scan]
        assert brain[-1] < max(brain) / 2


def test_volumes_have_masks_people_and_limits_only_where_they_were_clipped(examples: Path, tmp_path: Path) -> None:
    for name, true_hu, clipped in (("clipped", False, (-20, 100)), ("true", True, (None, None))):
        root = tmp_path / name
        root.mkdir()
        release_volumes(examples, root, true_hu=true_hu)
        imported = read(root)
        rows = rows_of(imported)
        assert {(row["window"], row["hu_low"], row["hu_high"]) for row in rows} == {(None, *clipped)}
        assert {(row["series"], row["age"], row["sex"]) for row in rows} == {
            ("052", None, None), ("077", 33, "M"), ("101", 19, "F"),
        }  # fmt: skip
        assert all(row["mask"] == f"masks/{row['series']}.nii" for row in rows)
        assert imported.manifest.mask_values["ct-ich"][1] == "any"
        assert imported.found == ()


def test_volumes_that_cannot_be_used_and_masks_that_do_not_fit_are_kept_out(examples: Path, tmp_path: Path) -> None:
    release_volumes(examples, tmp_path)
    volume = tmp_path / "ct_scans" / "052.nii"
    volume.write_bytes(volume.read_bytes()[:100_000])
    nib.save(nib.Nifti1Image(np.zeros((384, 384, 5), np.uint8), np.eye(4)), tmp_path / "masks" / "101.nii")
    table = tmp_path / "hemorrhage_diagnosis_raw_ct.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:-1], "77,19,0,0,0,0,0,1,0", "78,1,0,0,0,0,0,1,0"]))
    imported = read(tmp_path)
    rows = rows_of(imported)
    assert {(row["series"], row["mask"]) for row in rows} == {("077", "masks/077.nii"), ("101", None)}
    assert {row["any"] for row in rows if row["series"] == "101"} == {0}  # the labels are those of the table
    assert [(one.problem, one.item) for one in imported.found] == [
        (Problem.MISSING_FILE, "patient 78, slice 1"),
        (Problem.UNREADABLE_FILE, "ct_scans/052.nii"),
        (Problem.NO_SLICE, "patient 77, slice 19"),
        (Problem.SHAPE_MISMATCH, "masks/101.nii"),
        (Problem.NO_LABEL, "ct_scans/101.nii"),
    ]


def test_a_volume_with_more_slices_than_rows_and_a_mask_that_disagrees_are_reported(
    examples: Path, tmp_path: Path
) -> None:
    release_volumes(examples, tmp_path)
    table = tmp_path / "hemorrhage_diagnosis_raw_ct.csv"
    lines = table.read_text().splitlines()
    changed = [line.replace("77,1,0,0,0,1,0,0", "77,1,0,0,0,0,0,1") for line in lines[:-1]]
    table.write_text("\n".join(changed))
    imported = read(tmp_path)
    assert [(one.problem, one.item) for one in imported.found] == [
        (Problem.NO_LABEL, "ct_scans/101.nii"),
        (Problem.DOUBTFUL_LABEL, "patient 77, slice 1"),
    ]
    of_scan = {row["series"]: (row["scan_epidural"], row["scan_any"]) for row in rows_of(imported)}
    assert of_scan == {"052": (1, 1), "077": (1, 1), "101": (None, None)}  # one slice of 101 has no label


# What is refused


def test_another_folder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not CT-ICH: it holds neither hemorrhage_diagnosis_raw_ct\.csv"):
        read(tmp_path)


def test_boxes_of_the_pictures_at_hand_do_not_fit_another_layout(examples: Path, boxes: Path, tmp_path: Path) -> None:
    release_volumes(examples, tmp_path)
    with pytest.raises(UsageError, match="384-pixel pictures"):
        read(tmp_path, boxes=boxes)


def test_another_collection_with_a_table_of_slices_is_not_ct_ich(shared_data: Path) -> None:
    with pytest.raises(UsageError, match=r"is not CT-ICH\. .* lacks the column"):
        read(shared_data / "phe_sich")
