"""Pictures: by table from the real ones at hand, and in folders by class."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from hemoscope.ct.read import read_scan
from hemoscope.ct.windows import Window, from_grey, to_grey
from hemoscope.datasets.collection import Imported
from hemoscope.datasets.collections.pictures import COLLECTION
from hemoscope.datasets.problems import Problem, count_problems
from hemoscope.findings import ANY
from hemoscope.reasons import HemoscopeError, UsageError


def read(root: Path, **options: object) -> Imported:
    return COLLECTION.read(root, "pictures", 1, lambda done, total: None, **options)


def of_rsna(root: Path, **options: object) -> Imported:
    given = {"table": root / "slices.csv", "window": "77.5/255", "patients": "rsna2019", "id_prefix": "ID_", **options}
    return read(root, **given)


@pytest.fixture(scope="module")
def series(shared_data: Path) -> Imported:
    return of_rsna(shared_data / "rsna_hu_pictures", values="255=intraparenchymal")


@pytest.fixture(scope="module")
def loose(shared_data: Path) -> Imported:
    return of_rsna(shared_data / "rsna_loose_pictures")


@pytest.fixture
def root(tmp_path: Path, examples: Path) -> Path:
    """Three real slices as pictures of 40/80: two of hemorrhage/, one of normal/."""
    hu = read_scan(examples / "physionet_ct_ich" / "patient_077.nii.gz").hu
    for name, number in (("hemorrhage/a", 2), ("hemorrhage/deep/b", 3), ("normal/c", 16)):
        path = tmp_path / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), to_grey(hu[number], Window(40, 80)))
    return tmp_path


def table(root: Path, text: str) -> Path:
    path = root / "table.csv"
    path.write_text(text)
    return path


def test_series_have_the_counts_of_their_readme(series: Imported) -> None:
    labels, rows = series.manifest.labels, series.manifest.table
    assert len(labels) == 1779
    assert (labels >= 0).all(axis=1).sum() == 694
    assert ((labels == -1).all(axis=1)).sum() == 1085
    assert (labels == 1).sum(axis=0).tolist() == [0, 39, 4, 23, 21, 56]
    assert len(set(rows["patient"].to_pylist())) == 50
    assert set(rows["window"].to_pylist()) == {"77.5/255"}
    assert series.found == ()


def test_scans_are_labelled_only_where_all_their_slices_are(series: Imported) -> None:
    rows = series.manifest.table.to_pylist()
    by_scan = {row["series"]: row["scan_any"] for row in rows}
    values = list(by_scan.values())
    assert (values.count(1), values.count(0), values.count(None)) == (6, 14, 30)


def test_slices_go_from_foot_to_head(series: Imported) -> None:
    rows = series.manifest.table.to_pandas()
    steps = rows.groupby("series")["position_mm"].diff().dropna()
    assert (steps >= 0).all()
    assert set(rows["series"][steps.index[steps == 0]]) == {"72952d87fa"}  # two slices at each of its positions
    assert (rows.groupby("series")["slice"].diff().dropna() == 1).all()


def test_the_window_gives_the_hu_of_the_original_dicom(series: Imported, shared_data: Path, tmp_path: Path) -> None:
    with tarfile.open(shared_data / "rsna_dicom" / "series" / "ID_44cfc8e964.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    original = read_scan(tmp_path).hu
    rows = [row for row in series.manifest.table.to_pylist() if row["series"] == "44cfc8e964"]
    assert len(rows) == len(original)
    for row in rows:
        grey = cv2.imread(str(shared_data / "rsna_hu_pictures" / row["path"]), cv2.IMREAD_GRAYSCALE)
        hu = from_grey(grey, Window.from_text(row["window"]))
        halved = original[row["slice"]].reshape(256, 2, 256, 2).mean(axis=(1, 3))
        assert np.abs(np.clip(halved, -50, 205) - hu).max() <= 0.5


def test_the_masks_lie_on_the_blood_of_their_slices(series: Imported, shared_data: Path) -> None:
    root = shared_data / "rsna_hu_pictures"
    rows = [row for row in series.manifest.table.to_pylist() if row["mask"]]
    assert len(rows) == 11
    assert series.manifest.mask_values == {"pictures": {255: "intraparenchymal"}}
    assert all(row["intraparenchymal"] == 1 for row in rows)
    under: list[list[np.ndarray]] = [[], [], []]
    for row in rows:
        marked = cv2.imread(str(root / row["mask"]), cv2.IMREAD_UNCHANGED) == 255
        hu = from_grey(cv2.imread(str(root / row["path"]), cv2.IMREAD_GRAYSCALE), Window(77.5, 255))
        for values, view in zip(under, (hu, hu[::-1], hu[:, ::-1]), strict=True):
            values.append(view[marked])
    medians = [np.median(np.concatenate(values)) for values in under]
    assert 45 <= medians[0] <= 55
    assert max(medians[1:]) <= 40  # where the masks would lie if they were flipped or mirrored


def test_identifiers_are_those_of_rsna_2019(series: Imported, loose: Imported) -> None:
    for imported in (series, loose):
        rows = imported.manifest.table
        assert all(uid.startswith("ID_") and len(uid) == 12 for uid in rows["sop_instance_uid"].to_pylist())
        patients = {patient for patient in rows["patient"].to_pylist() if patient}
        assert all(patient.startswith("rsna2019:") and "ID_" not in patient for patient in patients)


def test_loose_slices_have_the_counts_of_their_readme(loose: Imported) -> None:
    labels, rows = loose.manifest.labels, loose.manifest.table
    assert (labels == 1).sum(axis=0).tolist() == [19, 191, 136, 185, 240, 561]
    assert (labels >= 0).all()
    assert len(set(rows["patient"].to_pylist()) - {None}) == 391
    # the table leaves one patient out whose series names it in another row
    assert count_problems(loose.found)[Problem.UNKNOWN_PATIENT] == 1229 - 440 - 1
    assert rows["patient"].null_count == 788


def test_the_window_that_a_slice_was_clipped_to_is_not_taken_for_that_of_its_picture(loose: Imported) -> None:
    rows = loose.manifest.table
    assert set(rows["window"].to_pylist()) == {"77.5/255"}
    narrow = next(row for row in rows.to_pylist() if row["sop_instance_uid"] == "ID_020a49006")
    assert (narrow["hu_low"], narrow["hu_high"]) == (-4, 76)
    assert any("whatever window_level and window_width say" in remark for remark in loose.remarks)


def test_a_loose_slice_without_hemorrhage_says_nothing_of_its_scan(loose: Imported) -> None:
    labels, of_scan = loose.manifest.labels, loose.manifest.scan_labels
    assert not (of_scan == 0).any()
    in_series = ~np.array(loose.manifest.table["series"].is_null())
    assert (of_scan[in_series & (labels[:, ANY] == 1), ANY] == 1).all()


@pytest.mark.parametrize("options", [{}, {"window": "40/80", "column": ("window=window_level/window_width",)}])
def test_the_window_is_said_exactly_once(shared_data: Path, options: dict[str, object]) -> None:
    root = shared_data / "rsna_loose_pictures"
    with pytest.raises(UsageError, match="window"):
        read(root, table=root / "slices.csv", **options)


def test_a_window_can_be_taken_from_two_columns(root: Path) -> None:
    given = table(root, "file,level,width\nnormal/c.png,40,80.0\nhemorrhage/a.png,,80\n")
    imported = read(root, table=given, column=("window=level/width",))
    assert imported.manifest.table["window"].to_pylist() == ["40/80"]
    assert [(one.problem, one.item) for one in imported.found] == [
        (Problem.BAD_ROW, "table.csv row 3"),
        (Problem.UNKNOWN_PATIENT, "table.csv row 2"),
    ]


def test_folders_by_class(root: Path) -> None:
    imported = read(root, window="40/80", classes="hemorrhage=any,normal=none", name_pattern=r"(?P<patient>\w)\.png")
    rows = imported.manifest.table
    assert rows["path"].to_pylist() == ["hemorrhage/a.png", "hemorrhage/deep/b.png", "normal/c.png"]
    assert imported.manifest.labels.tolist() == [[-1] * 5 + [1], [-1] * 5 + [1], [0] * 6]
    assert rows["patient"].to_pylist() == ["pictures:a", "pictures:b", "pictures:c"]
    assert imported.found == ()


def test_folders_named_like_findings_need_no_classes(root: Path) -> None:
    (root / "hemorrhage").rename(root / "Extradural")
    imported = read(root, window="40/80")
    assert imported.manifest.labels.tolist() == [[1, -1, -1, -1, -1, 1], [1, -1, -1, -1, -1, 1], [0] * 6]
    assert count_problems(imported.found) == {Problem.UNKNOWN_PATIENT: 3}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "The folder hemorrhage of .* say what each class is"),
        ({"classes": "hemorrhage=blood"}, "--classes is written"),
        ({"classes": "bleed=any"}, "no folder bleed"),
        ({"classes": "normal=none", "name_pattern": "("}, "no regular expression"),
        ({"classes": "normal=none", "name_pattern": "c"}, "needs groups"),
        ({"classes": "normal=none", "name_pattern": r"(?P<patient>\d+)"}, "fits no file"),
        ({"classes": "normal=none", "id_prefix": "ID_"}, "give it with --table"),
    ],
)
def test_wrong_usage_of_folders_is_one_sentence(root: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(root, window="40/80", **options)


def test_files_that_cannot_be_used_are_kept_out(root: Path) -> None:
    cv2.imwrite(str(root / "deep.png"), np.zeros((20, 20), np.uint16))
    (root / "text.png").write_text("no picture")
    names = ("normal/c.png", "gone.png", "deep.png", "text.png", "../table.csv")
    given = table(root, "file,patient,any\n" + "".join(f"{name},1,0\n" for name in names))
    imported = read(root, table=given, window="40/80")
    assert imported.manifest.table["path"].to_pylist() == ["normal/c.png"]
    found = {one.item: one.problem for one in imported.found}
    assert found == {
        "table.csv row 3": Problem.MISSING_FILE,
        "deep.png": Problem.UNREADABLE_FILE,
        "text.png": Problem.UNREADABLE_FILE,
        "table.csv row 6": Problem.BAD_ROW,
    }


def test_masks_without_a_meaning_are_not_used(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "rsna_hu_pictures"
    line = next(line for line in (source / "slices.csv").read_text().splitlines() if "masks/" in line)
    header = (source / "slices.csv").read_text().splitlines()[0]
    picture = line.split(",")[6]
    (tmp_path / picture).parent.mkdir(parents=True)
    shutil.copy(source / picture, tmp_path / picture)
    given = table(tmp_path, f"{header}\n{line}\n")
    imported = read(tmp_path, table=given, window="77.5/255")
    assert imported.manifest.table["mask"].to_pylist() == [None]
    assert any("The masks are not used" in remark for remark in imported.remarks)
    with pytest.raises(HemoscopeError, match=r"table\.csv row 2: Its mask is not there\."):
        read(tmp_path, table=given, window="77.5/255", values="255=intraparenchymal")
