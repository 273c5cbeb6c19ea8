"""DICOM files to scans: grouping, order, duplicates, what is set aside, display order."""

from __future__ import annotations

import csv
import hashlib
import random
import shutil
import tarfile
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from scan_writers import places_of, turn, write_enhanced, write_series, write_slice

from hemoscope.ct.inputs import Refusal
from hemoscope.ct.options import ReadOptions
from hemoscope.ct.read import read_scan, read_scans
from hemoscope.ct.scan import Scan
from hemoscope.reasons import HemoscopeError, Reason, Severity

SHAPE = (14, 40, 32)


@pytest.fixture(scope="module")
def head(examples):
    """A small part of a real head, [slice, row, column], with no symmetry that could hide a flip."""
    paths = sorted((examples / "ge_tilted_head_series").glob("*.dcm"))[:14]
    return np.stack([dcmread(path).pixel_array[100:420:8, 150:406:8] for path in paths]).clip(-1024, 3071)


@pytest.fixture
def places():
    return places_of(SHAPE)


def reasons(scan):
    return {check.reason for check in scan.checks}


def read_all(*paths, **options):
    found = list(read_scans(paths, ReadOptions(**options)))
    return [f for f in found if isinstance(f, Scan)], [f for f in found if isinstance(f, Refusal)]


# Order and display


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    transpose=st.booleans(),
    flip_rows=st.booleans(),
    flip_columns=st.booleans(),
    tilt=st.floats(-30, 30),
    spacing=st.tuples(st.floats(0.3, 0.6), st.floats(0.3, 0.6)),
)
def test_a_volume_stored_any_way_reads_back_the_same(head, seed, transpose, flip_rows, flip_columns, tilt, spacing):
    places = places_of(SHAPE, tilt_degrees=tilt, spacing=spacing)
    stored = turn(head, transpose=transpose, flip_rows=flip_rows, flip_columns=flip_columns)
    stored_places = turn(places, transpose=transpose, flip_rows=flip_rows, flip_columns=flip_columns)
    names = [str(number) for number in range(len(head))]
    random.Random(seed).shuffle(names)
    with tempfile.TemporaryDirectory() as folder:
        write_series(Path(folder), stored, stored_places, names, InstanceNumber=None)
        scan = read_scan(folder)
    np.testing.assert_array_equal(scan.hu, head)
    assert scan.pixel_spacing_mm == pytest.approx(spacing, abs=1e-5)
    assert scan.acquisition.spacing_mm == pytest.approx(5, abs=1e-3)
    assert scan.acquisition.gantry_tilt_degrees == pytest.approx(abs(tilt), abs=0.01)
    positions = [one.position_mm for one in scan.slices]
    assert positions == sorted(positions)
    assert (Reason.GANTRY_TILT in reasons(scan)) == (round(abs(tilt), 2) >= 1)


def test_slices_stored_in_different_ways_are_one_scan(tmp_path, head, places):
    for k in range(len(head)):
        way = {"transpose": k % 2 == 1, "flip_rows": k % 3 == 1, "flip_columns": k % 5 == 1}
        write_series(tmp_path, turn(head[k : k + 1], **way), turn(places[k : k + 1], **way), [str(k)])
    np.testing.assert_array_equal(read_scan(tmp_path).hu, head)


