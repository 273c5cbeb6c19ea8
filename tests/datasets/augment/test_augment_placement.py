"""Known amounts move a real head by known pixels, slices and whole scans alike."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from augment_examples import SPACING, centroid, placed
from torch import Tensor

from hemoscope.ct.hounsfield import AIR_HU
from hemoscope.datasets.augment.placement import COLUMN, ROW, SLICE, ScanPlacement, place, place_scan


def test_mirroring_is_a_flip_exactly(scan: Tensor) -> None:
    moved = place(scan.float(), placed(len(scan), mirrored=True), AIR_HU, "bilinear")
    assert torch.equal(moved, scan.float().flip(-1)) and not torch.equal(moved, scan.float())


def test_a_shift_of_whole_pixels_moves_down_and_right_and_brings_in_air(scan: Tensor) -> None:
    moved = place(scan.float(), placed(len(scan), shift=(7, -4)), AIR_HU, "bilinear")
    assert (moved[:, :, 7:, :-4] - scan[:, :, :-7, 4:]).abs().max() < 0.2  # HU, of up to 4000 between neighbours
    assert (moved[:, :, :6] == AIR_HU).all() and (moved[:, :, :, -3:] == AIR_HU).all()


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, -1)])
def test_quarter_turns_are_counter_clockwise(scan: Tensor, degrees: float, turns: int) -> None:
    moved = place(scan.float(), placed(len(scan), degrees=degrees), AIR_HU, "bilinear")
    assert (moved - torch.rot90(scan.float(), turns, (2, 3))).abs().max() < 0.2


def test_a_turned_head_agrees_with_opencv(scan: Tensor) -> None:
    one = scan[14:15].float()
    moved = place(one, placed(1, degrees=14, scale=1.1, shift=(5, 9)), AIR_HU, "bilinear")[0, 0].numpy()
    matrix = cv2.getRotationMatrix2D((127.5, 127.5), 14, 1.1)  # "positive values mean counter-clockwise rotation"
    matrix[:, 2] += 9, 5
    other = cv2.warpAffine(one[0, 0].numpy(), matrix, (256, 256), borderValue=float(AIR_HU))
    assert np.abs(moved - other).mean() < 2  # HU; OpenCV rounds places to 1/32 pixel
    unturned = one[0, 0].numpy()
    assert np.abs(unturned - other).mean() > 100


def test_the_head_moves_with_scale_rotation_and_shift_as_reckoned(scan: Tensor) -> None:
    one = scan[14:15].float()
    one[one < -200] = AIR_HU  # the head alone, so that nothing leaves the picture
    _, row, column = centroid(one)
    moved = place(one, placed(1, degrees=30, scale=0.8, shift=(-6, 11)), AIR_HU, "bilinear")
    cosine, sine = np.cos(np.pi / 6), np.sin(np.pi / 6)
    expected = 0.8 * (cosine * row - sine * column) - 6, 0.8 * (sine * row + cosine * column) + 11
    assert centroid(moved)[1:] == pytest.approx(expected, abs=0.02)


def test_what_is_mirrored_is_turned_after_that(scan: Tensor) -> None:
    both = place(scan.float(), placed(len(scan), degrees=10, shift=(3, 6), mirrored=True), AIR_HU, "bilinear")
    after = place(scan.float().flip(-1), placed(len(scan), degrees=10, shift=(3, 6)), AIR_HU, "bilinear")
    assert (both - after).abs().max() < 0.5 and (both - scan).abs().max() > 500  # HU


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.5, 0.5)])
@pytest.mark.parametrize(("axis", "moving", "towards"), [(SLICE, 2, 1), (ROW, 2, 0), (COLUMN, 1, 0)])
def test_a_scan_turns_rigidly_in_mm_over_each_axis(
    axis: int, moving: int, towards: int, spacing: tuple[float, float, float]
) -> None:
    ball = torch.full((40, 1, 80, 80), float(AIR_HU))  # a block away from the centre along one axis
    middle = [20, 40, 40]
    middle[moving] += 10
    ball[middle[0] - 3 : middle[0] + 3, :, middle[1] - 3 : middle[1] + 3, middle[2] - 3 : middle[2] + 3] = 1000
    away_mm = (centroid(ball) * spacing)[moving]
    degrees = 25.0
    moved_mm = centroid(place_scan(ball, ScanPlacement(axis=axis, degrees=degrees), spacing, AIR_HU, "bilinear"))
    expected = np.zeros(3)
    expected[moving] = away_mm * np.cos(np.radians(degrees))
    # Counter-clockwise: what is on the right goes up (a smaller row); else towards the head (a larger slice).
    expected[towards] = away_mm * np.sin(np.radians(degrees)) * (-1 if axis == SLICE else 1)
    off = np.delete(np.arange(3), [moving, towards])
    assert (moved_mm * spacing)[[moving, towards]] == pytest.approx(expected[[moving, towards]], abs=spacing[towards])
    assert abs((centroid(ball) * spacing)[off]) == pytest.approx(abs((moved_mm * spacing)[off]), abs=0.6)


def test_a_scan_turned_within_its_slices_is_that_of_the_slices(scan: Tensor) -> None:
    whole = place_scan(scan.float(), ScanPlacement(axis=SLICE, degrees=20), SPACING, AIR_HU, "bilinear")
    slices = place(scan.float(), placed(len(scan), degrees=20), AIR_HU, "bilinear")
    assert (whole - slices).abs().max() < 0.5 and (whole - scan).abs().max() > 500


def test_a_scan_is_shifted_towards_the_head_down_and_right(scan: Tensor) -> None:
    moved = place_scan(scan.float(), ScanPlacement(shift=(3, -5, 8)), SPACING, AIR_HU, "bilinear")
    assert (moved[3:, :, :-5, 8:] - scan[:-3, :, 5:, :-8]).abs().max() < 0.5
    assert (moved[:2] == AIR_HU).all() and (moved[:, :, -4:] == AIR_HU).all()
