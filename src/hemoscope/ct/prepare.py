"""One slice as the networks see it: cut to the head, or whole; through windows; resized to a square.

This is the only place that prepares a slice; training and detection both call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.hounsfield import AIR_HU
from hemoscope.ct.windows import Window, to_grey

# 0...70 HU lies inside every display window that the collections at hand were rendered with, so that neither the
# window nor its ceiling in the skull can tell the source of a slice.
NETWORK_WINDOW = Window(35, 70)

# Soft tissue and bone; CSF, fat and air are below. Also visible in pictures whose window begins at 0 HU.
HEAD_THRESHOLD_HU = 12
# Small heads near the vertex keep their scale down to this size; a fraction of the picture where mm are unknown.
SMALLEST_CROP_MM = 130.0
SMALLEST_CROP_FRACTION = 0.55
CROP_MARGIN = 1.06  # the crop is a little larger than the head

Pixel = TypeVar("Pixel", np.int16, np.uint8)


@dataclass(frozen=True)
class Crop:
    """A part of a slice, in pixels (may reach beyond the picture): first row and column, height and width."""

    top: int
    left: int
    height: int
    width: int


def head_crop(hu: NDArray[np.int16], pixel_spacing_mm: tuple[float, float] | None) -> Crop:
    """Find the square (in mm) around the head in a slice.

    hu: HU [row, column]; pixel_spacing_mm: (row, column) or None where unknown, then taken as square.
    A slice without a head gives a square around the whole picture.
    """
    rows, columns = hu.shape
    row_mm, column_mm = pixel_spacing_mm or (1.0, 1.0)
    scale = min(1.0, 128 / max(rows, columns))
    mask = cv2.resize((hu > HEAD_THRESHOLD_HU).astype(np.uint8) * 255, None, fx=scale, fy=scale,
                      interpolation=cv2.INTER_AREA) > 127  # fmt: skip
    # Opening cuts the thin bridges between the head and its holder or the table.
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count > 1:
        left, top, width, height, _ = boxes[1 + int(np.argmax(boxes[1:, cv2.CC_STAT_AREA]))] / scale
    else:
        left, top, width, height = 0, 0, columns, rows
    smallest = SMALLEST_CROP_MM if pixel_spacing_mm else SMALLEST_CROP_FRACTION * max(rows, columns)
    side = max(width * column_mm, height * row_mm, smallest / CROP_MARGIN) * CROP_MARGIN
    crop_height, crop_width = round(side / row_mm), round(side / column_mm)
    return Crop(
        top=round(top + height / 2 - crop_height / 2),
        left=round(left + width / 2 - crop_width / 2),
        height=crop_height,
        width=crop_width,
    )


def cut(hu: NDArray[np.int16], crop: Crop, fill: int = AIR_HU) -> NDArray[np.int16]:
    """Cut a crop out of a slice; what lies outside the picture is air."""
    rows, columns = hu.shape
    part = np.full((crop.height, crop.width), fill, np.int16)
    row0, row1 = max(crop.top, 0), min(crop.top + crop.height, rows)
    col0, col1 = max(crop.left, 0), min(crop.left + crop.width, columns)
    if row0 < row1 and col0 < col1:
        part[row0 - crop.top : row1 - crop.top, col0 - crop.left : col1 - crop.left] = hu[row0:row1, col0:col1]
    return part


def prepare_slice(
    hu: NDArray[np.int16], pixel_spacing_mm: tuple[float, float] | None, size: int, window: Window = NETWORK_WINDOW
) -> tuple[NDArray[np.uint8], Crop]:
    """Turn a slice into network input: (grey levels [size, size], the crop that they show).

    hu: HU [row, column], row 0 anterior, column 0 the patient's right; pixel_spacing_mm as in `head_crop`.
    """
    crop = head_crop(hu, pixel_spacing_mm)
    grey = to_grey(cut(hu, crop), window)
    shrinks = size < max(grey.shape)
    resized = cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.astype(np.uint8, copy=False), crop


def fit_square(
    pixels: NDArray[Pixel], spacing_mm: tuple[float, float] | None, size: int
) -> tuple[NDArray[Pixel], tuple[float, float] | None]:
    """Resize a whole slice to [size, size], its proportions in mm kept: (the square, its new spacing).

    pixels: HU (int16) or grey levels (uint8) [row, column]; spacing_mm: (row, column), None where unknown, then taken
    as square. Shrinking averages areas, enlarging is bilinear. What is missing of the square is air or black.
    """
    rows, columns = pixels.shape
    row_mm, column_mm = spacing_mm or (1.0, 1.0)
    scale = size / max(rows * row_mm, columns * column_mm)
    height, width = max(1, round(rows * row_mm * scale)), max(1, round(columns * column_mm * scale))
    resized = pixels
    if (height, width) != (rows, columns):
        shrinks = height <= rows and width <= columns
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = np.asarray(cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=how), pixels.dtype)
    square = np.full((size, size), AIR_HU if pixels.dtype == np.int16 else 0, pixels.dtype)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = resized
    return square, (row_mm * rows / height, column_mm * columns / width) if spacing_mm else None


def to_channels(hu: NDArray[np.int16], windows: Sequence[Window], grey: NDArray[np.uint8]) -> None:
    """Show one slice through several windows as `to_grey` does, twice as fast.

    hu: HU [row, column]; grey: where the grey levels go, [window, row, column]. The published systems take three
    windows as the colours of a picture.
    """
    exact = hu.astype(np.float32)
    for channel, window in zip(grey, windows, strict=True):
        above = exact - np.float32(window.low)
        cv2.threshold(above, 0, 0, cv2.THRESH_TOZERO, dst=above)
        # rounds to even and saturates, as `to_grey` does
        cv2.convertScaleAbs(above, dst=channel, alpha=255 / window.width)
