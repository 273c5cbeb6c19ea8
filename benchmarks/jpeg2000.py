"""Claim: JPEG 2000 slices are decoded in parallel while the network runs, faster than one after the other."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from eager import plain_sum
from made_series import write_series
from measure import in_turn, report
from pipeline import detect, detect_one_after_the_other
from pydicom.uid import JPEG2000Lossless

from hemoscope.detector.inference import Detector

SERIAL = "one decoder, then the network"
REPEATS = 7


def main() -> None:
    """Measure and report."""
    detector = Detector.load("default")
    with tempfile.TemporaryDirectory() as work:
        series = Path(work) / "series"
        write_series(series, slices=35, spacing_mm=5.0, transfer_syntax=JPEG2000Lossless)
        sides = {
            "hemoscope, decoded while the network runs": lambda: detect(series, detector),
            SERIAL: lambda: detect_one_after_the_other(series, detector),
            "pydicom, then the sum of the pixels": lambda: plain_sum(series),
        }
        seconds = in_turn(sides, REPEATS)
    report("jpeg2000: 35 slices to detection", seconds, limit_seconds=statistics.median(seconds[SERIAL]))


if __name__ == "__main__":
    main()
