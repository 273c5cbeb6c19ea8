"""RSNA 2019 in its Kaggle layout: made of the tables and DICOM files at hand, and small of the example series."""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from pydicom import dcmread

from hemoscope.datasets.collection import Imported
from hemoscope.datasets.collections import rsna2019
from hemoscope.datasets.collections.rsna2019 import read_rsna2019
from hemoscope.datasets.problems import Problem
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

# The identifiers of the challenge are no UIDs of DICOM, and pydicom says so of each.
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")

SERIES = ("44cfc8e964", "6254afb327", "72952d87fa")
PLACES = ("patient", "study", "series", "slice", "position_mm")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the headers in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def read(root: Path, stage: str | None = None, metadata: Path | None = None) -> Imported:
    return read_rsna2019(root, "rsna2019", 1, lambda done, total: None, stage, metadata)


def write_labels(path: Path, labels: Mapping[str, Sequence[int]]) -> None:
    rows = [f"{one}_{name},{label}" for one in labels for name, label in zip(FINDING_NAMES, labels[one], strict=True)]
    path.write_text("\n".join(["ID,Label", *np.random.default_rng(7).permutation(rows)]) + "\n")


def column(imported: Imported, name: str) -> dict[str, object]:
    """The values of a column by slice."""
    table = imported.manifest.table
    return dict(zip(table["sop_instance_uid"].to_pylist(), table[name].to_pylist(), strict=True))


def problems(imported: Imported) -> list[tuple[Problem, str]]:
    return [(one.problem, one.item) for one in imported.found]


def id_of(number: int) -> str:
    return f"ID_{number:09x}"


@pytest.fixture
def kaggle(examples: Path, tmp_path: Path) -> Path:
    """Stage 2 of 28 slices: 24 for training (named against their order; the fifth highest bleeds), 4 for the test."""
    root = tmp_path / "kaggle"
    for folder in ("stage_2_train", "stage_2_test"):
        (root / folder).mkdir(parents=True)
    paths = sorted((examples / "ge_tilted_head_series").glob("*.dcm"))
    slices = sorted((dcmread(path) for path in paths), key=lambda one: float(one.ImagePositionPatient[2]))
    for number, header in enumerate(slices):
        header.SOPInstanceUID = id_of(27 - number)
        header.PatientID, header.StudyInstanceUID = "ID_0000000a", "ID_00000000bb"
        header.SeriesInstanceUID = "ID_00000000cc" if number < 24 else "ID_00000000dd"
        folder = "stage_2_train" if number < 24 else "stage_2_test"
        header.save_as(root / folder / f"{header.SOPInstanceUID}.dcm")
    labels = {id_of(27 - number): [0, 0, 0, 0, int(number == 19), int(number == 19)] for number in range(24)}
    write_labels(root / "stage_2_train.csv", labels)
    write_labels(root / "stage_2_sample_submission.csv", {id_of(number): [0] * 6 for number in range(4)})
    return root


def test_headers_give_patient_scan_and_order(kaggle: Path) -> None:
    imported = read(kaggle)
    assert imported.found == ()
    assert imported.remarks == ()
    train = pc.is_null(imported.manifest.table["split"])
    table = imported.manifest.table.filter(train)
    assert table["sop_instance_uid"].to_pylist() == [id_of(27 - number) for number in range(24)]
    assert table["slice"].to_pylist() == list(range(24))
    assert np.all(np.diff(table["position_mm"].to_numpy()) > 1)
    assert table["subdural"].to_pylist() == [int(number == 19) for number in range(24)]
    assert set(table["scan_subdural"].to_pylist()) == {1}
    assert set(table["scan_epidural"].to_pylist()) == {0}
    assert set(table["patient"].to_pylist()) == {"rsna2019:0000000a"}
    assert set(table["study"].to_pylist()) == {"00000000bb"}
    assert set(table["series"].to_pylist()) == {"00000000cc"}
    assert table["path"][0].as_py() == f"stage_2_train/{id_of(27)}.dcm"