def test_ge_series_in_any_file_order(examples, tmp_path):
    files = sorted((examples / "ge_tilted_head_series").glob("*.dcm"))
    names = [f"{number:02}" for number in range(len(files))]
    random.Random(1).shuffle(names)
    for file, name in zip(files, names, strict=True):
        shutil.copy(file, tmp_path / name)
    scan = read_scan(tmp_path)
    assert [one.sha256 for one in scan.slices] == [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert [Path(one.source).name for one in scan.slices] == names
    stored = np.stack([dcmread(file).pixel_array for file in files])
    np.testing.assert_array_equal(scan.hu, np.where(stored == -1500, -1024, stored.clip(-1024, 3071)))
    gaps = np.diff([one.position_mm for one in scan.slices])
    np.testing.assert_allclose(gaps, [4.0] * 13 + [1.08] + [7.0] * 13, atol=0.005)
    assert scan.acquisition.gantry_tilt_degrees == pytest.approx(18.5, abs=0.01)
    assert scan.acquisition.scanner == "GE MEDICAL SYSTEMS HiSpeed Dual"
    assert (scan.acquisition.kernel, scan.acquisition.kvp) == ("STD+", 120)
    assert reasons(scan) == {Reason.GANTRY_TILT}


def test_cq500_angiography_goes_by_position(shared_data):
    folder = shared_data / "head_ct_hu" / "cq500_ct0_cta_partial"
    rows = list(csv.DictReader((folder / "slices.csv").open()))
    scan = read_scan(folder)
    assert [Path(one.source).name for one in scan.slices] == [row["file"] for row in rows]
    assert [one.readable for one in scan.slices] == [True] * 51
    along_z = np.diff([one.position_mm for one in scan.slices]) / np.cos(np.radians(8.5))
    np.testing.assert_allclose(along_z, [float(row["gap_to_previous_mm"]) for row in rows[1:]], atol=0.005)
    assert scan.acquisition.gantry_tilt_degrees == pytest.approx(8.5, abs=0.01)
    assert Reason.CONTRAST_SUSPECTED in reasons(scan)  # "4cc sec 150cc"


@pytest.mark.parametrize("series", ["44cfc8e964", "6254afb327", "72952d87fa"])
def test_rsna_series_show_what_the_pictures_show(shared_data, tmp_path, series):
    with tarfile.open(shared_data / "rsna_dicom" / "series" / f"ID_{series}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    scan = read_scan(tmp_path)
    rows = [
        row for row in csv.DictReader((shared_data / "rsna_hu_pictures/slices.csv").open()) if row["series"] == series
    ]
    order = {one.sop_instance_uid: index for index, one in enumerate(scan.slices)}
    assert len(order) == len(rows) == len(scan.slices)
    hu = scan.hu[[order[f"ID_{row['id']}"] for row in rows]]
    z = [float(row["position_mm"]) for row in rows]
    tilt = np.radians(scan.acquisition.gantry_tilt_degrees)
    positions = [scan.slices[order[f"ID_{row['id']}"]].position_mm for row in rows]
    np.testing.assert_allclose(np.diff(positions), np.diff(z) * np.cos(tilt), atol=0.02)
    # Eight positions of the child with the drain were scanned twice: all 36 images are there.
    assert (Reason.REPEATED_POSITIONS in reasons(scan)) == (series == "72952d87fa")
    for one, row in zip(hu, rows, strict=True):
        picture = cv2.imread(str(shared_data / "rsna_hu_pictures" / row["file"]), cv2.IMREAD_UNCHANGED)
        halved = one.astype(float).reshape(256, 2, 256, 2).mean(axis=(1, 3))
        difference = np.abs(halved.clip(-50, 205) + 50 - picture)
        assert difference.max() <= 1, row["file"]  # rounding
    assert scan.pixel_spacing_mm[0] == pytest.approx(float(rows[0]["pixel_spacing_mm"]))


def test_enhanced_frames_go_by_position(tmp_path, head, places):
    order = random.Random(3).sample(range(len(head)), len(head))
    write_enhanced(tmp_path / "all.dcm", head[order], places[order])
    scan = read_scan(tmp_path / "all.dcm")
    np.testing.assert_array_equal(scan.hu, head)
    assert [one.frame for one in scan.slices] == [order.index(k) for k in range(len(head))]
    assert scan.acquisition.slice_thickness_mm == 5


@pytest.mark.parametrize(("rows", "columns"), [(39, 32), (40, 31), (17, 32)])
def test_any_matrix(tmp_path, head, places, rows, columns):
    write_series(tmp_path, head[:, :rows, :columns], places[:, :rows, :columns])
    np.testing.assert_array_equal(read_scan(tmp_path).hu, head[:, :rows, :columns])


# Duplicates and overlaps


def test_copies_are_dropped(tmp_path, head, places):
    write_series(tmp_path / "a", head, places)
    write_series(tmp_path / "b", head, places)
    write_slice(tmp_path / "c.dcm", head[3], places[3], SOPInstanceUID="1.2.77")  # sent again with a new UID
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.hu, head)
    assert reasons(scan) == {Reason.DUPLICATE_SLICE}
    assert "15 slices" in scan.checks[0].detail


def test_a_lossless_copy_is_preferred(tmp_path, head, places):
    write_series(tmp_path / "a", head + 1, places, LossyImageCompression="01")
    write_series(tmp_path / "b", head, places)
    np.testing.assert_array_equal(read_scan(tmp_path).hu, head)


def test_one_uid_for_all_slices_loses_none(tmp_path, head, places):
    write_series(tmp_path, head, places, SOPInstanceUID="1.2.3")
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.hu, head)
    assert scan.checks == ()


