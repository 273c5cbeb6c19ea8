"""Voxel masks: the real slices of BHSD, and masks drawn on a real volume that is stored in every way."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from hemoscope.ct.inputs import InputFile
from hemoscope.ct.nifti import read_nifti
from hemoscope.ct.pixels import Decoder
from hemoscope.ct.prepare import NETWORK_WINDOW, NetworkInput
from hemoscope.ct.windows import Window, from_grey
from hemoscope.datasets.collection import Imported
from hemoscope.datasets.collections.masks import COLLECTION
from hemoscope.datasets.problems import Problem, count_problems
from hemoscope.datasets.slice_store.read_slices import SlicePixels, read_slices, slice_sources
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import HemoscopeError, UsageError

BHSD_VALUES = "1=epidural,2=intraparenchymal,3=intraventricular,4=subarachnoid,5=subdural"
# Slices, foot to head, of the drawn mask: epidural (1) in 3, subdural (5) in 3 and 4, intraventricular (3) in 9.
DRAWN = {3: (1, 5), 4: (5,), 9: (3,)}


def read(root: Path, values: str = BHSD_VALUES, jobs: int = 1, **options: object) -> Imported:
    return COLLECTION.read(root, "masks", jobs, lambda done, total: None, values=values, **options)


@pytest.fixture(scope="module")
def bhsd(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """The slices at hand; some volumes have the name of their patient in RSNA 2019, the others hide it."""
    rows = pd.read_csv(shared_data / "bhsd_images" / "slices.csv", dtype=str)
    rsna = "rsna2019:" + rows["rsna_patient_study"].str.split("_").str[1]
    table = tmp_path_factory.mktemp("bhsd") / "bhsd.csv"
    rows.assign(patient=rsna).to_csv(table, index=False)
    return read(shared_data / "bhsd_images", window="127.5/255", table=table, column=("series=volume",))


@pytest.fixture
def root(tmp_path: Path, examples: Path) -> Path:
    """A real volume of 18 slices, stored right to left, front to back, foot to head, with a drawn mask."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    image = nib.load(examples / "physionet_ct_ich" / "patient_077.nii.gz")
    nib.save(image, tmp_path / "images" / "077.nii.gz")
    save_mask(tmp_path, drawn(image.shape), image.affine)
    return tmp_path


