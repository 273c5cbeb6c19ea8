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
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from scan_writers import places_of, turn, write_enhanced, write_series, write_slice

from hemoscope.ct.inputs import Refusal
from hemoscope.ct.options import ReadOptions
from hemoscope.ct.read import read_scan, read_scans
from hemoscope.ct.scan import Scan
from hemoscope.reasons import Reason, Severity

SHAPE = (14, 40, 32)


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
    assume(abs(abs(tilt) - 1) > 0.01)  # at the threshold itself, rounding in the header decides
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