def test_two_acquisitions_at_the_same_positions(tmp_path, head, places):
    later = head[:, ::-1].copy()
    write_series(tmp_path / "a", later, places, SOPInstanceUID=None, AcquisitionNumber="2")
    write_series(tmp_path / "b", head, places, SOPInstanceUID=None, AcquisitionNumber="1")
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.hu, head)
    assert reasons(scan) == {Reason.OVERLAPPING_ACQUISITIONS}
    assert scan.checks[0].reason.severity is Severity.SOFT


def test_a_part_that_was_scanned_twice_is_kept_twice(tmp_path, head, places):
    write_series(tmp_path / "a", head, places, SOPInstanceUID=None)
    write_series(tmp_path / "b", head[:3] + 1, places[:3], SOPInstanceUID=None)
    scan = read_scan(tmp_path)
    both = [head[0], head[0] + 1, head[1], head[1] + 1, head[2], head[2] + 1, *head[3:]]
    np.testing.assert_array_equal(scan.hu, np.stack(both).clip(-1024, 3071))
    assert reasons(scan) == {Reason.REPEATED_POSITIONS}
    assert scan.acquisition.spacing_mm == pytest.approx(5)
    assert scan.acquisition.gantry_tilt_degrees == pytest.approx(0, abs=0.01)


def test_a_dynamic_series_is_not_taken_for_one_scan(tmp_path, head, places):
    for time in range(4):
        write_series(tmp_path / str(time), head + time, places, SOPInstanceUID=None, InstanceNumber=str(time))
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.hu, head)
    assert reasons(scan) == {Reason.OVERLAPPING_ACQUISITIONS}
    assert "42 other images" in scan.checks[0].detail


def test_a_larger_acquisition_wins_and_the_rest_is_told(tmp_path, head, places):
    write_series(tmp_path / "a", head[:4], places[:4], SOPInstanceUID=None, AcquisitionNumber="1")
    write_series(tmp_path / "b", head[1:] + 1, places[1:], SOPInstanceUID=None, AcquisitionNumber="2")
    scans, refusals = read_all(tmp_path)
    np.testing.assert_array_equal(scans[0].hu, head[1:] + 1)
    assert Reason.OVERLAPPING_ACQUISITIONS in reasons(scans[0])
    assert len(refusals) == 1
    assert "another acquisition" in refusals[0].detail


# What is set aside


def test_other_planes_of_a_series_are_set_aside(tmp_path, head, places):
    write_series(tmp_path / "axial", head, places)
    coronal = places[:, :, :, [0, 2, 1]][:3] * [1, -1, 1]
    write_series(tmp_path / "coronal", head[:3], coronal, SOPInstanceUID=None)
    scans, refusals = read_all(tmp_path)
    np.testing.assert_array_equal(scans[0].hu, head)
    assert reasons(scans[0]) == {Reason.SET_ASIDE}
    assert [refusal.reason for refusal in refusals] == [Reason.SET_ASIDE] * 3
    assert "90 degrees" in refusals[0].detail


@pytest.mark.parametrize(
    ("change", "rows", "tilt"), [("size", 30, 0), ("tilt", 40, 15)], ids=["matrix size", "second tilt block"]
)
def test_axial_slices_of_another_geometry_make_the_answer_doubtful(tmp_path, head, change, rows, tilt):
    write_series(tmp_path / "a", head, places_of(SHAPE))
    other = places_of((3, rows, 32), tilt_degrees=tilt, origin=(-60, -90, 100))
    write_series(tmp_path / "b", head[:3, :rows], other, SOPInstanceUID=None)
    scans, refusals = read_all(tmp_path)
    np.testing.assert_array_equal(scans[0].hu, head)
    assert {Reason.MIXED_GEOMETRY, Reason.SET_ASIDE} <= reasons(scans[0])
    assert len(refusals) == 3


