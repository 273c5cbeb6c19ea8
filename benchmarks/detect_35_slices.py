"""Claim: 35 slices of 512 x 512 DICOM are read, checked and scored in under 1.0 s on 2 cores, the detector loaded."""

from __future__ import annotations

import tempfile
from pathlib import Path

from eager import eager_sides, plain_sum
from made_series import write_series
from measure import in_turn, report
from pipeline import detect

from hemoscope.detector.inference import Detector

LIMIT_SECONDS = 1.0  # aim: 0.5
REPEATS = 5


def main() -> None:
    """Measure and report."""
    detector = Detector.load("default")
    with tempfile.TemporaryDirectory() as work:
        series = Path(work) / "series"
        write_series(series, slices=35, spacing_mm=5.0)
        sides = {
            "hemoscope, warm": lambda: detect(series, detector),
            **eager_sides(series),
            "pydicom, then the sum of the pixels": lambda: plain_sum(series),
        }
        report("detect 35 slices: DICOM to detection, warm", in_turn(sides, REPEATS), LIMIT_SECONDS)


if __name__ == "__main__":
    main()
