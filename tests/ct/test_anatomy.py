"""The skull and what it holds, on real slices and on what is done to them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from real_scans import RSNA_WINDOW, single

from hemoscope.ct.anatomy import slice_anatomy
from hemoscope.ct.read import read_scan
from hemoscope.ct.windows import BRAIN, Window

MID_BRAIN = range(13, 24)  # of the GE series: a closed skull around brain


@pytest.fixture(scope="module")
def head(examples):
    return read_scan(examples / "ge_tilted_head_series")


def anatomy(head, number, hu=None):
    return slice_anatomy(head.hu[number] if hu is None else hu, head.pixel_spacing_mm, None)


def filled_skull_cm2(hu, spacing):
    """The area within bone by another way: what a flood from outside does not reach, without the bone."""
    bone = cv2.morphologyEx((hu > 200).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    flooded = np.pad(bone, 1)
    cv2.floodFill(flooded, None, (0, 0), 2)
    return float((flooded == 0).sum()) * spacing[0] * spacing[1] / 100


@pytest.mark.parametrize("number", MID_BRAIN)
def test_a_mid_brain_slice_is_a_closed_skull_with_the_area_that_a_flood_fill_finds(head, number):
    found = anatomy(head, number)
    assert found.skull_share > 0.95
    assert found.inside_cm2 == pytest.approx(filled_skull_cm2(head.hu[number], head.pixel_spacing_mm), rel=0.06)
    assert 0.45 < found.inside_share < 0.8
    assert found.inside.sum() * found.pixel_mm**2 / 100 == pytest.approx(found.inside_cm2, rel=0.06)


@pytest.mark.parametrize("number", [0, 1, 2, 27])
def test_face_neck_and_vertex_hold_little_brain(head, number):
    found = anatomy(head, number)
    assert found.skull_share < 0.7 or found.inside_share < 0.2


@pytest.mark.parametrize("window", [BRAIN, Window(40, 120), RSNA_WINDOW, Window(127.5, 255)])
@pytest.mark.parametrize("number", [14, 18, 22])
def test_a_clipped_picture_has_the_area_of_true_hu(head, number, window):
    clipped = head.hu[number].clip(window.low, window.high).astype(np.int16)
    found = slice_anatomy(clipped, head.pixel_spacing_mm, window)
    whole = anatomy(head, number)
    assert found.skull_share > 0.95
    assert found.inside_cm2 == pytest.approx(whole.inside_cm2, rel=0.05)
    assert found.inside_share == pytest.approx(whole.inside_share, abs=0.16)  # scalp fat is black there


@pytest.mark.parametrize(("rows", "columns"), [(512, 256), (256, 512), (256, 256), (300, 300), (1024, 1024)])
def test_area_is_in_cm2_whatever_the_pixels(head, rows, columns):
    hu = cv2.resize(head.hu[18], (columns, rows), interpolation=cv2.INTER_AREA)
    spacing = tuple(side * 512 / n for side, n in zip(head.pixel_spacing_mm, (rows, columns), strict=True))
    found = slice_anatomy(hu, spacing, None)
    assert found.inside_cm2 == pytest.approx(anatomy(head, 18).inside_cm2, rel=0.04)


@pytest.mark.parametrize("turn", [lambda hu: hu[::-1], lambda hu: hu[:, ::-1], lambda hu: hu.T, np.rot90])
def test_a_turned_head_is_the_same_head(head, turn):
    found = anatomy(head, 18, np.ascontiguousarray(turn(head.hu[18])))
    assert found.inside_cm2 == pytest.approx(anatomy(head, 18).inside_cm2, rel=0.03)
    assert found.skull_share > 0.95


def test_a_craniectomy_is_bridged(head):
    hu = head.hu[18].copy()
    opened = hu[:256, 256:]
    opened[opened > 100] = 40  # a quarter of the skull
    found = anatomy(head, 18, hu)
    assert 0.65 < found.skull_share < 0.85
    assert found.inside.sum() == pytest.approx(anatomy(head, 18).inside.sum(), rel=0.08)


def test_a_calcification_in_the_middle_does_not_hide_the_brain(head):
    hu = head.hu[18].copy()
    column, row = (round(x * 3) for x in anatomy(head, 18).middle)
    cv2.circle(hu, (column, row), 8, 600, -1)
    found = anatomy(head, 18, hu)
    assert found.skull_share > 0.95
    assert found.inside_cm2 == pytest.approx(anatomy(head, 18).inside_cm2, rel=0.03)


def test_a_head_that_leaves_the_picture_is_cut(head):
    whole, cut = anatomy(head, 18), anatomy(head, 18, head.hu[18][:, 200:])
    assert whole.cut_share == 0
    assert cut.cut_share > 0.1


@pytest.mark.parametrize("value", [-1024, 0, 30, 3071])
@pytest.mark.parametrize("shape", [(512, 512), (3, 700), (1, 1)])
def test_an_empty_slice_has_no_skull(value, shape):
    found = slice_anatomy(np.full(shape, value, np.int16), (0.5, 0.5), None)
    assert (found.skull_share, found.inside_cm2, found.inside.sum()) == (0, 0, 0)


@pytest.mark.parametrize(
    "path",
    [
        "dicom_not_head_ct/ct_abdomen/siemens_abdomen_10.dcm",
        "dicom_not_head_ct/ct_neck/picker_neck_511x511.dcm",
        "dicom_not_head_ct/ct_neck/picker_shoulders_511x511.dcm",
        "dicom_not_head_ct/ct_phantom/philips_plastic_head.dcm",
        "dicom_transfer_syntaxes/ct_chest_ge/explicit_le.dcm",
        "dicom_transfer_syntaxes/ct_chest_nema_ct1/rle_fragmented.dcm",
    ],
)
def test_another_part_of_the_body_has_no_closed_ring(shared_data, path):
    scan = single(shared_data / path)
    found = slice_anatomy(scan.hu[0], scan.pixel_spacing_mm, None)
    assert found.skull_share < 0.4
    assert found.inside_share < 0.12