@pytest.mark.parametrize("axes", [[0, 2, 1], [2, 0, 1]], ids=["coronal", "sagittal"])
def test_a_series_that_is_not_axial_is_refused(tmp_path, head, places, axes):
    write_series(tmp_path, head, places[..., axes])
    with pytest.raises(HemoscopeError, match="90 degrees from the axial plane") as error:
        read_scan(tmp_path)
    assert error.value.reason is Reason.NOT_AXIAL


def test_localizer_and_dose_sheet_beside_a_series(tmp_path, head, places):
    write_series(tmp_path, head, places)
    scout = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    write_slice(tmp_path / "s.dcm", head[0], None, SeriesInstanceUID="1.7", ImageType=scout)
    write_slice(tmp_path / "r.dcm", head[0], None, SeriesInstanceUID="1.8", Modality="SR")
    scans, refusals = read_all(tmp_path)
    assert len(scans) == 1
    assert scans[0].checks == ()
    assert [refusal.reason for refusal in refusals] == [Reason.SET_ASIDE, Reason.SET_ASIDE]
    assert any("LOCALIZER" in refusal.detail for refusal in refusals)


def test_localizer_alone_is_refused(shared_data):
    with pytest.raises(HemoscopeError) as error:
        read_scan(shared_data / "dicom_not_head_ct/ct_localizer/philips_head_surview.dcm")
    assert error.value.reason is Reason.LOCALIZER


# Missing positions, missing identifiers


def test_without_positions_the_file_names_count(tmp_path, head):
    write_series(tmp_path, head, None, [f"slice{number}" for number in range(len(head))])
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.hu, head)  # slice10 comes after slice9
    assert reasons(scan) == {Reason.NO_POSITIONS}
    assert scan.slices[0].position_mm is None
    assert scan.acquisition.spacing_mm is None


def test_slices_without_position_among_others_are_set_aside(tmp_path, head, places):
    write_series(tmp_path, head, places)
    write_slice(tmp_path / "x.dcm", head[0], None)
    scans, refusals = read_all(tmp_path)
    np.testing.assert_array_equal(scans[0].hu, head)
    assert Reason.NO_POSITIONS in reasons(scans[0])
    assert len(refusals) == 1


@pytest.mark.parametrize("orientation", [[0] * 6, [1, 0, 0, 1, 0, 0], [1, 0, 0]])
def test_an_impossible_orientation_is_no_position(tmp_path, head, places, orientation):
    write_series(tmp_path, head, places, ImageOrientationPatient=orientation)
    assert reasons(read_scan(tmp_path)) == {Reason.NO_POSITIONS}


def test_without_series_uid_the_folder_counts(tmp_path, head, places):
    write_series(tmp_path / "one", head, places, SeriesInstanceUID=None, StudyInstanceUID=None)
    write_series(tmp_path / "two", head + 1, places, SeriesInstanceUID=None, StudyInstanceUID=None)
    scans, _ = read_all(tmp_path)
    assert [scan.name for scan in scans] == ["one", "two"]
    np.testing.assert_array_equal(scans[1].hu, head + 1)


def test_patients_with_the_same_uids_are_kept_apart(tmp_path, head, places):
    write_series(tmp_path / "a", head, places, PatientID="A")
    write_series(tmp_path / "b", head + 1, places, PatientID="B")
    scans, _ = read_all(tmp_path)
    np.testing.assert_array_equal(scans[0].hu, head)
    np.testing.assert_array_equal(scans[1].hu, head + 1)
    assert scans[1].name == scans[0].name + "-2"


# What cannot be read


def test_an_unreadable_slice_is_air_and_told(tmp_path, head, places):
    paths = write_series(tmp_path, head, places)
    content = paths[5].read_bytes()
    paths[5].write_bytes(content[:-100])
    scan = read_scan(tmp_path)
    assert [index for index, one in enumerate(scan.slices) if not one.readable] == [5]
    assert (scan.hu[5] == -1024).all()
    np.testing.assert_array_equal(np.delete(scan.hu, 5, 0), np.delete(head, 5, 0))
    check = next(check for check in scan.checks if check.reason is Reason.SLICE_UNREADABLE)
    assert check.slices == (5,)
    assert check.reason.severity is Severity.INCOMPLETE
    assert scan.slices[5].sha256 == hashlib.sha256(content[:-100]).hexdigest()