def drawn(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    for number, values in DRAWN.items():
        for value in values:
            mask[100 : 103 + value, 10 * value : 10 * value + 5, number] = value
    return mask


def save_mask(root: Path, mask: np.ndarray, affine: np.ndarray, name: str = "077.nii.gz") -> None:
    nib.save(nib.Nifti1Image(mask, affine), root / "masks" / name)


def test_bhsd_has_the_labels_and_pixels_of_its_table(bhsd: Imported, shared_data: Path) -> None:
    rows = {row["path"].removeprefix("images/"): row for row in bhsd.manifest.table.to_pylist()}
    table = pd.read_csv(shared_data / "bhsd_images" / "slices.csv")
    assert len(rows) == 30 == len(table)
    for said in table.to_dict("records"):
        row = rows[said["file"]]
        assert [row[name] for name in FINDING_NAMES[:-1]] == [said[name] for name in FINDING_NAMES[:-1]]
        mask = cv2.imread(str(shared_data / "bhsd_images" / row["mask"]), cv2.IMREAD_UNCHANGED)
        pixels = [(mask == value).sum() for value in range(1, 6)]
        assert pixels == [said[f"px_{name}"] for name in FINDING_NAMES[:-1]]
        assert (row["series"], row["slice"]) == (said["volume"], said["slice"])
    assert count_problems(bhsd.found) == {Problem.UNKNOWN_PATIENT: 17}
    assert (bhsd.manifest.labels == 1).sum(axis=0).tolist() == [5, 13, 12, 11, 11, 30]
    assert bhsd.manifest.mask_values == {"masks": dict(zip(range(1, 6), FINDING_NAMES, strict=False))}


def test_single_slices_of_a_volume_say_nothing_of_its_other_slices(bhsd: Imported) -> None:
    assert not (bhsd.manifest.scan_labels == 0).any()
    assert (bhsd.manifest.scan_labels[bhsd.manifest.labels == 1] == 1).all()


def test_bhsd_patients_are_those_of_rsna_2019(bhsd: Imported, shared_data: Path) -> None:
    """Which patient and study a name says agrees with the metadata of RSNA 2019."""
    known = pd.read_parquet(next((shared_data / "rsna_metadata").glob("*.parquet")), columns=["patient", "study"])
    studies = dict(zip(known["study"], known["patient"], strict=True))
    table = pd.read_csv(shared_data / "bhsd_images" / "slices.csv").dropna(subset="rsna_patient_study")
    study_of = {row.volume: row.rsna_patient_study.split("_")[3] for row in table.itertuples()}
    patients = {row["series"]: row["patient"] for row in bhsd.manifest.table.to_pylist()}
    told = [volume for volume in study_of if isinstance(studies.get(study_of[volume]), str)]
    assert len(told) >= 3
    assert all(patients[volume] == f"rsna2019:{studies[study_of[volume]]}" for volume in told)
    # the others are of RSNA 2019, too: under a name of their own they could stand on both sides of a split
    hidden = [row for row in bhsd.manifest.table.to_pylist() if row["series"] not in study_of]
    assert (len(hidden), len({row["series"] for row in hidden})) == (17, 13)
    assert {row["patient"] for row in hidden} == {None}


def test_the_window_makes_the_value_of_a_pixel_its_hu(bhsd: Imported, shared_data: Path) -> None:
    row = bhsd.manifest.table.to_pylist()[0]
    grey = cv2.imread(str(shared_data / "bhsd_images" / row["path"]), cv2.IMREAD_GRAYSCALE)
    assert (from_grey(grey, Window.from_text(row["window"])) == grey).all()


def test_the_front_of_the_head_is_up_once_the_orientation_is_followed(bhsd: Imported, shared_data: Path) -> None:
    """Real slices of RSNA 2019 whose front is up resemble the pictures more than the pictures upside down."""

    head = NetworkInput(32, (NETWORK_WINDOW,), framing="head")

    def features(hu: np.ndarray) -> np.ndarray:
        small = head.frame(hu, None)[0].astype(float).ravel()
        return (small - small.mean()) / (small.std() * np.sqrt(small.size) + 1e-6)

    upright = [
        features(from_grey(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), Window(77.5, 255)))
        for path in sorted((shared_data / "rsna_hu_pictures" / "images").glob("*/*.png"))[::2]
    ]
    closer: dict[str, list[float]] = {"LA": [], "LP": []}
    orientations = bhsd.manifest.table["patient_orientation"].to_pylist()
    with Decoder(1) as decoder:
        for number, read_one in read_slices(slice_sources(bhsd.manifest), decoder):
            assert isinstance(read_one, SlicePixels)
            shown = from_grey(read_one.pixels, Window(127.5, 255))
            likeness = [np.max(np.stack(upright) @ features(view)) for view in (shown, shown[::-1])]
            closer[orientations[number]].append(likeness[0] - likeness[1])
    assert (len(closer["LA"]), len(closer["LP"])) == (17, 13)
    for differences in closer.values():
        assert np.mean(differences) > 0.01
        assert np.mean(np.array(differences) > 0) > 0.6


@pytest.mark.parametrize("codes", ["RPS", "LAS", "LPI", "SAL", "PIR", "IRA"])
def test_labels_are_of_the_same_slices_however_a_volume_is_stored(root: Path, codes: str) -> None:
    original = read_nifti(InputFile.from_path(root / "images" / "077.nii.gz"), None)
    for folder in ("images", "masks"):
        path = root / folder / "077.nii.gz"
        image = nib.load(path)
        turn = nib.orientations.ornt_transform(
            nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(tuple(codes))
        )
        turned = image.as_reoriented(turn)
        nib.save(nib.Nifti1Image(np.asarray(turned.dataobj), turned.affine), path)
    rows = read(root).manifest.table.to_pylist()
    scan = read_nifti(InputFile.from_path(root / "images" / "077.nii.gz"), None)
    mask = np.asarray(nib.load(root / "masks" / "077.nii.gz").dataobj)
    across = max(codes.find("S"), codes.find("I"))
    assert [row["slice"] for row in rows] == list(range(18))
    for row in rows:
        findings = {FINDING_NAMES.index(name) + 1 for name in FINDING_NAMES[:-1] if row[name] == 1}
        assert findings == set(DRAWN.get(row["slice"], ()))
        assert row["any"] == (row["slice"] in DRAWN)
        assert row["frame"] == scan.slices[row["slice"]].frame
        assert row["position_mm"] == scan.slices[row["slice"]].position_mm
        np.testing.assert_array_equal(scan.hu[row["slice"]], original.hu[row["slice"]])
        marked = set(np.unique(np.take(mask, row["frame"], axis=across))) - {0}
        assert marked == set(DRAWN.get(row["slice"], ()))
        assert {row[f"scan_{name}"] for name in ("epidural", "intraventricular", "subdural", "any")} == {1}
        assert {row[f"scan_{name}"] for name in ("intraparenchymal", "subarachnoid")} == {0}