def test_the_test_part_has_no_labels(kaggle: Path) -> None:
    imported = read(kaggle)
    test = imported.manifest.take(np.asarray(pc.equal(imported.manifest.table["split"], "test").fill_null(False)))
    assert test.table["sop_instance_uid"].to_pylist() == [id_of(number) for number in (3, 2, 1, 0)]
    assert test.table["path"][0].as_py() == f"stage_2_test/{id_of(3)}.dcm"
    assert (test.labels == -1).all()
    assert (test.scan_labels == -1).all()


def test_a_test_slice_that_only_the_folder_names(kaggle: Path) -> None:
    (kaggle / "stage_2_sample_submission.csv").unlink()
    assert column(read(kaggle), "split")[id_of(0)] == "test"


def test_stage_1_has_other_folders(kaggle: Path) -> None:
    (kaggle / "stage_2_train.csv").rename(kaggle / "stage_1_train.csv")
    (kaggle / "stage_2_sample_submission.csv").rename(kaggle / "stage_1_sample_submission.csv")
    (kaggle / "stage_2_train").rename(kaggle / "stage_1_train_images")
    (kaggle / "stage_2_test").rename(kaggle / "stage_1_test_images")
    imported = read(kaggle)
    assert column(imported, "path")[id_of(27)] == f"stage_1_train_images/{id_of(27)}.dcm"
    assert (len(imported.manifest), imported.found) == (28, ())


def test_both_stages_need_a_choice(kaggle: Path) -> None:
    write_labels(kaggle / "stage_1_train.csv", {id_of(27): [0] * 6})
    with pytest.raises(UsageError, match="--stage 1 or --stage 2"):
        read(kaggle)
    assert len(read(kaggle, stage="2").manifest) == 28
    assert column(read(kaggle, stage="1"), "path") == {id_of(27): None}


@pytest.mark.parametrize(("stage", "message"), [(None, "stage_2_train.csv"), ("2", "stage_2_train.csv")])
def test_another_folder_is_a_usage_error(tmp_path: Path, stage: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, stage)


def test_a_stage_that_is_not_there_is_a_usage_error(kaggle: Path) -> None:
    with pytest.raises(UsageError, match="it holds stage 2"):
        read(kaggle, stage="1")


def test_files_and_rows_without_each_other_are_kept_out(kaggle: Path) -> None:
    (kaggle / "stage_2_train" / f"{id_of(27)}.dcm").unlink()
    (kaggle / "stage_2_test" / f"{id_of(3)}.dcm").unlink()
    rows = (kaggle / "stage_2_train.csv").read_text().splitlines()
    kept = [row for row in rows if not row.startswith(id_of(20))]
    (kaggle / "stage_2_train.csv").write_text("\n".join(kept) + "\n")
    imported = read(kaggle)
    assert sorted(problems(imported), key=lambda one: one[1]) == [
        (Problem.MISSING_FILE, id_of(3)), (Problem.NO_LABEL, id_of(20)), (Problem.MISSING_FILE, id_of(27)),
    ]  # fmt: skip
    slices = column(imported, "slice")
    assert {id_of(27), id_of(20), id_of(3)}.isdisjoint(slices)
    assert (slices[id_of(26)], slices[id_of(21)], slices[id_of(19)]) == (0, 5, 7)  # 20 has its place, though left out
    scan = column(imported, "scan_epidural"), column(imported, "scan_subdural")
    assert (scan[0][id_of(26)], scan[1][id_of(26)]) == (None, 1)  # one of its slices has no label


