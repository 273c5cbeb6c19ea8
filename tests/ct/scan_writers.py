"""Writes volumes as DICOM series and NIfTI files in any orientation, from the place of every voxel in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

STUDY_UID, SERIES_UID = "1.2.3.4", "1.2.3.4.5"
Voxels = NDArray[np.int16]
Places = NDArray[np.float64]


def places_of(shape: tuple[int, int, int], *, spacing=(0.5, 0.5), step=5.0, tilt_degrees=0.0, origin=(-60, -90, 10)):
    """The place of each voxel [slice, row, column, xyz] of a volume in display order, in the axes of DICOM, mm.

    Tilted as scanners do it: slices lean about the left-right axis, the table goes on along z; step: along the normal.
    """
    tilt = np.radians(tilt_degrees)
    down = np.array([0, np.cos(tilt), -np.sin(tilt)]) * spacing[0]
    right = np.array([1.0, 0, 0]) * spacing[1]
    table = np.array([0, 0, step / np.cos(tilt)])
    k, r, c = np.indices(shape)
    return np.array(origin, float) + k[..., None] * table + r[..., None] * down + c[..., None] * right


def turn(array, *, transpose: bool, flip_rows: bool, flip_columns: bool):
    """Store slices [slice, row, column, ...] another way; the same for voxels and for their places."""
    array = array[:, :: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    return array.swapaxes(1, 2) if transpose else array


def header(**attributes) -> Dataset:
    """The header of a plain CT slice, without place and pixels."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.0"
    defaults = {
        "SOPClassUID": CTImageStorage, "Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "PatientID": "P1", "StudyInstanceUID": STUDY_UID, "SeriesInstanceUID": SERIES_UID, "SeriesNumber": "2",
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 16,
        "HighBit": 15, "PixelRepresentation": 1, "RescaleSlope": "1", "RescaleIntercept": "0", "SliceThickness": "5",
    }  # fmt: skip
    for keyword, value in {**defaults, **attributes}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def geometry_of(places: Places) -> dict[str, list[float]]:
    """Position, orientation and pixel spacing of one slice from the places of its voxels [row, column, xyz]."""
    along_row, along_column = places[0, 1] - places[0, 0], places[1, 0] - places[0, 0]
    row_mm, column_mm = np.linalg.norm(along_column), np.linalg.norm(along_row)
    orientation = [*(along_row / column_mm), *(along_column / row_mm)]
    return {
        "ImagePositionPatient": [round(float(v), 5) for v in places[0, 0]],
        "ImageOrientationPatient": [round(float(v), 7) for v in orientation],
        "PixelSpacing": [round(float(row_mm), 5), round(float(column_mm), 5)],
    }


def write_slice(path: Path, pixels: Voxels, places: Places | None, **attributes) -> Path:
    """Write one slice [row, column] as DICOM; places None: without position."""
    rows, columns = pixels.shape
    geometry = {} if places is None else geometry_of(places)
    dataset = header(Rows=rows, Columns=columns, **{**geometry, **attributes})
    dataset.PixelData = np.ascontiguousarray(pixels, "<i2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def write_series(
    folder: Path, hu: Voxels, places: Places | None, names: Sequence[str] | None = None, **attributes
) -> list[Path]:
    """Write a volume [slice, row, column], one file a slice; names: of the files without suffix."""
    uid = attributes.get("SeriesInstanceUID", SERIES_UID) or "1.2.9"
    return [
        write_slice(
            folder / f"{names[k] if names else k}.dcm",
            hu[k],
            None if places is None else places[k],
            **{"SOPInstanceUID": f"{uid}.{k + 1}", "InstanceNumber": str(k + 1), **attributes},
        )
        for k in range(len(hu))
    ]


def write_enhanced(path: Path, hu: Voxels, places: Places, **attributes) -> Path:
    """Write a volume as one enhanced multi-frame CT, its frames in the order given."""
    rows, columns = hu.shape[1:]
    enhanced = {
        "SOPClassUID": EnhancedCTImageStorage, "NumberOfFrames": len(hu), "SOPInstanceUID": "1.2.3.9",
        "RescaleSlope": None, "RescaleIntercept": None, "SliceThickness": None,
    }  # fmt: skip
    dataset = header(Rows=rows, Columns=columns, **{**enhanced, **attributes})
    dataset.SharedFunctionalGroupsSequence = [Dataset()]
    dataset.PerFrameFunctionalGroupsSequence = [_frame_groups(frame_places) for frame_places in places]
    dataset.PixelData = np.ascontiguousarray(hu, "<i2").tobytes()
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def _frame_groups(places: Places) -> Dataset:
    geometry = geometry_of(places)
    groups = Dataset()
    groups.PlanePositionSequence = _item(ImagePositionPatient=geometry["ImagePositionPatient"])
    groups.PlaneOrientationSequence = _item(ImageOrientationPatient=geometry["ImageOrientationPatient"])
    groups.PixelMeasuresSequence = _item(PixelSpacing=geometry["PixelSpacing"], SliceThickness="5")
    groups.PixelValueTransformationSequence = _item(RescaleSlope="1", RescaleIntercept="0", RescaleType="HU")
    groups.CTImageFrameTypeSequence = _item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    return groups


def _item(**attributes) -> DicomSequence:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return DicomSequence([dataset])


def affine_of(places: Places) -> NDArray[np.float64]:
    """The NIfTI affine (to right, anterior, superior) of a volume stored as its places [i, j, k, xyz] say."""
    first = places[0, 0, 0]
    affine = np.eye(4)
    affine[:3, :3] = np.array([places[1, 0, 0] - first, places[0, 1, 0] - first, places[0, 0, 1] - first]).T
    affine[:3, 3] = first
    return np.diag([-1, -1, 1, 1]) @ affine


def write_nifti(path: Path, voxels, places: Places, **header_fields) -> Path:
    """Write a volume stored as it is, with the affine of its places; header_fields are set before writing."""
    image = nib.Nifti1Image(voxels, affine_of(places))
    image.header.set_xyzt_units("mm")
    for name, value in header_fields.items():
        image.header[name] = value
    nib.save(image, path)
    return path
