"""NIfTI volumes to scans: every way of storing one volume, units, hostile headers."""

from __future__ import annotations

import gzip
import itertools
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_writers import affine_of, places_of, write_nifti

from hemoscope.ct.inputs import InputFile
from hemoscope.ct.nifti import read_nifti
from hemoscope.ct.read import read_scan, read_scans
from hemoscope.ct.scan import Scan
from hemoscope.ct.windows import Window
from hemoscope.reasons import HemoscopeError, Reason

SHAPE = (14, 40, 32)


def reasons(scan):
    return {check.reason for check in scan.checks}


def refusal(path, **settings):
    with pytest.raises(HemoscopeError) as error:
        read_scan(path, **settings)
    return error.value


@settings(max_examples=60, deadline=None)
@given(
    order=st.permutations([0, 1, 2]),
    flips=st.tuples(*[st.booleans()] * 3),
    tilt=st.floats(-30, 30),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
)
def test_a_volume_stored_any_way_gives_the_same_scan(head, order, flips, tilt, suffix):
    places = places_of(SHAPE, tilt_degrees=tilt)
    turned = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    stored, stored_places = head.transpose(order)[turned], places.transpose([*order, 3])[turned]
    with tempfile.TemporaryDirectory() as folder:
        scan = read_scan(write_nifti(Path(folder) / f"head{suffix}", stored, stored_places))
    np.testing.assert_array_equal(scan.hu, head)
    assert scan.name == "head"
    assert scan.pixel_spacing_mm == pytest.approx((0.5, 0.5), abs=1e-4)
    assert scan.acquisition.spacing_mm == pytest.approx(5, abs=1e-3)
    assert scan.acquisition.gantry_tilt_degrees == pytest.approx(abs(tilt), abs=0.01)
    frames = [one.frame for one in scan.slices]
    assert frames == (sorted(frames, reverse=True) if flips[order.index(0)] else sorted(frames))


def test_the_tilted_ge_series_is_the_same_from_dicom_and_from_nifti(examples, tmp_path):
    dicom = read_scan(examples / "ge_tilted_head_series")
    block = slice(0, 14)  # of one spacing
    places = places_of((14, 512, 512), spacing=(0.4882812, 0.4882812), step=4.0, tilt_degrees=18.5)
    order, turned = (2, 1, 0), (slice(None, None, -1), slice(None, None, -1))  # to right, anterior, superior
    stored = dicom.hu[block].transpose(order)[turned]
    scan = read_scan(write_nifti(tmp_path / "ge.nii.gz", stored, places.transpose([*order, 3])[turned]))
    np.testing.assert_array_equal(scan.hu, dicom.hu[block])
    assert scan.acquisition.gantry_tilt_degrees == pytest.approx(dicom.acquisition.gantry_tilt_degrees, abs=0.01)
    dicom_positions = np.array([one.position_mm for one in dicom.slices[block]])
    positions = np.array([one.position_mm for one in scan.slices])
    np.testing.assert_allclose(positions - positions[0], dicom_positions - dicom_positions[0], atol=0.03)


@pytest.mark.parametrize(("patient", "count"), [("052", 22), ("077", 18), ("101", 21)])
def test_examples_are_told_to_be_restored_from_a_window(examples, patient, count):
    scan = read_scan(examples / "physionet_ct_ich" / f"patient_{patient}.nii.gz")
    assert scan.hu.shape == (count, 384, 384)
    assert scan.window == Window(40, 120)
    assert reasons(scan) == {Reason.APPROXIMATE_HU}
    assert scan.pixel_spacing_mm == (0.6, 0.6)
    assert [one.position_mm for one in scan.slices] == pytest.approx([5.0 * k for k in range(count)])


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.float32, np.float64, ">i2", ">f4"])
def test_number_formats(tmp_path, head, kind):
    scan = read_scan(write_nifti(tmp_path / "a.nii", head.astype(kind), places_of(SHAPE)))
    np.testing.assert_array_equal(scan.hu, head)


