"""Preparation: the head is found, cut out whole, and placed where the crop says."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hemoscope import read_scan
from hemoscope.ct.prepare import (
    NETWORK_WINDOW,
    SMALLEST_CROP_MM,
    Crop,
    NetworkInput,
    cut,
    fit_square,
    head_crop,
    to_channels,
)
from hemoscope.ct.windows import BRAIN, SOFT_TISSUE, SUBDURAL, Window, to_grey

SIZE = 224
HEAD = NetworkInput(SIZE, (NETWORK_WINDOW,), framing="head")


@pytest.fixture(scope="module")
def head(examples: Path) -> tuple[np.ndarray, tuple[float, float]]:
    """A GE slice at the level of the ventricles (HU), and its pixel spacing in mm."""
    scan = read_scan(examples / "ge_tilted_head_series")
    assert scan.pixel_spacing_mm is not None
    return scan.hu[15], scan.pixel_spacing_mm


def test_the_crop_holds_the_whole_skull(head) -> None:
    hu, spacing = head
    crop = head_crop(hu, spacing)
    _, parts, boxes, _ = cv2.connectedComponentsWithStats((hu > 300).astype(np.uint8))
    skull = 1 + boxes[1:, cv2.CC_STAT_AREA].argmax()  # the largest part; the head holder is another
    rows, columns = np.nonzero(parts == skull)
    slack = 2  # pixels, 1 mm: of the grid on which the head is found
    assert crop.top <= rows.min() + slack and rows.max() < crop.top + crop.height + slack
    assert crop.left <= columns.min() + slack and columns.max() < crop.left + crop.width + slack
    assert 140 < crop.height * spacing[0] < 230  # mm: a head, not the table


@pytest.mark.parametrize(("down", "right"), [(20, 0), (-25, 10), (0, -30)])
def test_the_crop_follows_the_head(head, down: int, right: int) -> None:
    hu, spacing = head
    first, moved = head_crop(hu, spacing), head_crop(np.roll(hu, (down, right), (0, 1)), spacing)
    assert abs(moved.top - first.top - down) <= 5 and abs(moved.left - first.left - right) <= 5
    assert abs(moved.height - first.height) <= 8


def in_mm(crop: Crop, spacing: tuple[float, float]) -> list[float]:
    row_mm, column_mm = spacing
    return [crop.top * row_mm, crop.left * column_mm, crop.height * row_mm, crop.width * column_mm]


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (2, 1), (1, 2), (1, 3)])
def test_the_crop_is_the_same_square_in_mm_whatever_the_pixels(head, rows: int, columns: int) -> None:
    """Every second row or third column, at as many times the spacing: another matrix, pixels that are not square."""
    hu, (row_mm, column_mm) = head
    spacing = (rows * row_mm, columns * column_mm)
    expected = in_mm(head_crop(hu, (row_mm, column_mm)), (row_mm, column_mm))
    crop = in_mm(head_crop(hu[::rows, ::columns], spacing), spacing)
    assert crop == pytest.approx(expected, abs=6)  # mm, of a grid of 2 to 4 mm
    assert crop[2] == pytest.approx(crop[3], abs=1.5)


def test_the_picture_shows_what_the_crop_says(head) -> None:
    hu, spacing = head
    (grey,), crop = HEAD.frame(hu, spacing)
    shown = to_grey(cut(hu, crop), NETWORK_WINDOW).astype(float)
    scale = crop.height / SIZE
    centres = ((np.arange(SIZE) + 0.5) * scale).astype(int)
    assert np.corrcoef(grey.ravel(), shown[np.ix_(centres, centres)].ravel())[0, 1] > 0.93
    assert grey.dtype == np.uint8 and grey.shape == (SIZE, SIZE)


def test_a_small_head_keeps_its_scale(head) -> None:
    hu, spacing = head
    tip = np.full_like(hu, -1024)
    tip[250:300, 250:300] = 40
    assert head_crop(tip, spacing).height * spacing[0] == pytest.approx(SMALLEST_CROP_MM, abs=1)
    assert head_crop(tip, None).height == pytest.approx(0.55 * 512, abs=1)


def test_a_slice_of_air_gives_the_whole_picture() -> None:
    crop = head_crop(np.full((100, 80), -1024, np.int16), None)
    assert crop.top <= 0 and crop.left <= 0
    assert crop.top + crop.height >= 100 and crop.left + crop.width >= 80
    assert (HEAD.frame(np.full((100, 80), -1024, np.int16), None)[0] == 0).all()


def test_what_lies_outside_the_picture_is_air() -> None:
    part = cut(np.full((4, 4), 40, np.int16), Crop(top=-2, left=2, height=4, width=4))
    assert part.tolist() == [[-1024] * 4, [-1024] * 4, [40, 40, -1024, -1024], [40, 40, -1024, -1024]]
    assert (cut(np.full((4, 4), 40, np.int16), Crop(10, 10, 3, 3)) == -1024).all()


def test_halving_a_slice_averages_two_by_two_pixels(head) -> None:
    hu, (row_mm, column_mm) = head
    square, spacing = fit_square(hu, (row_mm, column_mm), 256)
    means = hu.reshape(256, 2, 256, 2).astype(float).mean(axis=(1, 3))
    assert square.dtype == np.int16 and spacing == pytest.approx((2 * row_mm, 2 * column_mm))
    assert np.abs(square - means).max() <= 0.5


def test_a_square_of_that_size_stays_as_it_is(head) -> None:
    hu, spacing = head
    assert (fit_square(hu, spacing, 512)[0] == hu).all() and fit_square(hu, spacing, 512)[1] == spacing


@pytest.mark.parametrize("dtype", [np.int16, np.uint8])
def test_the_square_keeps_the_proportions_in_mm(head, dtype: type) -> None:
    """Every second row of the right half, as if pixels were twice as high as wide: 512 x 256 pixels in mm."""
    hu = np.clip(head[0], 0, 255).astype(dtype)
    part, (row_mm, column_mm) = hu[::2, 256:], head[1]
    square, spacing = fit_square(part, (2 * row_mm, column_mm), 128)
    expected = fit_square(hu, head[1], 128)[0][:, 64:].astype(float)
    assert square.dtype == dtype and spacing == pytest.approx((4 * row_mm, 4 * column_mm))
    assert np.corrcoef(square[:, 32:96].ravel(), expected.ravel())[0, 1] > 0.97
    outside = np.delete(square, np.s_[32:96], axis=1)
    assert (outside == (-1024 if dtype == np.int16 else 0)).all()


def test_enlarging_keeps_the_mean_and_invents_no_value(head) -> None:
    small = fit_square(head[0], head[1], 128)[0]
    large, _ = fit_square(small, None, 256)
    assert large.min() >= small.min() and large.max() <= small.max()
    assert large.mean() == pytest.approx(small.mean(), abs=1)


@pytest.mark.parametrize("window", [BRAIN, SUBDURAL, SOFT_TISSUE, NETWORK_WINDOW, Window(35, 135), Window(37.3, 91.7)])
def test_a_channel_is_the_slice_through_its_window_for_every_hu(window: Window) -> None:
    every = np.arange(-1024, 3072, dtype=np.int16).reshape(64, 64)
    grey = np.full((2, 64, 64), 7, np.uint8)
    to_channels(every, [BRAIN, window], grey)
    assert (grey[0] == to_grey(every, BRAIN)).all() and (grey[1] == to_grey(every, window)).all()
