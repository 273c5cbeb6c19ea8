"""Slices in the patient: display order, positions, tilt."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from scan_writers import geometry_of, places_of, turn

from hemoscope.ct.geometry import (
    Plane,
    gantry_tilt_degrees,
    positions_along_normal,
    same_geometry,
    slice_spacing_mm,
    vector,
)

AXIAL = ((1, 0, 0), (0, 1, 0))


def plane_of(places, shape=None):
    """The plane of a slice from the places of its voxels."""
    geometry = geometry_of(places)
    orientation = geometry["ImageOrientationPatient"]
    return Plane(
        vector(geometry["ImagePositionPatient"]),
        vector(orientation[:3]),
        vector(orientation[3:]),
        shape or places.shape[:2],
        tuple(geometry["PixelSpacing"]),
    )


def read_planes(paths):
    planes = []
    for path in paths:
        header = dcmread(path, stop_before_pixels=True)
        orientation = header.ImageOrientationPatient
        planes.append(
            Plane(
                vector(header.ImagePositionPatient),
                vector(orientation[:3]),
                vector(orientation[3:]),
                (header.Rows, header.Columns),
                tuple(map(float, header.PixelSpacing)),
            )
        )
    return planes


@given(
    transpose=st.booleans(),
    flip_rows=st.booleans(),
    flip_columns=st.booleans(),
    tilt=st.floats(-40, 40),
    roll=st.floats(-40, 40),
)
def test_any_stored_order_is_turned_to_display_order(transpose, flip_rows, flip_columns, tilt, roll):
    roll = np.radians(roll)  # of the head in the slice
    rotation = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    shown = places_of((1, 5, 7), spacing=(0.4, 0.6), tilt_degrees=tilt) @ rotation.T
    stored = turn(shown, transpose=transpose, flip_rows=flip_rows, flip_columns=flip_columns)[0]
    plane = plane_of(stored)
    places = np.stack([plane.display_change.apply(stored[..., axis]) for axis in range(3)], axis=-1)
    np.testing.assert_allclose(places, shown[0], atol=1e-9)
    assert plane.displayed.shape == (5, 7)
    assert plane.displayed.spacing_mm == pytest.approx((0.4, 0.6), abs=1e-5)
    np.testing.assert_allclose(plane.displayed.position, shown[0, 0, 0], atol=1e-4)
    np.testing.assert_allclose(plane.centre, shown[0, 2, 3], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "along_row", "along_column", "expected"),
    [
        ("supine", (1, 0, 0), (0, 1, 0), (False, False, False)),
        ("stored as for a prone patient", (-1, 0, 0), (0, -1, 0), (False, True, True)),
        ("seen from the head", (-1, 0, 0), (0, 1, 0), (False, False, True)),
        ("lying on the left side", (0, 1, 0), (-1, 0, 0), (True, False, True)),
        ("lying on the right side", (0, -1, 0), (1, 0, 0), (True, True, False)),
    ],
)
def test_display_change(name, along_row, along_column, expected):
    change = Plane((0, 0, 0), along_row, along_column, (4, 4)).display_change
    assert (change.transpose, change.flip_rows, change.flip_columns) == expected, name


@pytest.mark.parametrize(
    ("along_row", "along_column", "degrees"),
    [
        ((1, 0, 0), (0, 1, 0), 0),
        ((1, 0, 0), (0, 0, -1), 90),  # coronal
        ((0, 1, 0), (0, 0, -1), 90),  # sagittal
        ((1, 0, 0), (0, np.cos(np.radians(44)), np.sin(np.radians(44))), 44),
        ((1, 0, 0), (0, np.cos(np.radians(46)), np.sin(np.radians(46))), 46),
        ((-1, 0, 0), (0, 1, 0), 0),  # a normal that points to the feet is turned
    ],
)
def test_obliquity(along_row, along_column, degrees):
    plane = Plane((0, 0, 0), along_row, along_column, (4, 4))
    assert plane.obliquity_degrees == pytest.approx(degrees, abs=1e-5)
    assert plane.is_axial == (degrees <= 45)


@pytest.mark.parametrize(
    "numbers",
    [
        ((0, 0, 0), (0, 0, 0), (0, 1, 0)),
        ((0, 0, 0), (2, 0, 0), (0, 1, 0)),
        ((0, 0, 0), (1, 0, 0), (1, 0, 0)),
        ((0, 0, 0), (1, 0, 0), (0.1, 0.995, 0)),
        ((0, 0, float("nan")), (1, 0, 0), (0, 1, 0)),
        ((0, 0, float("inf")), (1, 0, 0), (0, 1, 0)),
    ],
)
def test_numbers_that_are_no_plane(numbers):
    with pytest.raises(ValueError, match=r"finite|perpendicular"):
        Plane(*numbers, (4, 4))


@given(tilt=st.floats(-30, 30), step=st.floats(0.5, 10))
def test_tilt_and_spacing_are_those_of_the_stack(tilt, step):
    planes = [plane_of(places) for places in places_of((4, 5, 6), tilt_degrees=tilt, step=step)]
    assert gantry_tilt_degrees(planes) == pytest.approx(abs(tilt), abs=0.01)
    assert slice_spacing_mm(positions_along_normal(planes)) == pytest.approx(step, abs=1e-3)


def test_an_oblique_stack_without_shear_is_not_tilted():
    planes = [plane_of(places) for places in places_of((4, 5, 6), tilt_degrees=20)]
    first = planes[0]
    straight = [
        Plane(vector(np.array(first.position) + k * 5 * first.normal), first.along_row, first.along_column, first.shape)
        for k in range(4)
    ]
    assert gantry_tilt_degrees(straight) == pytest.approx(0, abs=1e-5)


def test_one_slice_has_neither_tilt_nor_spacing():
    planes = [plane_of(places_of((1, 5, 6), tilt_degrees=20)[0])]
    assert gantry_tilt_degrees(planes) is None
    assert slice_spacing_mm(positions_along_normal(planes)) is None


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Plane((0, 0, 5), (-1, 0, 0), (0, 1, 0), (4, 6), (0.5, 0.5)), True),  # stored mirrored
        (Plane((0, 0, 5), (0, 1, 0), (1, 0, 0), (6, 4), (0.5, 0.5)), True),  # stored transposed
        (Plane((0, 0, 5), *AXIAL, (6, 4), (0.5, 0.5)), False),
        (Plane((0, 0, 5), *AXIAL, (4, 6), (0.5, 0.6)), False),
        (Plane((0, 0, 5), *AXIAL, (4, 6), None), False),
        (Plane((0, 0, 5), (1, 0, 0), (0, 0.99905, 0.04362), (4, 6), (0.5, 0.5)), False),  # 2.5 degrees
        (Plane((0, 0, 5), (1, 0, 0), (0, 0.99985, 0.01745), (4, 6), (0.5, 0.5)), True),  # 1 degree
    ],
)
def test_same_geometry(other, same):
    assert same_geometry(Plane((0, 0, 0), *AXIAL, (4, 6), (0.5, 0.5)), other) == same


def test_ge_series_is_tilted_and_changes_its_spacing(examples):
    planes = read_planes(sorted((examples / "ge_tilted_head_series").glob("*.dcm")))
    positions = positions_along_normal(planes)
    expected = [4.0] * 13 + [1.08] + [7.0] * 13  # the 4 mm and the 7 mm block overlap
    np.testing.assert_allclose(np.diff(positions), expected, atol=0.005)
    assert gantry_tilt_degrees(planes) == pytest.approx(18.5, abs=0.01)


def test_ge_series_has_the_published_positions(shared_data):
    folder = shared_data / "ge_tilted_head_series"
    rows = list(csv.DictReader((folder / "slices.csv").open()))
    positions = positions_along_normal(read_planes([folder / row["file"] for row in rows]))
    np.testing.assert_allclose(positions, [float(row["position_along_normal"]) for row in rows], atol=0.001)
    gaps = [float(row["gap_normal_mm"]) for row in rows[1:]]
    np.testing.assert_allclose(np.diff(positions), gaps, atol=0.002)