def test_slope_and_intercept_are_applied(tmp_path, head):
    path = write_nifti(tmp_path / "a.nii", (head + 1024).astype(np.uint16), places_of(SHAPE))
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([1, -1024], "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(content)
    np.testing.assert_array_equal(read_scan(path).hu, head)


def test_what_is_no_number_is_air(tmp_path, head):
    values = head.astype(np.float32)
    values[0, 0] = np.nan
    values[1, 0] = -np.inf
    scan = read_scan(write_nifti(tmp_path / "a.nii", values, places_of(SHAPE)))
    assert (scan.hu[:2, 0] == -1024).all()
    np.testing.assert_array_equal(scan.hu[2:], head[2:])


@pytest.mark.parametrize(("unit", "scale"), [(1, 0.001), (3, 1000), (2, 1), (0, 1)])
def test_units_of_length(tmp_path, head, unit, scale):
    path = write_nifti(tmp_path / "a.nii", head, places_of(SHAPE) * scale, xyzt_units=unit)
    scan = read_scan(path)
    assert scan.pixel_spacing_mm == pytest.approx((0.5, 0.5), rel=1e-3)
    assert scan.acquisition.spacing_mm == pytest.approx(5, rel=1e-3)


def test_a_trailing_axis_of_one_is_no_time_axis(tmp_path, head):
    image = nib.Nifti1Image(head[..., None], affine_of(places_of(SHAPE)))
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_array_equal(read_scan(tmp_path / "a.nii").hu, head)


def test_one_slice(tmp_path, head):
    places = places_of((1, 40, 32)).transpose(2, 1, 0, 3)
    image = nib.Nifti1Image(head[0].T, np.diag([-0.5, -0.5, 5, 1]))
    nib.save(image, tmp_path / "a.nii")
    assert places.shape[2] == 1
    np.testing.assert_array_equal(read_scan(tmp_path / "a.nii").hu, head[:1])


# Values that are not Hounsfield units


def test_grey_levels_need_a_window(tmp_path, head):
    grey = np.clip((head.astype(float) + 20) * 255 / 120, 0, 255).astype(np.uint8)
    path = write_nifti(tmp_path / "a.nii.gz", grey, places_of(SHAPE))
    error = refusal(path)
    assert error.reason is Reason.NO_HOUNSFIELD_UNITS
    assert "--window" in error.sentence
    scan = read_scan(path, window=Window(40, 120))
    assert scan.window == Window(40, 120)
    assert np.abs(scan.hu - head.clip(-20, 100)).max() <= 1
    assert reasons(scan) == {Reason.APPROXIMATE_HU}


@pytest.mark.parametrize(
    "change",
    [lambda hu: hu + 1024, lambda hu: (hu + 1024) / 4095.0, lambda hu: np.zeros_like(hu)],
    ids=["without its intercept", "scaled to 0...1", "empty"],
)
def test_other_units_are_refused(tmp_path, head, change):
    error = refusal(write_nifti(tmp_path / "a.nii", change(head), places_of(SHAPE)), window=Window(40, 120))
    assert error.reason is Reason.NO_HOUNSFIELD_UNITS


def test_a_window_does_not_touch_hounsfield_units(tmp_path, head):
    scan = read_scan(write_nifti(tmp_path / "a.nii", head, places_of(SHAPE)), window=Window(40, 80))
    np.testing.assert_array_equal(scan.hu, head)
    assert scan.window is None


# Orientation in doubt


def test_without_orientation_codes_the_sides_are_unknown(tmp_path, head):
    stored, places = head.transpose(2, 1, 0), places_of(SHAPE).transpose(2, 1, 0, 3)
    path = write_nifti(tmp_path / "a.nii", stored, places)
    content = bytearray(path.read_bytes())
    content[252:256] = bytes(4)  # qform_code, sform_code
    path.write_bytes(content)
    assert Reason.ORIENTATION_UNKNOWN in reasons(read_scan(path))


def test_two_orientations_are_told(tmp_path, head):
    image = nib.Nifti1Image(head.transpose(2, 1, 0), None)
    image.set_sform(np.diag([-0.5, -0.5, 5, 1]), 1)
    image.set_qform(np.diag([0.5, -0.5, 5, 1]), 1)
    nib.save(image, tmp_path / "a.nii")
    scan = read_scan(tmp_path / "a.nii")
    assert reasons(scan) == {Reason.ORIENTATION_UNKNOWN}
    np.testing.assert_array_equal(scan.hu, head)  # by the sform


def test_a_volume_cut_in_another_plane_is_refused(tmp_path, head):
    sagittal = places_of(SHAPE)[..., [2, 1, 0]]  # thick steps from left to right
    error = refusal(write_nifti(tmp_path / "a.nii", head, sagittal))
    assert error.reason is Reason.NOT_AXIAL


# Damaged and hostile files


def test_time_series_are_refused(tmp_path, head):
    nib.save(nib.Nifti1Image(np.stack([head, head], -1), np.diag([0.5, 0.5, 5, 1])), tmp_path / "a.nii")
    assert "2 volumes" in refusal(tmp_path / "a.nii").sentence


def test_colour_is_refused(tmp_path):
    rgb = np.zeros((20, 20, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(rgb, np.eye(4)), tmp_path / "a.nii")
    assert refusal(tmp_path / "a.nii").reason is Reason.NO_HOUNSFIELD_UNITS


def header_of(shape, vox_offset=352.0, magic=b"n+1\0"):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((1, 1, 1))
    header["dim"][1:4] = shape
    header["vox_offset"], header["magic"], header["sform_code"] = vox_offset, magic, 1
    header["srow_x"], header["srow_y"], header["srow_z"] = [0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 5, 0]
    return header.binaryblock + bytes(4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (header_of((32767, 32767, 500)), Reason.TOO_LARGE),
        (header_of((512, 512, 2000)), Reason.TOO_LARGE),
        (header_of((512, 512, 30)), Reason.NOT_READABLE),  # no data behind it
        (header_of((512, 512, 30), vox_offset=3e9), Reason.NOT_READABLE),
        (header_of((512, 512, 30), vox_offset=float("nan")), Reason.NOT_READABLE),
        (header_of((512, 512, -30)), Reason.NOT_READABLE),
        (header_of((512, 512, 30), magic=b"ni1\0"), Reason.NOT_READABLE),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_headers_that_lie(tmp_path, content, reason, zipped):
    path = tmp_path / ("a.nii.gz" if zipped else "a.nii")
    path.write_bytes(gzip.compress(content) if zipped else content)
    error = refusal(path)
    assert error.reason is reason
    assert "a.nii" in error.sentence


def test_what_follows_the_volume_is_not_unpacked(tmp_path, head):
    path = write_nifti(tmp_path / "a.nii", head, places_of(SHAPE))
    bomb = tmp_path / "b.nii.gz"
    with gzip.open(bomb, "wb") as stream:
        stream.write(path.read_bytes())
        for _ in itertools.repeat(None, 64):
            stream.write(bytes(1 << 20))
    np.testing.assert_array_equal(read_scan(bomb).hu, head)


@pytest.mark.parametrize("length", [0, 3, 4, 100, 347])
def test_a_file_shorter_than_a_header_is_refused(tmp_path, examples, length):
    volume = gzip.decompress((examples / "physionet_ct_ich" / "patient_052.nii.gz").read_bytes())
    path = tmp_path / "head.nii"
    path.write_bytes(volume[:length])
    with pytest.raises(HemoscopeError) as error:
        read_nifti(InputFile(path, path.name, length), None)
    assert error.value.reason is Reason.NOT_READABLE


@pytest.mark.parametrize("cut", [1, 10, 200, 400, 3000])
def test_cut_files_are_refused(tmp_path, head, cut):
    path = write_nifti(tmp_path / "a.nii.gz", head, places_of(SHAPE))
    path.write_bytes(path.read_bytes()[:cut])
    found = list(read_scans([path]))
    assert len(found) == 1
    assert not isinstance(found[0], Scan)
    assert found[0].reason is Reason.NOT_READABLE


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 351), value=st.integers(0, 255))
def test_a_changed_header_byte_gives_a_scan_or_a_sentence(head, at, value):
    with tempfile.TemporaryDirectory() as folder:
        path = write_nifti(Path(folder) / "a.nii", head, places_of(SHAPE))
        content = bytearray(path.read_bytes())
        content[at] = value
        path.write_bytes(content)
        assert len(list(read_scans([path]))) == 1
