"""DICOM series of any length, made of the real GE slices in examples/ with new positions and UIDs."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "ge_tilted_head_series"


def write_series(
    folder: Path, slices: int, spacing_mm: float, transfer_syntax: UID = ExplicitVRLittleEndian
) -> list[Path]:
    """Write `slices` files that cover the head once, each GE slice repeated as often as needed.

    spacing_mm: distance of neighbouring slices along the normal. Neighbours may hold equal pixels; none is skipped for
    that reason by anything that is measured here.
    """
    originals = [dcmread(path) for path in sorted(EXAMPLE.glob("*.dcm"))]
    series_uid, study_uid = generate_uid(), generate_uid()
    folder.mkdir(parents=True)
    paths = []
    for index in range(slices):
        dataset = copy.deepcopy(originals[index * len(originals) // slices])
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series_uid, study_uid
        _place(dataset, originals[0], index, spacing_mm)
        if transfer_syntax.is_compressed:
            dataset.compress(transfer_syntax, generate_instance_uid=False)
        paths.append(folder / f"{index + 1:04d}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def _place(dataset: Dataset, first: Dataset, index: int, spacing_mm: float) -> None:
    """Give a slice its own identity and a position that keeps the gantry tilt of the original (a shear along z)."""
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.InstanceNumber = index + 1
    dataset.SliceThickness = spacing_mm
    row, column = np.reshape(first.ImageOrientationPatient, (2, 3)).astype(float)
    step_z_mm = spacing_mm / abs(np.cross(row, column)[2])
    x, y, z = first.ImagePositionPatient
    dataset.ImagePositionPatient = [x, y, round(float(z) + index * step_z_mm, 4)]
    dataset.SliceLocation = dataset.ImagePositionPatient[2]