def test_a_volume_is_a_scan_and_by_itself_a_patient(root: Path) -> None:
    imported = read(root, jobs=2)
    row = imported.manifest.table.to_pylist()[0]
    assert (row["patient"], row["series"], row["mask"]) == ("masks:077", "077", "masks/077.nii.gz")
    assert (row["window"], row["hu_low"], row["hu_high"]) == (None, -20, 100)  # it was restored from 40/120
    assert imported.found == ()
    assert any("patient of its own" in remark for remark in imported.remarks)


def test_names_of_bhsd_volumes_say_patient_and_study(root: Path) -> None:
    for folder in ("images", "masks"):
        (root / folder / "077.nii.gz").rename(root / folder / "ID_1879071b_ID_4b8e1377e7.nii.gz")
    pattern = r"ID_(?P<patient>\w+)_ID_(?P<study>\w+)"
    row = read(root, name_pattern=pattern, patients="rsna2019").manifest.table.to_pylist()[0]
    assert (row["patient"], row["study"]) == ("rsna2019:1879071b", "4b8e1377e7")
    assert row["series"] == "ID_1879071b_ID_4b8e1377e7"


def test_of_a_binary_mask_the_subtypes_are_unknown(root: Path) -> None:
    path = root / "masks" / "077.nii.gz"
    mask = np.asarray(nib.load(path).dataobj)
    save_mask(root, (mask > 0).astype(np.float32), nib.load(path).affine)
    labels = read(root, "1=any").manifest.labels
    for number, row in enumerate(labels.tolist()):
        assert row == ([-1] * 5 + [1] if number in DRAWN else [0] * 6)


def test_findings_that_no_value_stands_for_are_unknown(root: Path) -> None:
    labels = read(root, "1=none,3=intraventricular,5=subdural").manifest.labels.tolist()
    assert labels[0] == [-1, -1, 0, -1, 0, -1]
    assert labels[3] == [-1, -1, 0, -1, 1, 1]
    assert labels[9] == [-1, -1, 1, -1, 0, 1]


def test_a_finding_of_too_few_pixels_is_unknown(root: Path) -> None:
    assert read(root, min_pixels=20).manifest.labels[3].tolist() == [1, 0, 0, 0, 1, 1]  # epidural has 20 pixels
    imported = read(root, min_pixels=21)
    labels = imported.manifest.labels
    assert labels[3].tolist() == [-1, 0, 0, 0, 1, 1]
    assert (labels[:, 0] == 0).sum() == 17
    assert [(one.problem, one.item) for one in imported.found] == [(Problem.DOUBTFUL_LABEL, "images/077.nii.gz#3")]
    assert imported.manifest.table["scan_epidural"].to_pylist() == [None] * 18


def shifted(affine: np.ndarray) -> np.ndarray:
    moved = affine.copy()
    moved[2, 3] += 5  # one slice
    return moved


