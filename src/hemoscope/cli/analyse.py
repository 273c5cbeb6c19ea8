"""From inputs to detections: slices are scored while later ones are still being decoded."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from os.path import commonpath
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from hemoscope.cli.options import Debugging
from hemoscope.cli.progress import Progress
from hemoscope.ct.inputs import Refusal
from hemoscope.ct.load import OnSlice
from hemoscope.ct.options import ReadOptions
from hemoscope.ct.read import read_scans
from hemoscope.ct.scan import Scan
from hemoscope.detector.detection import Detection
from hemoscope.detector.inference import Detector
from hemoscope.detector.scoring import Scoring
from hemoscope.reasons import Reason, Severity


def analyse(
    inputs: Sequence[Path],
    options: ReadOptions,
    jobs: int,
    detector: Detector,
    progress: Progress,
    debugging: Debugging,
) -> Generator[Detection | Refusal, None, None]:
    """Give the detection of every scan, one at a time, and a refusal for everything that is no scan.

    The seconds of a detection are wall time: "read" (find, decode), "checks", "network" (what remained of it after
    reading) and "total".
    """
    scoring = detector.begin()

    def begin_scan() -> OnSlice:
        nonlocal scoring
        scoring = detector.begin()

        def add(index: int, hu: NDArray[np.int16], pixel_spacing_mm: tuple[float, float] | None) -> None:
            scoring.add(index, hu, pixel_spacing_mm)
            progress.slice_read()

        return add

    start = time.perf_counter()
    for found in read_scans(inputs, options, jobs, begin_scan):
        if isinstance(found, Refusal):
            progress.file_refused()
            yield found
            continue
        progress.scan_done(len({record.source for record in found.slices}))
        yield _detect(found, scoring, detector, start, debugging)
        start = time.perf_counter()


def _detect(
    scan: Scan, scoring: Scoring, detector: Detector, start: float, debugging: Debugging
) -> Detection | Refusal:
    """Finish the scoring of a scan that has been read since `start`."""
    read = time.perf_counter()
    try:
        detection = detector.finish(scan, scoring)
    except Exception as error:  # noqa: BLE001 - the boundary of one scan: a defect there must not stop the others
        return failure(scan, error, debugging)
    seconds = {"read": read - start, **detection.seconds, "total": time.perf_counter() - start}
    return replace(detection, seconds=seconds)


def failure(scan: Scan, error: Exception, debugging: Debugging) -> Refusal:
    """What stands for a scan on which Hemoscope failed; with --debug the error goes on instead."""
    if debugging.on:
        raise error
    if isinstance(error, MemoryError):
        return Refusal(scan.name, Reason.TOO_LARGE, f"There is not enough memory to analyse {scan.name}.")
    return Refusal(scan.name, Reason.DEFECT, f"{scan.name}: {type(error).__name__}, {error}; see --debug.")


def input_of(scan: Scan) -> str:
    """The folder, file or zip that a scan came from; the file, for a slice that is a scan of its own."""
    sources = [record.source for record in scan.slices]
    if scan.independent:
        return sources[0]
    archive, in_archive, _ = sources[0].partition("!")
    if in_archive:
        return archive
    return commonpath([PurePosixPath(source).parent for source in sources]) or PurePosixPath(sources[0]).parts[0]


def needs_attention(refusals: Sequence[Refusal]) -> list[Refusal]:
    """The refusals that leave something of the input without an answer; the others lie beside a scan that has one."""
    return [refusal for refusal in refusals if refusal.reason.severity is not Severity.NOTE]
