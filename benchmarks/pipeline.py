"""Everything from files to the Detection of their one scan, as `hemoscope detect` does it, without the report."""

from __future__ import annotations

import os
from pathlib import Path

from hemoscope.ct.read import OnSlice, read_scans
from hemoscope.ct.scan import Scan
from hemoscope.detector.detection import Detection, State
from hemoscope.detector.inference import Detector, Scoring

CORES = len(os.sched_getaffinity(0))


def detect(folder: Path, detector: Detector) -> Detection:
    """Read, check and score the one scan of a folder; slices are scored while later ones are still decoded."""
    scorings: list[Scoring] = []

    def start_scan() -> OnSlice:
        scorings.append(detector.begin())
        return scorings[-1].add

    scans = [
        found for found in read_scans([folder], jobs=CORES, on_slice_factory=start_scan) if isinstance(found, Scan)
    ]
    if len(scans) != 1:
        raise SystemExit(f"expected one scan in the made series, found {len(scans)}")
    detection = detector.finish(scans[0], scorings[-1])
    if detection.state is State.NOT_ANALYSED:
        raise SystemExit(f"the made series was not analysed: {[check.detail for check in detection.checks]}")
    return detection


def detect_one_after_the_other(folder: Path, detector: Detector) -> Detection:
    """The same, but the network starts when the last slice is decoded, and one process decodes."""
    (scan,) = (found for found in read_scans([folder], jobs=1) if isinstance(found, Scan))
    return detector(scan)
