"""Slices that a Manifest names are the slices that detection reads, turned the same way."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hemoscope import read_scan
from hemoscope.ct.pixels import Decoder
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.read_slices import SlicePixels, SliceSource, read_slices, slice_sources
from hemoscope.reasons import HemoscopeError, Reason


def read_all(sources: list[SliceSource]) -> list[SlicePixels | HemoscopeError]:
    with Decoder(jobs=1) as decoder:
        results = dict(read_slices(sources, decoder))
    assert sorted(results) == list(range(len(sources)))
    return [results[number] for number in range(len(sources))]


def test_the_slices_of_a_dicom_series_are_those_of_its_scan(examples: Path) -> None:
    scan = read_scan(examples / "ge_tilted_head_series")
    sources = [SliceSource(examples / one.source, one.source) for one in scan.slices]
    for index, read in enumerate(read_all(sources)):
        assert isinstance(read, SlicePixels)
        assert read.window is None and read.spacing_mm == scan.pixel_spacing_mm
        assert read.pixels.dtype == np.int16 and (read.pixels == scan.hu[index]).all()


def test_the_slices_of_a_nifti_volume_are_found_by_their_stored_number(examples: Path) -> None:
    path = examples / "physionet_ct_ich" / "patient_077.nii.gz"
    scan = read_scan(path)
    frames = [one.frame for one in scan.slices]
    assert frames == list(range(18))
    for frame, read in zip([5, 0], read_all([SliceSource(path, "077", 5), SliceSource(path, "077", 0)]), strict=True):
        assert isinstance(read, SlicePixels)
        assert (read.pixels == scan.hu[frame]).all()
        assert read.spacing_mm == scan.pixel_spacing_mm and read.window == scan.window


def test_compressed_files_are_read_as_the_uncompressed_ones(shared_data: Path) -> None:
    folder = shared_data / "dicom_transfer_syntaxes" / "ct_head_cq500_sdh"
    plain, packed = read_all(
        [SliceSource(folder / f"{name}.dcm", name) for name in ("explicit_le", "jpeg2000_lossless")]
    )
    assert isinstance(plain, SlicePixels) and isinstance(packed, SlicePixels)
    assert (plain.pixels == read_scan(folder / "explicit_le.dcm").hu[0]).all() and plain.pixels.std() > 100
    assert (packed.pixels == plain.pixels).all()


@pytest.mark.parametrize(("orientation", "axes"), [(None, ()), ("LP", ()), ("LA", (0,)), ("RP", (1,)), ("RA", (0, 1))])
def test_a_picture_is_turned_to_radiological_display(
    examples: Path, tmp_path: Path, orientation: str | None, axes: tuple[int, ...]
) -> None:
    """The picture of a real slice, stored as its orientation says, comes out as the slice was."""
    grey = np.clip(read_scan(examples / "ge_tilted_head_series").hu[15], 0, 255).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), np.flip(grey, axes))
    (read,) = read_all([SliceSource(tmp_path / "a.png", "a.png", None, "127.5/255", orientation, (0.5, 0.5))])
    assert isinstance(read, SlicePixels) and read.window is not None
    assert read.pixels.dtype == np.uint8 and (read.pixels == grey).all()
    assert (read.window.low, read.window.high) == (0, 255) and read.spacing_mm == (0.5, 0.5)


def test_what_cannot_be_read_is_told_and_the_others_go_on(examples: Path, tmp_path: Path) -> None:
    good = examples / "ge_tilted_head_series" / "05.dcm"
    volume = examples / "physionet_ct_ich" / "patient_077.nii.gz"
    (tmp_path / "cut.dcm").write_bytes(good.read_bytes()[:200_000])
    (tmp_path / "text.dcm").write_text("no slice", encoding="utf-8")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64), np.uint8))
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    cases = [
        (SliceSource(tmp_path / "gone.dcm", "d/gone.dcm"), Reason.NOT_READABLE, "d/gone.dcm"),
        (SliceSource(tmp_path / "cut.dcm", "d/cut.dcm"), Reason.PIXELS_UNREADABLE, "end early"),
        (SliceSource(tmp_path / "text.dcm", "d/text.dcm"), Reason.NOT_READABLE, "not DICOM"),
        (SliceSource(volume, "volume"), Reason.NOT_READABLE, "18 slices"),
        (SliceSource(volume, "volume", 18), Reason.NOT_READABLE, "not number 18"),
        (SliceSource(tmp_path / "a.png", "a.png"), Reason.NO_HOUNSFIELD_UNITS, "window"),
        (SliceSource(tmp_path / "a.png", "a.png", None, "40/80", "AF"), Reason.NOT_AXIAL, "AF"),
        (SliceSource(tmp_path / "cut.png", "cut.png", None, "40/80"), Reason.NOT_READABLE, "cut.png"),
        (SliceSource(tmp_path, "a folder"), Reason.NOT_READABLE, "a folder"),
    ]
    *reads, last = read_all([*(source for source, _, _ in cases), SliceSource(good, "good")])
    for read, (_, reason, words) in zip(reads, cases, strict=True):
        assert isinstance(read, HemoscopeError)
        assert read.reason is reason and words in read.sentence
    assert isinstance(last, SlicePixels)


def test_a_localizer_is_not_read_as_a_slice(shared_data: Path) -> None:
    localizers = sorted((shared_data / "dicom_not_head_ct" / "ct_localizer").rglob("*.dcm"))
    reads = read_all([SliceSource(path, path.name) for path in localizers])
    assert reads and all(isinstance(read, HemoscopeError) for read in reads)


def test_sources_are_what_the_manifest_says(tmp_path: Path) -> None:
    columns = {
        "path": ["a/1.png", "b.nii.gz"],
        "series": ["a", "b"],
        "frame": [None, 3],
        "window": ["40/80", None],
        "patient_orientation": ["LA", None],
        "row_spacing_mm": [0.5, None],
        "column_spacing_mm": [0.25, 0.5],
    }
    assert slice_sources(Manifest.from_columns("set", tmp_path, columns)) == [
        SliceSource(tmp_path / "a" / "1.png", "set/a/1.png", None, "40/80", "LA", (0.5, 0.25)),
        SliceSource(tmp_path / "b.nii.gz", "set/b.nii.gz", 3),
    ]
