"""Slices as the networks see them: whole or cut to the head, as a square, through windows, beside their neighbours.

This is the only place that prepares a slice; the slice store, training and detection all call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.hounsfield import AIR_HU
from hemoscope.ct.windows import Window

# 0...70 HU lies inside every display window that the collections at hand were rendered with, so that neither the
# window nor its ceiling in the skull can tell the source of a slice.
NETWORK_WINDOW = Window(35, 70)

# Soft tissue and bone; CSF, fat and air are below. Also visible in pictures whose window begins at 0 HU.
HEAD_THRESHOLD_HU = 12
# Small heads near the vertex keep their scale down to this size; a fraction of the picture where mm are unknown.
SMALLEST_CROP_MM = 130.0
SMALLEST_CROP_FRACTION = 0.55
CROP_MARGIN = 1.06  # the crop is a little larger than the head

Framing = Literal["whole", "head"]
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


def cut(hu: NDArray[np.int16], crop: Crop) -> NDArray[np.int16]:
    """Cut a crop out of a slice; what lies outside the picture is air."""
    rows, columns = hu.shape
    part = np.full((crop.height, crop.width), AIR_HU, np.int16)
    row0, row1 = max(crop.top, 0), min(crop.top + crop.height, rows)
    col0, col1 = max(crop.left, 0), min(crop.left + crop.width, columns)
    if row0 < row1 and col0 < col1:
        part[row0 - crop.top : row1 - crop.top, col0 - crop.left : col1 - crop.left] = hu[row0:row1, col0:col1]
    return part


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


def frame_slice(
    hu: NDArray[np.int16], spacing_mm: tuple[float, float] | None, size: int, framing: Framing
) -> tuple[NDArray[np.int16], tuple[float, float] | None, Crop]:
    """Fit a slice, whole or cut to the head, to [size, size]: (the square, its new spacing, the part that it shows).

    hu: HU [row, column], also of a picture.
    """
    rows, columns = hu.shape
    crop = square_crop((rows, columns), spacing_mm) if framing == "whole" else head_crop(hu, spacing_mm)
    part = hu if framing == "whole" else cut(hu, crop)
    square, new_spacing_mm = fit_square(part, spacing_mm, size)
    return square, new_spacing_mm, crop


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


def square_crop(shape: tuple[int, int], spacing_mm: tuple[float, float] | None) -> Crop:
    """The part of a slice of `shape` that `fit_square` shows: all of it, and what is missing of the square."""
    rows, columns = shape
    row_mm, column_mm = spacing_mm or (1.0, 1.0)
    side = max(rows * row_mm, columns * column_mm)
    height, width = round(side / row_mm), round(side / column_mm)
    return Crop((rows - height) // 2, (columns - width) // 2, height, width)


def maximum_filter(grey: NDArray[np.uint8], slices: int, pixels: int) -> NDArray[np.uint8]:
    """Keep the brightest of every `slices` slices and `pixels` x `pixels` pixels (Patel 2019, section III-C).

    grey: [slice, channel, row, column], rows and columns multiples of `pixels`. Returns [slice / slices, channel,
    row / pixels, column / pixels]; the last group of slices may hold fewer, so that no slice is lost. As windows never
    turn the order of HU, it is all the same whether they are cut before or after.
    """
    filtered = grey[..., ::pixels, ::pixels]
    for row in range(pixels):
        for column in range(pixels):
            filtered = np.maximum(filtered, grey[..., row::pixels, column::pixels])
    groups = [filtered[first : first + slices].max(axis=0) for first in range(0, len(grey), slices)]
    return np.stack(groups)


@dataclass(frozen=True)
class NetworkInput:
    """What a network sees: pictures that are made of one slice each, or of several.

    size: rows and columns that a slice is fitted to. neighbours: slices below and above whose windows are further
    channels. framing: "whole" slices, as the slice store keeps them, or cut to the "head". maximum_slices,
    maximum_pixels: of `maximum_filter`. Slices that cannot be read are not counted, as they are in no slice store.
    """

    size: int
    windows: tuple[Window, ...]
    neighbours: int = 0
    framing: Framing = "whole"
    maximum_slices: int = 1
    maximum_pixels: int = 1

    def __post_init__(self) -> None:
        if self.framing not in get_args(Framing):
            raise ValueError(f"a slice is framed as 'whole' or 'head', not '{self.framing}'")
        if not self.windows or self.neighbours < 0 or min(self.maximum_slices, self.maximum_pixels) < 1:
            raise ValueError("it needs a window, neighbours from 0 and a maximum filter from 1")
        if self.size < 1 or self.size % self.maximum_pixels:
            raise ValueError(f"the size {self.size} is no multiple of the {self.maximum_pixels} pixels of the filter")

    @property
    def channels(self) -> int:
        """Of a picture: the windows of the slice below first, then of the slice itself, then of the one above."""
        return len(self.windows) * (2 * self.neighbours + 1)

    @property
    def side(self) -> int:
        """Rows and columns of a picture."""
        return self.size // self.maximum_pixels

    def pictures(self, slices: int) -> int:
        """How many pictures so many slices make."""
        return -(-slices // self.maximum_slices)

    def slices_of(self, picture: int, slices: int) -> range:
        """The slices, of so many, that make a picture."""
        first = picture * self.maximum_slices
        return range(first, min(first + self.maximum_slices, slices))

    def shown(self, picture: int, slices: int) -> list[list[int]]:
        """The slices, of so many, in the channels of a picture: [neighbour, slice of the picture], from below on.

        Beyond the ends of the scan it is the slice at the end again.
        """
        reach = range(-self.neighbours, self.neighbours + 1)
        own = self.slices_of(picture, slices)
        return [[min(max(number + step, 0), slices - 1) for number in own] for step in reach]

    def frame(
        self, hu: NDArray[np.int16], pixel_spacing_mm: tuple[float, float] | None
    ) -> tuple[NDArray[np.uint8], Crop]:
        """Show a slice, HU [row, column]: (grey levels [window, size, size], the part of the slice that they show)."""
        square, _, crop = frame_slice(hu, pixel_spacing_mm, self.size, self.framing)
        grey = np.empty((len(self.windows), self.size, self.size), np.uint8)
        to_channels(square, self.windows, grey)
        return grey, crop

    def picture(self, framed: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
        """Put a picture together from the slices that `shown` names, as `frame` gives them: [channels, side, side]."""
        joined = [maximum_filter(np.stack(group), self.maximum_slices, self.maximum_pixels)[0] for group in framed]
        return np.concatenate(joined)
