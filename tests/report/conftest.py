"""Detections for the report to show: real slices, with probabilities and maps made up from their masks."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from hemoscope.ct.prepare import head_crop
from hemoscope.ct.scan import Acquisition, Identifiers, Scan, Slice
from hemoscope.detector.detection import Detection, OperatingPoint, State
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import Check, Reason

GRID = 12  # rows and columns of the maps


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def detection_of(scan: Scan, scores: np.ndarray, blobs: dict[int, tuple[int, int]], state: State) -> Detection:
    """A detection with maps that are 9 logits strong around the given (row, column) of some slices."""
    crops = tuple(head_crop(hu, scan.pixel_spacing_mm) for hu in scan.hu)
    maps = np.full((len(scan.hu), len(FINDING_NAMES), GRID, GRID), -0.5, np.float32)
    for index, (row, column) in blobs.items():
        crop = crops[index]
        y, x = (row - crop.top) / crop.height * GRID - 0.5, (column - crop.left) / crop.width * GRID - 0.5
        ys, xs = np.mgrid[:GRID, :GRID]
        maps[index, :] += 9 * np.exp(-((ys - y) ** 2 + (xs - x) ** 2) / 3).astype(np.float32)
    return Detection(
        scan=scan,
        state=state,
        checks=scan.checks,
        bundle="default 1",
        bundle_sha256="ab" * 32,
        sensitive=OperatingPoint("sensitive", 0.12, 0.97, 0.71, 40, 59),
        specific=OperatingPoint("specific", 0.61, 0.88, 0.95, 40, 59),
        seconds={"read": 0.21, "network": 0.48, "total": 0.71},
        slice_probabilities=scores.astype(np.float32),
        scan_probabilities=np.nanmax(scores, axis=0).astype(np.float32),
        maps=maps,
        crops=crops,
    )


@pytest.fixture(scope="session")
def tilted_scan(examples: Path) -> Scan:
    """The GE series, 28 slices of true HU, with identifiers put in that must not come out."""
    paths = sorted((examples / "ge_tilted_head_series").glob("*.dcm"))
    headers = [pydicom.dcmread(path) for path in paths]
    hu = np.stack([header.pixel_array for header in headers]).astype(np.int16)
    hu[hu == -1500] = -1024
    slices = tuple(
        Slice(f"DOE^JANE/{path.name}", sha256(path), str(header.SOPInstanceUID), position_mm=float(4.0 * index))
        for index, (path, header) in enumerate(zip(paths, headers, strict=True))
    )
    return Scan(
        name="5f2d1a3cc0e19b7a",
        hu=hu,
        slices=slices,
        pixel_spacing_mm=(0.4882812, 0.4882812),
        checks=(
            Check(Reason.GANTRY_TILT, "The gantry was tilted by 18.5 degrees."),
            Check(Reason.UNEVEN_SPACING, "The slices are 4.0 to 7.0 mm apart."),
        ),
        identifiers=Identifiers("4711", "DOE^JANE", "1.2.840.1.2.3.4", "1.2.840.1.2.3.5", "ACC99", "20260101"),
        acquisition=Acquisition(
            "GE MEDICAL SYSTEMS HiSpeed Dual", "STD+", "Head routine", 4.0, 4.0, 18.5, 120, 93, "F"
        ),
    )


@pytest.fixture(scope="session")
def negative(tilted_scan: Scan) -> Detection:
    scores = np.full((28, 6), 0.01)
    scores[:, ANY] = 0.02 + 0.03 * np.sin(np.arange(28) / 4) ** 2
    return detection_of(tilted_scan, scores, {}, State.NEGATIVE)


@pytest.fixture(scope="session")
def incomplete(tilted_scan: Scan) -> Detection:
    """Two slices could not be read."""
    unread = (9, 20)
    slices = tuple(replace(s, readable=i not in unread) for i, s in enumerate(tilted_scan.slices))
    hu = tilted_scan.hu.copy()
    hu[list(unread)] = -1024
    check = Check(Reason.SLICE_UNREADABLE, "DOE^JANE/10.dcm (1.2.840.113619.2.1.10) ends before its pixels do.", unread)
    scan = replace(tilted_scan, slices=slices, hu=hu).with_checks(check)
    scores = np.full((28, 6), 0.02)
    scores[12:16, ANY] = (0.2, 0.34, 0.3, 0.1)
    scores[12:16, 1] = (0.15, 0.3, 0.28, 0.1)
    scores[list(unread)] = np.nan
    return detection_of(scan, scores, {12: (250, 300), 13: (250, 300), 14: (255, 300)}, State.INDETERMINATE)


@pytest.fixture(scope="session")
def not_analysed(tilted_scan: Scan, negative: Detection) -> Detection:
    check = Check(Reason.NOT_HEAD, "No closed skull with brain inside was found in any of the 28 slices.")
    return replace(
        negative, scan=tilted_scan.with_checks(check), checks=(*tilted_scan.checks, check), state=State.NOT_ANALYSED,
        slice_probabilities=None, scan_probabilities=None, maps=None, crops=(),
    )  # fmt: skip


@pytest.fixture(scope="session")
def picture() -> Detection:
    """One picture, 40 x 50, of unknown spacing, named so that it needs escaping."""
    hu = np.full((1, 40, 50), -1024, np.int16)
    cv2.circle(hu[0], (25, 20), 15, 35, -1)
    scan = Scan("b_i_b", hu, (Slice("<i>&.png", "00" * 32),), independent=True)
    return detection_of(scan, np.full((1, 6), 0.3), {}, State.INDETERMINATE)


@pytest.fixture(scope="session")
def bleeding(shared_data: Path) -> Detection:
    """A series with an intraparenchymal hemorrhage and its masks (RSNA 2019, HU = value - 50)."""
    folder = shared_data / "rsna_hu_pictures"
    with (folder / "slices.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["series"] == "7e2939f5a2"]
    hu = np.stack([cv2.imread(str(folder / row["file"]), cv2.IMREAD_UNCHANGED).astype(np.int16) - 50 for row in rows])
    spacing = 2 * float(rows[0]["pixel_spacing_mm"])
    slices = tuple(
        Slice(row["file"], sha256(folder / row["file"]), position_mm=float(row["position_mm"])) for row in rows
    )
    scores, blobs = np.full((len(rows), 6), 0.02), {}
    for index, row in enumerate(rows):
        mask = cv2.imread(str(folder / row["mask"]), cv2.IMREAD_GRAYSCALE) if row["mask"] else np.zeros((1, 1))
        if mask.any():
            blobs[index] = tuple(int(part.mean()) for part in np.nonzero(mask))
            scores[index, [1, ANY]] = np.clip(0.3 + mask.astype(bool).sum() / 600, 0, (0.95, 0.97))
            scores[index, 2] = 0.28
    scan = Scan("rsna_7e2939f5a2", hu, slices, (spacing, spacing),
                acquisition=Acquisition("SIEMENS", "H30s", spacing_mm=5.0))  # fmt: skip
    return detection_of(scan, scores, blobs, State.POSITIVE)
