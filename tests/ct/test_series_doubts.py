"""What of a series is set aside, missing or unreadable, and how it is told."""

from __future__ import annotations

import hashlib
import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from scan_writers import places_of, write_series, write_slice

from hemoscope.ct.describe import age_years
from hemoscope.ct.inputs import Refusal
from hemoscope.ct.options import ReadOptions
from hemoscope.ct.read import read_scan, read_scans
from hemoscope.ct.scan import Scan
from hemoscope.reasons import HemoscopeError, Reason, Severity

SHAPE = (14, 40, 32)


def reasons(scan):
    return {check.reason for check in scan.checks}


def read_all(*paths, **options):
    found = list(read_scans(paths, ReadOptions(**options)))
    return [f for f in found if isinstance(f, Scan)], [f for f in found if isinstance(f, Refusal)]


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
    assert [scan.name for scan in scans] == ["scan", "scan-2"]
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
    ("age", "years"), [("052Y", 52), ("006M", 0.5), ("010D", 0.027), ("003W", 0.057), ("", None), ("52", None)]
)
def test_age(age, years):
    assert age_years(age) == years


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
