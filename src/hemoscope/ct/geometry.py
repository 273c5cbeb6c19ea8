"""Where slices lie in the patient, and how they are turned to radiological display.

Directions and positions are in the patient's own axes (PS3.3 C.7.6.2.1.1): +x to the left, +y to the back, +z to the
head, in mm. They hold for the patient, not for the table: feet-first, prone and decubitus need no rule of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import mul

import numpy as np
from numpy.typing import NDArray

MAX_OBLIQUITY_DEGREES = 45.0  # further from the axial plane, a slice is coronal or sagittal rather than axial
SAME_ORIENTATION_DEGREES = 2.0  # header digits and table sag stay below, a second tilt block is above
SAME_SPACING = 0.01  # relative
SAME_POSITION_MM = 0.01
NOTEWORTHY_TILT_DEGREES = 1.0

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Plane:
    """The plane of one slice.

    position: of the centre of the first voxel, mm. along_row: unit vector in which the column index grows (first
    triplet of ImageOrientationPatient); along_column: in which the row index grows (second triplet).
    shape: (rows, columns). spacing_mm: (between rows, between columns) as in PixelSpacing, None where unknown.
    Raises ValueError where the numbers are no plane.
    """

    position: Vector
    along_row: Vector
    along_column: Vector
    shape: tuple[int, int]
    spacing_mm: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the numbers; header digits leave directions a little off."""
        for numbers in (self.position, self.along_row, self.along_column):
            if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
                raise ValueError("position and directions need three finite numbers each")
        off = max(abs(math.hypot(*direction) - 1) for direction in (self.along_row, self.along_column))
        if off >= 0.01 or abs(sum(map(mul, self.along_row, self.along_column))) > 0.01:
            raise ValueError("the directions of rows and columns are not perpendicular unit vectors")

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        """The unit normal that points from foot to head."""
        (x, y, z), (u, v, w) = self.along_row, self.along_column
        # np.cross takes several times as long
        normal: NDArray[np.float64] = np.array([y * w - z * v, z * u - x * w, x * v - y * u], np.float64)
        normal /= np.linalg.norm(normal)
        return normal if normal[2] >= 0 else -normal

    @cached_property
    def centre(self) -> NDArray[np.float64]:
        """The middle of the slice, mm: the same point however rows and columns are stored."""
        row_mm, column_mm = self.spacing_mm or (0.0, 0.0)
        rows, columns = self.shape
        down = np.array(self.along_column) * (row_mm * (rows - 1) / 2)
        across = np.array(self.along_row) * (column_mm * (columns - 1) / 2)
        return np.asarray(self.position + down + across, np.float64)

    @property
    def obliquity_degrees(self) -> float:
        """The angle between the slice and the axial plane, 0 to 90 degrees."""
        return float(np.degrees(np.arccos(np.clip(self.normal[2], -1, 1))))

    @property
    def is_axial(self) -> bool:
        """Whether the slice is nearer to axial than to coronal or sagittal."""
        return self.obliquity_degrees <= MAX_OBLIQUITY_DEGREES

    @property
    def display_change(self) -> DisplayChange:
        """How to turn the stored slice to radiological display."""
        right_left, front_back = self.along_row, self.along_column
        transpose = abs(right_left[0] * front_back[1]) < abs(right_left[1] * front_back[0])
        if transpose:
            right_left, front_back = front_back, right_left
        return DisplayChange(transpose, flip_rows=front_back[1] < 0, flip_columns=right_left[0] < 0)

    @cached_property
    def displayed(self) -> Plane:
        """The same plane with its rows and columns in display order."""
        change = self.display_change
        right_left, front_back = np.array(self.along_row), np.array(self.along_column)
        if change.transpose:
            right_left, front_back = front_back, right_left
        right_left = -right_left if change.flip_columns else right_left
        front_back = -front_back if change.flip_rows else front_back
        rows, columns = change.shape(self.shape)
        spacing = change.spacing(self.spacing_mm)
        row_mm, column_mm = spacing or (0.0, 0.0)
        corner = self.centre - front_back * (row_mm * (rows - 1) / 2) - right_left * (column_mm * (columns - 1) / 2)
        return Plane(vector(corner), vector(right_left), vector(front_back), (rows, columns), spacing)


@dataclass(frozen=True)
class DisplayChange:
    """Turns a stored slice so that row 0 is anterior and column 0 the patient's right."""

    transpose: bool
    flip_rows: bool  # after the transposition
    flip_columns: bool

    def apply(self, pixels: NDArray[np.int16]) -> NDArray[np.int16]:
        """A view of pixels [row, column] in display order."""
        turned = pixels.T if self.transpose else pixels
        return turned[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]

    def shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) after the change."""
        return (shape[1], shape[0]) if self.transpose else shape

    def spacing(self, spacing_mm: tuple[float, float] | None) -> tuple[float, float] | None:
        """(between rows, between columns) in mm after the change."""
        return (spacing_mm[1], spacing_mm[0]) if self.transpose and spacing_mm else spacing_mm


AS_STORED = DisplayChange(transpose=False, flip_rows=False, flip_columns=False)


def vector(values: Sequence[float] | NDArray[np.float64]) -> Vector:
    """Three numbers as a vector; raises ValueError when there are not three."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def same_geometry(one: Plane, other: Plane) -> bool:
    """Whether two slices have one orientation, size and pixel spacing once both are in display order."""
    if (one.along_row, one.along_column, one.shape, one.spacing_mm) == (
        other.along_row, other.along_column, other.shape, other.spacing_mm
    ):  # fmt: skip
        return True  # nearly always
    one, other = one.displayed, other.displayed
    if one.shape != other.shape or (one.spacing_mm is None) != (other.spacing_mm is None):
        return False
    if one.spacing_mm and other.spacing_mm and not np.allclose(one.spacing_mm, other.spacing_mm, rtol=SAME_SPACING):
        return False
    cosines = (np.dot(one.along_row, other.along_row), np.dot(one.along_column, other.along_column))
    return bool(min(cosines) > np.cos(np.radians(SAME_ORIENTATION_DEGREES)))


def positions_along_normal(planes: Sequence[Plane]) -> NDArray[np.float64]:
    """The position of each slice along the common slice normal, mm, growing from foot to head."""
    return np.array([plane.centre for plane in planes]) @ planes[0].normal


def slice_spacing_mm(positions_mm: Sequence[float] | NDArray[np.float64]) -> float | None:
    """The median distance of neighbouring slices along the normal; None for fewer than two positions."""
    steps = np.diff(positions_mm)
    steps = steps[np.abs(steps) > SAME_POSITION_MM]
    return float(np.median(np.abs(steps))) if len(steps) else None


def gantry_tilt_degrees(planes: Sequence[Plane]) -> float | None:
    """How far the stack is sheared: the angle, from 0, between the slice normal and the way from slice to slice.

    planes: sorted along the normal. None for fewer than two positions. The tag GantryDetectorTilt is "not
    intended for mathematical computations" (PS3.3 C.8.2.1) and stays set in straightened reconstructions.
    """
    normal = planes[0].normal
    steps = np.diff([plane.centre for plane in planes], axis=0).reshape(-1, 3)
    steps = steps[np.abs(steps @ normal) > SAME_POSITION_MM]
    if len(steps) == 0:
        return None
    along = steps @ normal
    sideways = (steps - along[:, None] * normal) / along[:, None]
    return float(np.degrees(np.arctan(np.linalg.norm(np.median(sideways, axis=0)))))
