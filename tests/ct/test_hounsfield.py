"""Stored values to HU: rescale, padding, unused bits, and the wrap of RSNA 2019, on real slices stored in new ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset

from hemoscope.ct.dicom_file import read_header
from hemoscope.ct.hounsfield import AIR_HU, HIGHEST_HU, to_hounsfield
from hemoscope.ct.inputs import InputFile
from hemoscope.ct.pixels import DecodedFrames, Decoder, hu_frames
from hemoscope.reasons import HemoscopeError, Reason


@pytest.fixture
def original(examples: Path) -> FileDataset:
    return dcmread(examples / "ge_tilted_head_series" / "14.dcm")


@pytest.fixture
def hu(examples: Path) -> np.ndarray:
    """What a slice of the GE series is in HU, by pydicom."""
    whole = dcmread(examples / "ge_tilted_head_series" / "14.dcm")
    stored = whole.pixel_array * int(whole.RescaleSlope) + int(whole.RescaleIntercept)
    return np.clip(stored, AIR_HU, HIGHEST_HU).astype(np.int16)


def save(dataset: FileDataset, path: Path, stored: np.ndarray, **attributes: object) -> InputFile:
    dataset.PixelData = stored.tobytes()
    for keyword in ("PixelPaddingValue", "SmallestImagePixelValue", "LargestImagePixelValue"):
        if keyword in dataset:
            del dataset[keyword]
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    for keyword, value in attributes.items():
        if keyword.startswith("PixelPadding"):  # its VR depends on the pixels
            dataset.add_new(keyword, "SS" if stored.dtype.kind == "i" else "US", value)
        else:
            setattr(dataset, keyword, value)
    dataset.HighBit = attributes.get("HighBit", dataset.BitsStored - 1)
    dataset.save_as(path)
    return InputFile.from_path(path)


def read(file: InputFile) -> DecodedFrames:
    with Decoder(1) as decoder:
        (result,) = decoder.decode([(file, read_header(file))])
    assert isinstance(result, DecodedFrames), result
    return result


@pytest.mark.parametrize(
    ("dtype", "bits", "slope", "intercept"),
    [("<i2", 16, 1, 0), ("<i2", 16, 1, -1024), ("<u2", 16, 1, -1024), ("<u2", 12, 1, -1024), ("<i2", 13, 1, 0),
     ("<i2", 16, 1, -1000), ("<u2", 16, 0.5, -1024), ("<i2", 16, 0.25, 0), ("<u2", 16, 0.2, -8192)],
)  # fmt: skip
def test_a_real_slice_has_the_same_hu_however_it_is_stored(
    original: FileDataset, hu: np.ndarray, tmp_path: Path, dtype: str, bits: int, slope: float, intercept: int
) -> None:
    stored = np.rint((hu - intercept) / slope).astype(dtype)
    file = save(original, tmp_path / "a", stored, BitsStored=bits, RescaleSlope=slope, RescaleIntercept=intercept)
    assert np.array_equal(read(file).hu[0], hu)


def test_each_file_is_rescaled_by_its_own_header(original: FileDataset, hu: np.ndarray, tmp_path: Path) -> None:
    files = [
        save(original, tmp_path / str(intercept), (hu - intercept).astype("<i2"), RescaleIntercept=intercept)
        for intercept in (0, -1024, -100)
    ]
    assert all(np.array_equal(read(file).hu[0], hu) for file in files)


def test_unused_bits_are_ignored(original: FileDataset, hu: np.ndarray, tmp_path: Path) -> None:
    """PS3.5 8.1.1: overlays used to lie in the bits above BitsStored."""
    stored = (hu + 1024).astype("<u2") | 0xA000
    assert np.array_equal(read(save(original, tmp_path / "a", stored, BitsStored=12, RescaleIntercept=-1024)).hu[0], hu)


def test_values_at_the_upper_end_of_the_word_are_shifted_down(
    original: FileDataset, hu: np.ndarray, tmp_path: Path
) -> None:
    stored = (hu + 1024).astype("<u2") << 4
    file = save(original, tmp_path / "a", stored, BitsStored=12, HighBit=15, RescaleIntercept=-1024)
    assert np.array_equal(read(file).hu[0], hu)


@pytest.mark.parametrize(
    ("dtype", "padding", "attributes"),
    [
        ("<i2", -2000, {}),
        ("<u2", 63536, {}),  # -2000 written into unsigned pixels, and no word of it
        ("<u2", 63536, {"PixelPaddingValue": 63536}),
        ("<i2", -2000, {"PixelPaddingValue": -2000}),
        ("<i2", 30000, {"PixelPaddingValue": 30000}),
        ("<u2", 4095, {"PixelPaddingValue": 4095}),
        ("<u2", 4001, {"PixelPaddingValue": 3999, "PixelPaddingRangeLimit": 4003}),
        ("<u2", 4001, {"PixelPaddingValue": 4003, "PixelPaddingRangeLimit": 3999}),
        ("<i2", -32768, {"PixelPaddingValue": -32768}),
    ],
)
def test_padding_becomes_air(
    original: FileDataset, hu: np.ndarray, tmp_path: Path, dtype: str, padding: int, attributes: dict[str, int]
) -> None:
    stored = (hu + 1024).astype(dtype)
    stored[:50] = padding
    expected = hu.copy()
    expected[:50] = AIR_HU
    file = save(original, tmp_path / "a", stored, RescaleIntercept=-1024, **attributes)
    assert np.array_equal(read(file).hu[0], expected)


def test_padding_value_that_is_tissue_punches_no_holes(original: FileDataset, hu: np.ndarray, tmp_path: Path) -> None:
    """PixelPaddingValue 0 in HU stored as they are: 0 HU is water."""
    assert (hu == 0).any()
    file = save(original, tmp_path / "a", hu.astype("<i2"), RescaleIntercept=0, PixelPaddingValue=0)
    assert np.array_equal(read(file).hu[0], hu)


def wrap(hu: np.ndarray) -> np.ndarray:
    """12 bits unsigned with intercept 0: what is below 0 HU wraps to the upper end."""
    return (np.maximum(hu, -1000).astype(np.int32) % 4096).astype("<u2")


def test_wrapped_slice_is_put_right_and_flagged(original: FileDataset, hu: np.ndarray, tmp_path: Path) -> None:
    file = save(original, tmp_path / "a", wrap(hu), BitsStored=12, RescaleIntercept=0)
    result = read(file)
    assert result.notes == (Reason.RSNA_WRAP_REPAIRED,)
    assert np.array_equal(result.hu[0], np.maximum(hu, -1000))


def test_real_rsna_slices_that_are_not_wrapped_are_not_repaired(shared_data: Path) -> None:
    paths = sorted((shared_data / "rsna_dicom").glob("*.dcm"))
    assert len(paths) >= 10
    files = [InputFile.from_path(path) for path in paths]
    for file in files:
        whole = dcmread(file.path)
        expected = whole.pixel_array * float(whole.RescaleSlope) + float(whole.RescaleIntercept)
        result = read(file)
        assert result.notes == () and np.array_equal(result.hu[0], np.clip(expected, AIR_HU, HIGHEST_HU)), file.name


def test_slice_clipped_at_0_hu_with_some_metal_is_left_alone(
    original: FileDataset, hu: np.ndarray, tmp_path: Path
) -> None:
    stored = np.maximum(hu, 0).astype("<u2")
    stored[200:220, 200:220] = 4095  # 0.15% of the picture
    result = read(save(original, tmp_path / "a", stored, BitsStored=12, RescaleIntercept=0))
    assert result.notes == () and result.hu[0, 210, 210] == HIGHEST_HU and result.hu.min() == 0


def test_monochrome1_says_how_to_display_and_changes_no_hu(
    original: FileDataset, hu: np.ndarray, tmp_path: Path
) -> None:
    file = save(original, tmp_path / "a", hu.astype("<i2"), RescaleIntercept=0, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(read(file).hu[0], hu)


@pytest.mark.parametrize(("slope", "intercept"), [(None, -1024), (1, None), (0, -1024), (-1, 0), (32, -4047)])
def test_rescale_that_gives_no_hu_is_refused(
    original: FileDataset, hu: np.ndarray, tmp_path: Path, slope: float | None, intercept: float | None
) -> None:
    file = save(original, tmp_path / "a", hu.astype("<i2"), RescaleSlope=slope, RescaleIntercept=intercept)
    with pytest.raises(HemoscopeError) as caught:
        hu_frames(file, read_header(file))
    assert caught.value.reason is Reason.NO_HOUNSFIELD_UNITS and "a " in caught.value.sentence


@given(
    stored=hnp.arrays(st.sampled_from(["i2", "u2"]).map(np.dtype), (4, 5)),
    slope=st.sampled_from([1, 0.5, 2.0002442]),
    intercept=st.integers(-5000, 5000),
)
def test_hu_are_the_clipped_line_for_all_values(stored: np.ndarray, slope: float, intercept: int) -> None:
    """No overflow anywhere in the 16 bits; only the usual padding is another thing."""
    header = Dataset()
    header.RescaleSlope, header.RescaleIntercept = slope, intercept
    expected = np.clip(np.rint(stored.astype(np.float64) * slope + intercept), AIR_HU, HIGHEST_HU)
    if stored.dtype.kind == "u":
        expected[stored == 63536] = AIR_HU
    hu, repaired = to_hounsfield(stored, header, "a.dcm")
    assert hu.dtype == np.int16 and not repaired
    assert np.abs(hu - expected).max() <= (slope != 1)  # float32 may round a half the other way
