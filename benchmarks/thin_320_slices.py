"""Claim: 320 thin slices of 512 x 512 DICOM are read, checked and scored in under 8 s on 2 cores."""

from __future__ import annotations

import tempfile
from pathlib import Path

from eager import plain_sum
from made_series import write_series
from measure import in_turn, report
from pipeline import detect

from hemoscope.detector.inference import Detector

LIMIT_SECONDS = 8.0
REPEATS = 3


def main() -> None:
    """Measure and report."""
    detector = Detector.load("default")
    with tempfile.TemporaryDirectory() as work:
        series = Path(work) / "series"
        write_series(series, slices=320, spacing_mm=0.5)
        sides = {
            "hemoscope, warm": lambda: detect(series, detector),
            "pydicom, then the sum of the pixels": lambda: plain_sum(series),
        }
        report("thin 320 slices: DICOM to detection, warm", in_turn(sides, REPEATS), LIMIT_SECONDS)


if __name__ == "__main__":
    main()