@pytest.mark.parametrize(
    ("change", "problem", "words"),
    [
        (lambda mask, affine: (mask, shifted(affine)), Problem.SHAPE_MISMATCH, "5 mm away"),
        (lambda mask, affine: (mask, np.diag([-1, 1, 1, 1]) @ affine), Problem.SHAPE_MISMATCH, "affines differ"),
        (lambda mask, affine: (mask[:, :, :-1], affine), Problem.SHAPE_MISMATCH, "17"),
        (lambda mask, affine: (mask * 2, affine), Problem.MASK_VALUE, "the value 10"),
        (lambda mask, affine: (mask * np.float32(0.98), affine), Problem.MASK_VALUE, "no whole numbers"),
        (lambda mask, affine: (np.where(mask, np.nan, 0).astype(np.float32), affine), Problem.MASK_VALUE, "no whole"),
        (lambda mask, affine: (mask.astype(np.int16) * 256, affine), Problem.MASK_VALUE, "0 to 255"),
    ],
)
def test_a_mask_that_does_not_fit_is_kept_out(root: Path, change, problem: Problem, words: str) -> None:
    given = nib.load(root / "masks" / "077.nii.gz")
    shutil.copy(root / "images" / "077.nii.gz", root / "images" / "fits.nii.gz")
    shutil.copy(root / "masks" / "077.nii.gz", root / "masks" / "fits.nii.gz")
    save_mask(root, *change(np.asarray(given.dataobj), given.affine))
    imported = read(root, "1=EDH,2=IPH,3=none,5=SDH")
    assert set(imported.manifest.table["path"].to_pylist()) == {"images/fits.nii.gz"}
    assert [(one.problem, one.item) for one in imported.found] == [(problem, "images/077.nii.gz")]
    assert words in imported.found[0].detail


def test_files_that_stand_alone_or_are_damaged_are_kept_out(root: Path, examples: Path) -> None:
    content = (root / "images" / "077.nii.gz").read_bytes()
    for name in ("images/alone", "images/cut", "masks/cut", "masks/other"):
        (root / f"{name}.nii.gz").write_bytes(content[:5000])
    imported = read(root)
    assert len(imported.manifest) == 18
    assert {one.item: one.problem for one in imported.found} == {
        "images/alone.nii.gz": Problem.NO_LABEL,
        "masks/other.nii.gz": Problem.NO_SLICE,
        "images/cut.nii.gz": Problem.UNREADABLE_FILE,
    }


def test_images_and_masks_of_one_folder_are_told_apart_by_a_suffix(root: Path) -> None:
    (root / "masks" / "077.nii.gz").rename(root / "images" / "077_label.nii.gz")
    imported = read(root, masks="images", mask_suffix="_label")
    assert set(imported.manifest.table["path"].to_pylist()) == {"images/077.nii.gz"}
    assert set(imported.manifest.table["mask"].to_pylist()) == {"images/077_label.nii.gz"}
    with pytest.raises(UsageError, match="--mask-suffix tells"):
        read(root, masks="images")


def test_rows_of_the_table_that_cannot_be_used_keep_their_image_out(bhsd: Imported, root: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("path,patient,age\nimages/077.nii.gz,7,old\n078,8,50\n")
    with pytest.raises(HemoscopeError, match=r"first of 2 reasons: table\.csv row"):
        read(root, table=table)
    table.write_text("path,patient,age\n077,7,33\n")
    assert set(read(root, table=table).manifest.table["age"].to_pylist()) == {33}
    table.write_text("path,age\nother,33\n")
    imported = read(root, table=table)
    assert count_problems(imported.found) == {Problem.BAD_ROW: 1, Problem.UNKNOWN_PATIENT: 18}


def test_pictures_need_their_window_and_masks_of_their_size(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--window LEVEL/WIDTH"):
        read(shared_data / "bhsd_images")
    for folder, side, value in (("images", 64, 40), ("masks", 32, 1)):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), np.full((side, side), value, np.uint8))
    with pytest.raises(HemoscopeError, match="has 32 x 32 pixels, the image 64 x 64"):
        read(tmp_path, window="40/80")
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), np.full((64, 64, 3), (0, 0, 255), np.uint8))
    with pytest.raises(HemoscopeError, match="in colour"):
        read(tmp_path, window="40/80")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"masks": "labels"}, "has no folder labels"),
        ({"mask_suffix": "_label"}, "No file of .* has the name of one in"),
        ({"values": "1"}, "--values is written KEY=FINDING"),
        ({"values": "blood=any"}, "whole numbers from 1 to 255"),
        ({"values": "1=any,1=none"}, "names 1 twice"),
    ],
)
def test_wrong_usage_is_one_sentence(root: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(root, **options)