def test_a_series_without_any_readable_slice_is_refused(tmp_path, head, places):
    for path in write_series(tmp_path, head, places):
        path.write_bytes(path.read_bytes()[:-100])
    scans, refusals = read_all(tmp_path)
    assert scans == []
    assert [refusal.reason.severity for refusal in refusals] == [Severity.HARD]


@pytest.mark.parametrize("content", [b"", b"no DICOM at all, but it is named like one"])
def test_a_damaged_file_beside_slices_may_be_a_slice(tmp_path, head, places, content):
    write_series(tmp_path, head, places)
    (tmp_path / "5.dcm").write_bytes(content)
    scans, refusals = read_all(tmp_path)
    assert Reason.SLICE_UNREADABLE in reasons(scans[0])
    assert [refusal.reason for refusal in refusals] == [Reason.NOT_READABLE]


def test_a_text_file_beside_slices_is_none(tmp_path, head, places):
    write_series(tmp_path, head, places)
    (tmp_path / "README.txt").write_text("about these slices")
    scans, refusals = read_all(tmp_path)
    assert scans[0].checks == ()
    assert [refusal.reason for refusal in refusals] == [Reason.SET_ASIDE]


def test_too_large(tmp_path, head, places, monkeypatch):
    monkeypatch.setattr("hemoscope.ct.load.MAX_VOXELS", head.size - 1)
    write_series(tmp_path, head, places)
    with pytest.raises(HemoscopeError, match="14 slices of 40 x 32") as error:
        read_scan(tmp_path)
    assert error.value.reason is Reason.TOO_LARGE


# What is told of patient and scanner


def test_identifiers_stay_out_of_the_acquisition(tmp_path, head, places):
    names = {"PatientName": "Doe^Jane", "PatientID": "4711", "AccessionNumber": "A99", "PatientAge": "052Y"}
    write_series(tmp_path, head, places, SeriesDescription="HEAD for Doe", **names)
    scan = read_scan(tmp_path)
    assert scan.identifiers.patient_name == "Doe^Jane"
    assert scan.identifiers.series_instance_uid == "1.2.3.4.5"
    assert scan.acquisition.series_description == ""
    assert scan.acquisition.age_years == 52
    assert scan.name == "scan-" + hashlib.sha256(b"1.2.3.4.5").hexdigest()[:12]
    assert "Doe" not in repr((scan.acquisition, scan.checks, scan.name))


@pytest.mark.parametrize(
    ("age", "years"), [("052Y", 52), ("006M", 0.5), ("010D", 0.027), ("003W", 0.057), ("", None), ("52 years", None)]
)
def test_age(tmp_path, head, places, age, years):
    write_series(tmp_path, head[:2], places[:2], PatientAge=age)
    assert read_scan(tmp_path).acquisition.age_years == years


def test_malformed_attributes_are_as_good_as_absent(tmp_path, head, places):
    paths = write_series(tmp_path, head, places, KVP="120")
    for path in paths:
        path.write_bytes(path.read_bytes().replace(b"DS\x04\x00120 ", b"DS\x04\x00x$y!"))
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.hu, head)
    assert scan.acquisition.kvp is None


@pytest.mark.parametrize("seed", range(150))
def test_changed_bytes_give_scans_or_sentences(head, seed):
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_series(Path(folder), head[:3, :16, :16], places_of(SHAPE)[:3, :16, :16], PatientName="A^B")
        content = bytearray(paths[1].read_bytes())
        for _ in range(chance.randint(1, 6)):
            content[chance.randint(132, len(content) - 513)] = chance.randint(0, 255)
        paths[1].write_bytes(content)
        found = list(read_scans([Path(folder)]))
        assert any(
            isinstance(one, Scan) and {"0.dcm", "2.dcm"} & {Path(s.source).name for s in one.slices} for one in found
        )
        told = " ".join(one.name + one.detail for one in found if isinstance(one, Refusal))
        used = {Path(one.source).name for scan in found if isinstance(scan, Scan) for one in scan.slices}
        assert "1.dcm" in used or "1.dcm" in told  # nothing is lost