def test_contradictory_and_conflicting_labels_are_kept_out(kaggle: Path) -> None:
    text = (kaggle / "stage_2_train.csv").read_text()
    text = text.replace(f"{id_of(10)}_any,0", f"{id_of(10)}_any,1")
    (kaggle / "stage_2_train.csv").write_text(f"{text}{id_of(11)}_epidural,1\n{id_of(12)}_epidural,0\n")
    imported = read(kaggle)
    assert sorted(problems(imported), key=lambda one: one[1]) == [
        (Problem.CONTRADICTION, id_of(10)),
        (Problem.CONFLICTING_ROWS, f"{id_of(11)}_epidural"),
        (Problem.DUPLICATE_ROW, f"{id_of(12)}_epidural"),
    ]
    assert {id_of(10), id_of(11)}.isdisjoint(column(imported, "slice"))
    assert column(imported, "epidural")[id_of(12)] == 0
    assert column(imported, "scan_epidural")[id_of(12)] is None


def test_the_known_corrupt_file_is_not_opened(kaggle: Path) -> None:
    (kaggle / "stage_2_train" / f"{rsna2019.CORRUPT}.dcm").write_bytes(b"")
    rows = [f"{rsna2019.CORRUPT}_{name},0" for name in FINDING_NAMES]
    with (kaggle / "stage_2_train.csv").open("a") as stream:
        stream.write("\n".join(rows) + "\n")
    imported = read(kaggle)
    assert problems(imported) == [(Problem.KNOWN_CORRUPT, rsna2019.CORRUPT)]
    assert rsna2019.CORRUPT not in column(imported, "path")


def test_an_unreadable_and_a_misnamed_file_are_kept_out(kaggle: Path) -> None:
    first, second = (kaggle / "stage_2_train" / f"{id_of(number)}.dcm" for number in (10, 11))
    first.write_bytes(second.read_bytes())
    second.write_bytes(b"no DICOM")
    rows = (kaggle / "stage_2_train.csv").read_text()
    for name in ("epidural", "any"):
        rows = rows.replace(f"{id_of(10)}_{name},0", f"{id_of(10)}_{name},1")
    (kaggle / "stage_2_train.csv").write_text(rows)
    imported = read(kaggle)
    assert problems(imported) == [
        (Problem.UNREADABLE_FILE, f"stage_2_train/{id_of(11)}.dcm"), (Problem.UNREADABLE_FILE, id_of(10)),
    ]  # fmt: skip
    assert {id_of(10), id_of(11)}.isdisjoint(column(imported, "path"))
    assert column(imported, "scan_epidural")[id_of(12)] == 0  # what 10 shows says nothing of the scan that it names
    assert (column(imported, "slice")[id_of(12)], column(imported, "slice")[id_of(9)]) == (15, 16)


@pytest.mark.parametrize(("absent", "label", "remarks"), [(4, 0, []), (5, None, ["Scans with fewer than 20 k"])])
def test_a_scan_with_few_slices_is_not_known_to_be_free(
    kaggle: Path, absent: int, label: int | None, remarks: list[str]
) -> None:
    """A whole scan has 20 slices at least; where there are fewer, those that are not there may bleed."""
    for number in range(absent):
        (kaggle / "stage_2_train" / f"{id_of(27 - number)}.dcm").unlink()
    imported = read(kaggle)
    scan = column(imported, "scan_epidural"), column(imported, "scan_subdural")
    assert (scan[0][id_of(20)], scan[1][id_of(20)]) == (label, 1)
    assert [remark[:26] for remark in imported.remarks] == remarks


def test_labels_alone(kaggle: Path) -> None:
    for folder in ("stage_2_train", "stage_2_test"):
        (kaggle / folder).rename(kaggle / f"no_{folder}")
    imported = read(kaggle)
    assert (len(imported.manifest), imported.found) == (28, ())
    assert imported.manifest.table["path"].null_count == 28
    assert imported.manifest.table["patient"].null_count == 28
    assert [remark for remark in imported.remarks if "no folder of training images" in remark]
    assert [remark for remark in imported.remarks if "28 of 28" in remark]
    assert (imported.manifest.scan_labels == -1).all()


