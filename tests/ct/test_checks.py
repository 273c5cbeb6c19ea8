"""What is no whole, plain head CT is told; real head scans pass."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from real_scans import (
    RSNA_WINDOW,
    part,
    phe_scans,
    physionet_scans,
    rsna_loose_slices,
    rsna_scans,
    single,
)

from hemoscope.ct.anatomy import slice_anatomy
from hemoscope.ct.checks import check_scan
from hemoscope.ct.read import read_scan
from hemoscope.ct.scan import Scan, Slice
from hemoscope.ct.windows import Window
from hemoscope.reasons import Reason, Severity

# Two of the 50 RSNA series are not plain single scans, as seen on their pictures.
RSNA_ANGIOGRAPHY = "73d7b6b79f"  # filled vessels in every slice
RSNA_SCANNED_TWICE = "72952d87fa"  # the lower half again after the child had moved, at the same positions


@pytest.fixture(scope="module")
def head(examples):
    return read_scan(examples / "ge_tilted_head_series")


def reasons(scan):
    checks = check_scan(scan)
    assert all(check.detail.endswith(".") and any(c.isdigit() for c in check.detail) for check in checks)
    return {check.reason for check in checks}


def true_hu(hu):
    return Scan("scan", hu.astype(np.int16), tuple(Slice(str(i), "") for i in range(len(hu))))


def with_slice(scan, number, hu):
    volume = scan.hu.copy()
    volume[number] = hu
    return replace(scan, hu=volume)


# Real head scans


def test_the_ge_series_is_a_whole_head(head):
    assert reasons(head) == {Reason.UNEVEN_SPACING}


@pytest.mark.parametrize(("patient", "expected"), [("052", set()), ("101", set()), ("077", {Reason.HEAD_CUT_OFF})])
def test_the_physionet_examples(examples, patient, expected):
    # The slices of patient 77 that show the face are left out, and with them the skull base.
    assert reasons(read_scan(examples / f"physionet_ct_ich/patient_{patient}.nii.gz")) == expected


@pytest.mark.parametrize("scans", [physionet_scans, phe_scans])
def test_pictures_of_202_patients_pass_every_check(shared_data, scans):
    failed = {scan.name: found for scan in scans(shared_data) if (found := reasons(scan))}
    assert failed == {}


def test_of_50_rsna_series_only_the_two_unusual_ones_are_told(shared_data):
    failed = {}
    for scan in rsna_scans(shared_data):
        found = reasons(scan) - {Reason.UNEVEN_SPACING}
        if found:
            failed[scan.name] = found
    assert failed == {
        RSNA_ANGIOGRAPHY: {Reason.CONTRAST_SUSPECTED},
        RSNA_SCANNED_TWICE: {Reason.SLICE_HU_IMPLAUSIBLE},
    }


def test_91_percent_of_loose_slices_pass_and_the_rest_hold_little_brain(shared_data):
    slices = list(rsna_loose_slices(shared_data))
    hard = [scan for scan in slices if not replace(scan, checks=check_scan(scan)).analysable]
    assert len(hard) / len(slices) < 0.09
    shares = [slice_anatomy(scan.hu[0], None, scan.window).inside_share for scan in hard]
    assert np.mean(np.array(shares) < 0.16) > 0.95  # vertex, neck, face and the lowest posterior fossa


@pytest.mark.parametrize(
    "name",
    ["cq500_ct310_subdural_5mm_jpeg2000", "picker_pq5000_10mm"],
)
def test_single_slices_of_other_scanners_pass(shared_data, name):
    found = reasons(single(shared_data / f"head_ct_hu/single_slices/{name}.dcm"))
    assert found <= {Reason.THICK_SLICES}


def test_bleedings_are_no_contrast_and_craniectomies_are_heads(shared_data):
    for path in sorted((shared_data / "bhsd_images/images").glob("*.png")):
        hu = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[None].astype(np.int16)
        scan = replace(true_hu(hu), window=Window(127.5, 255), independent=True)
        assert reasons(scan) <= {Reason.HEAD_CUT_OFF}, path.name


# Not a head


@pytest.mark.parametrize(
    "path",
    [
        "dicom_not_head_ct/ct_abdomen/siemens_abdomen_00.dcm",
        "dicom_not_head_ct/ct_abdomen/siemens_abdomen_10.dcm",
        "dicom_not_head_ct/ct_abdomen/siemens_abdomen_19.dcm",
        "dicom_not_head_ct/ct_neck/picker_neck_511x511.dcm",
        "dicom_not_head_ct/ct_neck/picker_shoulders_511x511.dcm",
        "dicom_not_head_ct/ct_phantom/philips_plastic_head.dcm",
        "dicom_not_head_ct/ct_spine/philips_cspine_series_head_cut_off.dcm",
        "dicom_transfer_syntaxes/ct_chest_ge/explicit_le.dcm",
        "dicom_transfer_syntaxes/ct_chest_nema_ct1/rle_fragmented.dcm",
        "dicom_transfer_syntaxes/ct_small/explicit_le.dcm",
        "head_ct_hu/single_slices/cq500_ct0_plain_thin_vertex.dcm",
        "rsna_dicom/ID_7f87625d2.dcm",
    ],
)
def test_other_bodies_and_the_tip_of_the_vertex_are_not_a_head(shared_data, path):
    scan = single(shared_data / path)
    assert Reason.NOT_HEAD in reasons(scan)
    assert {Reason.NOT_HEAD, Reason.TOO_FEW_SLICES} <= reasons(replace(scan, independent=False))
    many = part(scan, [0] * 30)
    assert Reason.NOT_HEAD in reasons(many)


@pytest.mark.parametrize("slices", [range(0, 3), range(0, 5), range(0, 8), range(25, 28)])
def test_only_face_and_neck_or_only_vertex_is_not_a_head(head, slices):
    assert Reason.NOT_HEAD in reasons(part(head, slices))


def test_the_vertex_of_the_angiography_is_not_a_head(shared_data):
    scan = read_scan(shared_data / "head_ct_hu/cq500_ct0_cta_partial")
    assert Reason.NOT_HEAD in reasons(part(scan, range(20, 51)))


@pytest.mark.parametrize("scans", [physionet_scans, phe_scans, rsna_scans])
def test_the_lowest_slices_of_real_heads_are_not_a_head(shared_data, scans):
    for scan in scans(shared_data):
        if scan.name == RSNA_SCANNED_TWICE:
            continue
        found = [slice_anatomy(hu, scan.pixel_spacing_mm, scan.window) for hu in scan.hu]
        largest = max(one.inside_cm2 for one in found if one.skull_share > 0.7)
        below = next(i for i, one in enumerate(found) if one.skull_share > 0.6 and one.inside_cm2 > largest / 3)
        if below:
            assert Reason.NOT_HEAD in reasons(part(scan, range(below))), scan.name


def test_one_good_slice_is_too_few_but_a_head(head):
    assert reasons(part(head, [18])) == {Reason.TOO_FEW_SLICES, Reason.HEAD_CUT_OFF}
    assert reasons(part(head, [18], independent=True)) == set()


# Not the whole head


@pytest.mark.parametrize("slices", [range(12, 28), range(0, 21)])
def test_a_scan_that_ends_within_the_brain_is_cut_off(head, slices):
    assert Reason.HEAD_CUT_OFF in reasons(part(head, slices))


def test_a_head_beside_the_picture_is_cut_off_or_none(head):
    cut = replace(head, hu=np.ascontiguousarray(head.hu[:, :, 120:]))
    assert reasons(cut) & {Reason.HEAD_CUT_OFF, Reason.NOT_HEAD}


# Contrast medium


@pytest.mark.parametrize(
    "path",
    [
        "dicom_not_head_ct/contrast_head_ct/toshiba_contrast_head.dcm",
        "dicom_not_head_ct/contrast_head_ct/cq500_ct0_cta_a.dcm",
        "dicom_not_head_ct/contrast_head_ct/cq500_ct0_cta_b.dcm",
        "dicom_transfer_syntaxes/ct_head_contrast_toshiba/explicit_le.dcm",
        "dicom_transfer_syntaxes/ct_head_contrast_toshiba/jpegls_near_lossless.dcm",
        "rsna_dicom/ID_294a912c8.dcm",
    ],
)
def test_contrast_medium_is_seen_in_one_slice(shared_data, path):
    assert Reason.CONTRAST_SUSPECTED in reasons(single(shared_data / path))


def test_contrast_medium_is_seen_in_a_scan(shared_data):
    found = check_scan(read_scan(shared_data / "head_ct_hu/cq500_ct0_cta_partial"))
    (contrast,) = (check for check in found if check.reason is Reason.CONTRAST_SUSPECTED)
    assert len(contrast.slices) >= 5


def test_single_slices_without_contrast_medium_are_rarely_suspected(shared_data):
    suspected = looked_at = 0
    for scan in rsna_scans(shared_data):
        if scan.name in {RSNA_ANGIOGRAPHY, RSNA_SCANNED_TWICE}:
            continue
        for number in range(len(scan.slices)):
            suspected += Reason.CONTRAST_SUSPECTED in reasons(part(scan, [number], independent=True))
            looked_at += 1
    assert looked_at > 1600
    assert suspected / looked_at < 0.01


def test_vessels_drawn_into_a_plain_head_are_contrast_and_a_drain_is_not(head):
    filled, drained = head.hu.copy(), head.hu.copy()
    for number in range(12, 25):
        for start, end in (((200, 240), (240, 200)), ((300, 200), (330, 250)), ((240, 330), (270, 380))):
            cv2.line(filled[number], start, end, 220, 6)
    for number in range(17, 20):
        cv2.line(drained[number], (200, 200), (260, 260), 900, 6)
    assert Reason.CONTRAST_SUSPECTED in reasons(replace(head, hu=filled))
    assert Reason.CONTRAST_SUSPECTED not in reasons(replace(head, hu=drained))


# Hounsfield units


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda hu: hu.clip(-1024) + 1024, {Reason.HU_IMPLAUSIBLE}),  # stored values without their rescale
        (lambda hu: hu.clip(0, 80) * (255 / 80), {Reason.HU_IMPLAUSIBLE}),  # grey levels
        (lambda hu: hu.clip(-1024) + 1024 + 24, {Reason.HU_IMPLAUSIBLE}),
        (lambda hu: np.where(hu > -900, hu + 40, hu), {Reason.HU_IMPLAUSIBLE}),  # a wrong intercept
        (lambda hu: np.where(hu > -900, hu - 40, hu), {Reason.HU_IMPLAUSIBLE, Reason.NOT_HEAD}),
        (lambda hu: hu * 2, {Reason.HU_IMPLAUSIBLE, Reason.NOT_HEAD}),  # a wrong slope
        (lambda hu: hu + 1000, {Reason.HU_IMPLAUSIBLE, Reason.NOT_HEAD}),
        (lambda hu: -hu, {Reason.HU_IMPLAUSIBLE, Reason.NOT_HEAD}),
        (lambda hu: np.zeros_like(hu), {Reason.HU_IMPLAUSIBLE}),
        (lambda hu: np.full_like(hu, -1024), {Reason.NOT_HEAD}),
    ],
)
def test_a_scan_that_is_not_in_hu_gets_a_hard_reason(head, spoil, expected):
    found = reasons(replace(head, hu=spoil(head.hu).astype(np.int16)))
    assert found & expected
    assert any(reason.severity is Severity.HARD for reason in found)


# Strong compression


@pytest.mark.parametrize("group", ["ct_head_cq500_sdh", "ct_head_contrast_toshiba"])
def test_strong_jpeg_2000_is_told(shared_data, group):
    folder = shared_data / "dicom_transfer_syntaxes" / group
    assert Reason.LOSSY_STRONG in reasons(single(folder / "jpeg2000_lossy.dcm"))
    assert Reason.LOSSY_STRONG not in reasons(single(folder / "jpeg2000_lossless.dcm"))


def test_a_smoothed_head_has_lost_its_detail(head):
    smooth = np.stack([cv2.bilateralFilter(hu.astype(np.float32), 11, 60, 5) for hu in head.hu]).astype(np.int16)
    assert Reason.LOSSY_STRONG in reasons(replace(head, hu=smooth))


# Unreadable slices and pictures


def test_an_unreadable_slice_is_not_compared(head):
    slices = tuple(replace(one, readable=i not in (0, 15)) for i, one in enumerate(head.slices))
    volume = head.hu.copy()
    volume[[0, 15]] = -1024
    assert reasons(replace(head, hu=volume, slices=slices)) == {Reason.UNEVEN_SPACING}
    assert Reason.SLICE_HU_IMPLAUSIBLE in reasons(replace(head, hu=volume))


def test_a_scan_without_a_readable_slice_is_left_to_its_other_reasons(head):
    slices = tuple(replace(one, readable=False) for one in head.slices)
    assert reasons(replace(head, slices=slices)) == {Reason.UNEVEN_SPACING}


@pytest.mark.parametrize("window", [Window(40, 80), Window(40, 120), RSNA_WINDOW])
def test_clipped_to_a_window_the_head_passes_all_the_same(head, window):
    clipped = replace(head, hu=head.hu.clip(window.low, window.high).astype(np.int16), window=window)
    assert reasons(clipped) == {Reason.UNEVEN_SPACING}
