"""Enhanced multi-frame CT, made of real slices of the GE series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileDataset
from pydicom.uid import EnhancedCTImageStorage

from hemoscope.ct.dicom_file import read_header
from hemoscope.ct.eligibility import check_eligible
from hemoscope.ct.enhanced import FUNCTIONAL_GROUPS, frame_headers
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.pixels import hu_frames
from hemoscope.reasons import HemoscopeError, Reason


def item(**attributes: object) -> list[Dataset]:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return [dataset]


@pytest.fixture
def slices(examples: Path) -> list[FileDataset]:
    return [dcmread(path) for path in sorted((examples / "ge_tilted_head_series").glob("*.dcm"))[:5]]


@pytest.fixture
def enhanced(slices: list[FileDataset]) -> FileDataset:
    """An Enhanced CT Image (PS3.3 A.38): position and rescale differ by frame, the rest is shared."""
    image = dcmread(slices[0].filename)
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    image.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    image.NumberOfFrames = len(slices)
    shared, frames, pixels = Dataset(), [], []
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=image.ImageOrientationPatient)
    shared.PixelMeasuresSequence = item(PixelSpacing=image.PixelSpacing, SliceThickness=image.SliceThickness)
    shared.CTImageFrameTypeSequence = item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    for number, source in enumerate(slices):
        frame = Dataset()
        frame.PlanePositionSequence = item(ImagePositionPatient=source.ImagePositionPatient)
        frame.PixelValueTransformationSequence = item(
            RescaleIntercept=int(source.RescaleIntercept) - number, RescaleSlope=1, RescaleType="HU"
        )
        frames.append(frame)
        pixels.append((source.pixel_array.astype(np.int16) + number).tobytes())
    image.SharedFunctionalGroupsSequence = [shared]
    image.PerFrameFunctionalGroupsSequence = frames
    image.PixelData = b"".join(pixels)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
                    "RescaleIntercept", "RescaleSlope", "RescaleType"):  # fmt: skip
        if keyword in image:
            del image[keyword]
    return image


def save(image: FileDataset, path: Path) -> InputFile:
    image.save_as(path, enforce_file_format=True)
    return InputFile.from_path(path)


def test_each_frame_has_the_geometry_and_the_hu_of_its_slice(
    enhanced: FileDataset, slices: list[FileDataset], tmp_path: Path
) -> None:
    file = save(enhanced, tmp_path / "enhanced.dcm")
    header = read_header(file)
    assert check_eligible(header, file.name) is None
    headers, hu = frame_headers(header), hu_frames(file, header)
    assert len(headers) == len(hu) == len(slices)
    for frame, values, source in zip(headers, hu, slices, strict=True):
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
                        "PatientID", "Rows", "StudyInstanceUID"):  # fmt: skip
            assert frame[keyword].value == source[keyword].value, keyword
        expected = source.pixel_array * int(source.RescaleSlope) + int(source.RescaleIntercept)
        assert np.array_equal(values, np.clip(expected, -1024, 3071))


def test_frame_groups_win_over_shared_ones(enhanced: FileDataset, tmp_path: Path) -> None:
    enhanced.PerFrameFunctionalGroupsSequence[2].PixelMeasuresSequence = item(SliceThickness=9, PixelSpacing=[1, 1])
    headers = frame_headers(read_header(save(enhanced, tmp_path / "a")))
    assert [float(header.SliceThickness) for header in headers][1:4] == [4.0, 9.0, 4.0]


def test_functional_groups_are_called_as_in_the_standard() -> None:
    for group, keywords in FUNCTIONAL_GROUPS.items():
        assert all(tag_for_keyword(keyword) is not None for keyword in (group, *keywords)), group


def test_plain_header_is_its_own_frame(examples: Path) -> None:
    header = read_header(InputFile.from_path(examples / "ge_tilted_head_series" / "01.dcm"))
    assert frame_headers(header) == (header,)


def test_frames_that_are_not_all_described_are_refused(enhanced: FileDataset, tmp_path: Path) -> None:
    enhanced.NumberOfFrames = 4
    with pytest.raises(HemoscopeError) as caught:
        read_header(save(enhanced, tmp_path / "a"))
    assert caught.value.reason is Reason.NOT_READABLE


def test_enhanced_perfusion_map_is_refused_by_its_frame_type(enhanced: FileDataset, tmp_path: Path) -> None:
    shared = enhanced.SharedFunctionalGroupsSequence[0]
    shared.CTImageFrameTypeSequence = item(FrameType=["DERIVED", "PRIMARY", "PERFUSION", "RCBF"])
    check = check_eligible(read_header(save(enhanced, tmp_path / "a")), "a")
    assert check is not None and check.reason is Reason.NO_HOUNSFIELD_UNITS


def test_enhanced_ct_that_is_compressed_is_read_frame_by_frame(
    enhanced: FileDataset, slices: list[FileDataset], tmp_path: Path
) -> None:
    plain = save(enhanced, tmp_path / "plain")
    expected = hu_frames(plain, read_header(plain))
    enhanced.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)  # RLE lossless
    packed = save(enhanced, tmp_path / "rle")
    assert packed.size < plain.size
    assert np.array_equal(hu_frames(packed, read_header(packed)), expected)
