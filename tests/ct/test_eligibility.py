"""Objects that are no CT slices in HU are refused by their header, with the right reason."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from pydicom import Dataset

from hemoscope.ct.dicom_file import read_header
from hemoscope.ct.eligibility import check_eligible
from hemoscope.ct.inputs import InputFile
from hemoscope.reasons import Reason

# By header; what is CT of another part of the body is found in the pixels.
REASONS = {
    "ct_localizer": {Reason.LOCALIZER},
    "secondary_capture": {Reason.SECONDARY_CAPTURE},
    "dose_report_sr": {Reason.NOT_AN_IMAGE, Reason.SECONDARY_CAPTURE},
    "other_sr": {Reason.NOT_AN_IMAGE},
    "enhanced_ct": {Reason.NO_HOUNSFIELD_UNITS},
    "mr_head": {Reason.NOT_CT, Reason.SECONDARY_CAPTURE},
    "radiograph": {Reason.NOT_CT},
    "derived_objects": {Reason.NOT_AN_IMAGE},
    "contrast_head_ct": {None},
    "ct_abdomen": {None},
    "ct_spine": {None},
    "ct_neck": {None},
    "ct_phantom": {None},
}


def test_all_28_objects_that_are_no_head_ct(shared_data: Path) -> None:
    folder = shared_data / "dicom_not_head_ct"
    with (folder / "files.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 28
    for row in rows:
        file = InputFile.from_path(folder / row["file"])
        check = check_eligible(read_header(file), file.name)
        assert (check.reason if check else None) in REASONS[row["category"]], row["file"]
        if check:
            assert file.name in check.detail and check.detail.endswith(".") and "\n" not in check.detail


@pytest.fixture
def header(examples: Path) -> Dataset:
    return read_header(InputFile.from_path(examples / "ge_tilted_head_series" / "14.dcm"))


def test_every_slice_of_the_ge_series_is_eligible(examples: Path) -> None:
    for path in (examples / "ge_tilted_head_series").glob("*.dcm"):
        assert check_eligible(read_header(InputFile.from_path(path)), path.name) is None


def test_missing_sop_class_is_tolerated_in_ct(header: Dataset) -> None:
    del header.SOPClassUID
    assert check_eligible(header, "a") is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Modality": "MR"}, Reason.NOT_CT),
        ({"Modality": None}, Reason.NOT_CT),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.128"}, Reason.NOT_CT),  # PET
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.2"}, Reason.SECONDARY_CAPTURE),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.33", "Modality": "SR"}, Reason.NOT_AN_IMAGE),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1", "Modality": "DOC"}, Reason.NOT_AN_IMAGE),
        ({"Rows": None}, Reason.NOT_READABLE),  # cut off: a slice that is missing, not an object without slices
        ({"Rows": None, "SOPClassUID": "1.3.12.2.1107.5.9.1"}, Reason.NOT_AN_IMAGE),  # Siemens, non-image
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, Reason.LOCALIZER),
        ({"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED", "MIP"]}, Reason.SECONDARY_CAPTURE),
        ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "PERFUSION", "CBF"]}, Reason.NO_HOUNSFIELD_UNITS),
        ({"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]}, None),  # thick slices made of thin ones
        ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}, None),
        ({"ImageType": None}, None),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, Reason.SECONDARY_CAPTURE),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, Reason.SECONDARY_CAPTURE),
        ({"PhotometricInterpretation": "MONOCHROME1"}, None),
        ({"NumberOfFrames": 5}, Reason.SECONDARY_CAPTURE),
        ({"RescaleType": "HU"}, None),
        ({"RescaleType": "US"}, Reason.NO_HOUNSFIELD_UNITS),
        ({"RescaleType": "Z_EFF"}, Reason.NO_HOUNSFIELD_UNITS),
        ({"RescaleSlope": None}, Reason.NO_HOUNSFIELD_UNITS),
        ({"RescaleIntercept": None}, Reason.NO_HOUNSFIELD_UNITS),
    ],
)
def test_header_rules(header: Dataset, changes: dict[str, object], reason: Reason | None) -> None:
    for keyword, value in changes.items():
        if value is None:
            del header[keyword]
        else:
            setattr(header, keyword, value)
    check = check_eligible(header, "a.dcm")
    assert (check.reason if check else None) is reason


@pytest.mark.parametrize("length", [410, 450, 700, 1000, 1400, 1650])
def test_slice_that_is_cut_off_in_its_header_is_unreadable(examples: Path, tmp_path: Path, length: int) -> None:
    content = (examples / "ge_tilted_head_series" / "14.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(content[:length])
    check = check_eligible(read_header(InputFile.from_path(tmp_path / "a.dcm")), "a.dcm")
    assert check is not None and check.reason is Reason.NOT_READABLE


def test_retired_transfer_syntax_is_refused_before_decoding(shared_data: Path) -> None:
    folder = shared_data / "dicom_transfer_syntaxes" / "ct_chest_ge"
    for path in folder.glob("*retired.dcm"):
        check = check_eligible(read_header(InputFile.from_path(path)), path.name)
        assert check is not None and check.reason is Reason.TRANSFER_SYNTAX_UNSUPPORTED
