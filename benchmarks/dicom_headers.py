"""Claim: at least 300 DICOM headers a second and core are checked, and kept so that a stopped scan goes on.

Files with the few elements that RSNA 2019 has, in the disk cache. Plain pydicom reads the same values in a loop, checks
nothing and keeps nothing. The second scan reads what the first one kept.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import warnings
from pathlib import Path

from made_series import write_series
from measure import in_turn, report
from pydicom import dcmread

from hemoscope.datasets.importing.headers import scan_headers

FILES = 1500
KEYWORDS = ("SOPInstanceUID", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "ImagePositionPatient",
            "ImageOrientationPatient", "PixelSpacing")  # fmt: skip
# The other elements of an RSNA 2019 file.
OTHERS = ("Modality", "StudyID", "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated",
          "BitsStored", "HighBit", "PixelRepresentation", "WindowCenter", "WindowWidth", "RescaleIntercept",
          "RescaleSlope", "PixelData")  # fmt: skip
LIMIT_SECONDS = 5.0
REPEATS = 5


def write_files(folder: Path) -> list[str]:
    """Write slices without what RSNA 2019 took out of their headers."""
    paths = write_series(folder, FILES, spacing_mm=5.0)
    for path in paths:
        image = dcmread(path)
        for element in list(image):
            if element.keyword not in (*KEYWORDS, *OTHERS):
                del image[element.tag]
        image.save_as(path)
    return [path.name for path in paths]


def plain(folder: Path, names: list[str]) -> list[list[object]]:
    """What a script for the challenge does."""
    headers = (dcmread(folder / name, stop_before_pixels=True, specific_tags=list(KEYWORDS)) for name in names)
    return [[header.get(keyword) for keyword in KEYWORDS] for header in headers]


def main() -> None:
    """Measure and report."""
    warnings.simplefilter("ignore")  # of pydicom, in the plain loop
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "files"
        names = write_files(folder)
        caches = (Path(work) / f"cache{number}" for number in range(10 * REPEATS))

        def scan(jobs: int, cache: Path) -> None:
            table, found = scan_headers(folder, names, jobs, lambda done, total: None, cache)
            if len(table) != FILES or found:
                raise SystemExit("The scan did not read every file.")

        kept = Path(work) / "kept"
        scan(1, kept)
        seconds = in_turn(
            {
                "scan, 1 process": lambda: scan(1, next(caches)),
                f"scan, {cores} processes with their start": lambda: scan(cores, next(caches)),
                "scan again": lambda: scan(1, kept),
                "plain pydicom, specific_tags": lambda: plain(folder, names),
            },
            REPEATS,
        )
    files = {name: FILES / statistics.median(values) for name, values in seconds.items()}
    report(
        "dicom headers: 1,500 files",
        seconds,
        LIMIT_SECONDS,
        scan_files_per_second=files["scan, 1 process"],
        plain_files_per_second=files["plain pydicom, specific_tags"],
    )


if __name__ == "__main__":
    main()
