"""Make `examples/physionet_ct_ich` from the pictures of CT-ICH (PhysioNet, open-access release 1.0.0).

    python scripts/make_examples.py DATA_COLLECTION/physionet_ct_ich examples/physionet_ct_ich

Three patients become NIfTI volumes in Hounsfield units, restored from the published brain window. Slices that show
the face or the orbits stay out. `examples/physionet_ct_ich/README.md` says how the patients were chosen.
"""

from __future__ import annotations

import csv
import gzip
import sys
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np

from hemoscope.ct.windows import Window, from_grey

PUBLISHED_WINDOW = Window(40, 120)  # of the release; black is -20 HU or less, white is 100 HU or more
SLICE_SPACING_MM = 5.0  # as published
PIXEL_SPACING_MM = 0.6  # assumed: the release gives none; makes the adult heads about 150 mm wide

# First slice that shows neither face nor orbits (numbers of the release, from 1, caudal to cranial).
FIRST_SLICE = {52: 9, 77: 14, 101: 11}

SUBTYPES = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")  # order of FINDINGS


def kept_slices(collection: Path, patient: int) -> list[dict[str, str]]:
    """Rows of the label table for the slices of a patient above the orbits, foot to head."""
    with (collection / "slices.csv").open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if int(row["patient"]) == patient]
    kept = [row for row in rows if int(row["slice"]) >= FIRST_SLICE[patient]]
    return sorted(kept, key=lambda row: int(row["slice"]))


def read_volume(collection: Path, rows: list[dict[str, str]]) -> np.ndarray:
    """HU int16 [slice, row, column] of the pictures named in `rows`."""
    pictures = [cv2.imread(str(collection / row["file"]), cv2.IMREAD_GRAYSCALE) for row in rows]
    return from_grey(np.stack(pictures), PUBLISHED_WINDOW)


def to_nifti(hu: np.ndarray) -> nib.Nifti1Image:
    """Wrap HU [slice, row, column] in radiological display order as NIfTI (axes i: column, j: row, k: slice)."""
    # NIfTI points to the patient's left, front and top: columns run to the left of the picture's reader, that is from
    # the patient's right to the left (-x), rows from anterior to posterior (-y).
    affine = np.diag([-PIXEL_SPACING_MM, -PIXEL_SPACING_MM, SLICE_SPACING_MM, 1.0])
    image = nib.Nifti1Image(np.ascontiguousarray(hu.transpose(2, 1, 0)), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = f"approximate HU from window {PUBLISHED_WINDOW}, pixel size assumed"
    return image


def main(collection: Path, out: Path) -> None:
    """Write a volume a patient and one label table."""
    out.mkdir(parents=True, exist_ok=True)
    labels = []
    for patient in sorted(FIRST_SLICE):
        rows = kept_slices(collection, patient)
        volume = f"patient_{patient:03d}.nii.gz"
        content = to_nifti(read_volume(collection, rows)).to_bytes()
        (out / volume).write_bytes(gzip.compress(content, compresslevel=9, mtime=0))
        for index, row in enumerate(rows):
            subtypes = [int(row[name]) for name in SUBTYPES]
            labels.append([volume, index, row["slice"], *subtypes, int(any(subtypes)), int(row["fracture"])])
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["file", "slice", "slice_in_release", *SUBTYPES, "any", "fracture"])
        writer.writerows(labels)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