def test_a_table_spares_the_headers(kaggle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the table leaves open is read from the headers, and only that."""
    from_headers = read(kaggle)
    rows = ["SOPInstanceUID,PatientID,StudyInstanceUID,SeriesInstanceUID,ImagePositionPatient,ImageOrientationPatient"]
    for path in sorted(kaggle.glob("*/*.dcm")):
        header = dcmread(path)
        who = (header.SOPInstanceUID, header.PatientID, header.StudyInstanceUID, header.SeriesInstanceUID)
        where = ([str(number) for number in header[name].value] for name in ("ImagePositionPatient",
                                                                            "ImageOrientationPatient"))  # fmt: skip
        rows.append(",".join([*who, *(f'"{numbers}"' for numbers in where)]))
    table = tmp_path / "headers.csv"
    table.write_text("\n".join(rows[:-2]) + "\n")  # without the two lowest slices
    read_paths: list[str] = []
    scan = rsna2019.scan_headers

    def counted(root: Path, paths: list[str], *others: object) -> object:
        read_paths.extend(paths)
        return scan(root, paths, *others)

    monkeypatch.setattr(rsna2019, "scan_headers", counted)
    from_table = read(kaggle, metadata=table)
    assert read_paths == [f"stage_2_train/{id_of(number)}.dcm" for number in (26, 27)]
    for name in PLACES:
        if name != "position_mm":
            assert column(from_table, name) == column(from_headers, name)
    assert column(from_table, "position_mm") == pytest.approx(column(from_headers, "position_mm"), abs=1e-3)


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stage 2 with the 110 real DICOM files: three whole series and nine slices of others."""
    root = tmp_path_factory.mktemp("rsna") / "kaggle"
    source = shared_data / "rsna_dicom"
    (root / "stage_2_train").mkdir(parents=True)
    (root / "stage_2_test").mkdir()
    rows = {row["id"]: row for row in csv.DictReader((source / "labels.csv").open())}
    labelled = {f"ID_{one}" for one in rows if rows[one]["any"]}
    for archive in sorted((source / "series").glob("*.tar.xz")):
        with tarfile.open(archive) as members:
            for member in members:
                if member.isfile():
                    content = members.extractfile(member)
                    assert content is not None
                    place(root, Path(member.name).name, content.read(), labelled)
    for path in sorted(source.glob("*.dcm")):
        place(root, path.name, path.read_bytes(), labelled)
    labels = {f"ID_{one}": [int(row[name]) for name in FINDING_NAMES] for one, row in rows.items() if row["any"]}
    write_labels(root / "stage_2_train.csv", labels)
    tests = {f"ID_{one}": [0] * 6 for one in rows if f"ID_{one}" not in labelled}
    write_labels(root / "stage_2_sample_submission.csv", tests)
    return root


def place(root: Path, name: str, content: bytes, labelled: set[str]) -> None:
    folder = "stage_2_train" if name.removesuffix(".dcm") in labelled else "stage_2_test"
    (root / folder / name).write_bytes(content)


def test_the_real_files(real: Path, shared_data: Path) -> None:
    imported = read(real)
    rows = {f"ID_{row['id']}": row for row in csv.DictReader((shared_data / "rsna_dicom" / "labels.csv").open())}
    assert len(imported.manifest) == len(rows) == 110
    assert problems(imported) == [(Problem.NO_POSITION, "72952d87fa")]
    for place, name in enumerate(FINDING_NAMES):
        stated = {one: int(row[name]) if row[name] else None for one, row in rows.items()}
        assert column(imported, name) == stated, place
    for name in ("study", "series"):
        assert column(imported, name) == {one: row[name] for one, row in rows.items()}
    assert column(imported, "patient") == {one: f"rsna2019:{row['patient']}" for one, row in rows.items()}


@pytest.mark.parametrize("series", SERIES)
def test_the_order_is_that_of_the_published_pictures(real: Path, shared_data: Path, series: str) -> None:
    """In 72952d87fa eight positions hold two slices each, whose order among themselves nobody knows."""
    imported = read(real)
    table = imported.manifest.table.filter(pc.equal(imported.manifest.table["series"], series))
    pictures = csv.DictReader((shared_data / "rsna_hu_pictures" / "slices.csv").open())
    expected = sorted((row for row in pictures if row["series"] == series), key=lambda row: int(row["slice"]))
    assert table["slice"].to_pylist() == list(range(len(expected)))
    z = {f"ID_{row['id']}": float(row["position_mm"]) for row in expected}
    found = table["sop_instance_uid"].to_pylist()
    assert [z[one] for one in found] == [float(row["position_mm"]) for row in expected]
    if series != "72952d87fa":
        assert found == [f"ID_{row['id']}" for row in expected]


def test_the_published_table_places_the_real_files_as_their_headers_do(real: Path, shared_data: Path) -> None:
    from_table = read(real, metadata=shared_data / "rsna_metadata" / "slices.parquet")
    from_headers = read(real)
    for name in ("patient", "study", "series", "slice"):
        assert column(from_table, name) == column(from_headers, name), name
    positions, exact = column(from_table, "position_mm"), column(from_headers, "position_mm")
    known = {one: value for one, value in positions.items() if value is not None}
    assert known == pytest.approx({one: exact[one] for one in known}, abs=1e-2)


@pytest.fixture(scope="module")
def stage_1(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CSV of stage 1 as it was: 674,258 slices and 24 repeated rows, in random order."""
    table = pq.read_table(shared_data / "rsna_metadata" / "slices.parquet", columns=["id", "split", *FINDING_NAMES])
    table = table.filter(pc.equal(table["split"].cast(pa.string()), "stage1_train"))
    rows = [
        pa.table({"ID": pc.binary_join_element_wise("ID", table["id"], name, "_"), "Label": table[name]})
        for name in FINDING_NAMES
    ]
    whole = pa.concat_tables([*rows, *(part.slice(1000, 4) for part in rows)])
    root = tmp_path_factory.mktemp("stage_1")
    order = np.random.default_rng(7).permutation(len(whole))
    pacsv.write_csv(whole.take(order), root / "stage_1_train.csv")
    return root


def test_the_counts_of_stage_1(stage_1: Path) -> None:
    imported = read(stage_1)
    assert len(imported.manifest) == 674_258 - 1
    positive = (imported.manifest.labels == 1).sum(axis=0)
    assert dict(zip(FINDING_NAMES, positive.tolist(), strict=True)) == {
        "epidural": 2_761, "intraparenchymal": 32_564, "intraventricular": 23_766, "subarachnoid": 32_122,
        "subdural": 42_496, "any": 97_103,
    }  # fmt: skip
    assert (imported.manifest.labels >= 0).all()
    kinds = [one.problem for one in imported.found]
    assert kinds == [Problem.DUPLICATE_ROW] * 24 + [Problem.KNOWN_CORRUPT]


def test_stage_1_with_the_published_table(stage_1: Path, shared_data: Path) -> None:
    """The table knows many scans in part only; the published labels of studies say what the other slices show."""
    metadata = shared_data / "rsna_metadata" / "slices.parquet"
    manifest = read(stage_1, metadata=metadata).manifest
    known = {name: len(manifest) - manifest.table[name].null_count for name in ("patient", "series")}
    corrupt = pq.read_table(metadata, filters=[("id", "=", rsna2019.CORRUPT[3:])]).to_pylist()[0]
    assert known == {
        "patient": 178_065 - (corrupt["patient"] is not None), "series": 233_552 - (corrupt["series"] is not None),
    }  # fmt: skip
    studies = pq.read_table(shared_data / "rsna_metadata" / "studies.parquet", columns=["study", *FINDING_NAMES])
    of_studies = studies.take(pc.index_in(manifest.table["study"], studies["study"].combine_chunks()))
    for name in FINDING_NAMES:
        stated = manifest.table[f"scan_{name}"].combine_chunks()
        denied = pc.and_(pc.equal(stated, 0), pc.equal(of_studies[name].combine_chunks(), 1))
        assert (pc.sum(pc.equal(stated, 0)).as_py() > 50_000, pc.sum(denied).as_py()) == (True, 0), name
