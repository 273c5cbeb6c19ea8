"""Scan to Detection: the network on every slice with ONNX Runtime, then calibration and the state."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.checks import check_scan
from hemoscope.ct.prepare import Crop, prepare_slice
from hemoscope.ct.scan import Scan
from hemoscope.detector.bundle import Bundle
from hemoscope.detector.detection import Detection, OperatingPoint, State
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import Check, Reason, Severity, UsageError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Spacing = tuple[float, float] | None


@dataclass(frozen=True)
class SliceScore:
    """The network's answer for one slice: logits [finding], maps [finding, h, w], and the crop that the maps cover."""

    logits: NDArray[np.float32]
    maps: NDArray[np.float32]
    crop: Crop


class Scoring:
    """The slices of one scan on their way through the network; slices may be added while others are still decoded."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._futures: dict[int, Future[SliceScore]] = {}

    def add(self, index: int, hu: NDArray[np.int16], pixel_spacing_mm: Spacing) -> None:
        """Score slice `index`: HU [row, column] in display orientation. Returns at once."""
        self._futures[index] = self._detector.threads.submit(self._detector.score_slice, hu, pixel_spacing_mm)

    def scores(self) -> dict[int, SliceScore]:
        """Wait for all added slices and give their scores by slice; logits that are no numbers are no score."""
        scores = {index: future.result() for index, future in self._futures.items()}
        return {index: score for index, score in scores.items() if np.isfinite(score.logits).all()}


class Detector:
    """A loaded bundle, ready for any number of scans."""

    def __init__(self, bundle: Bundle, threshold: str | float | None = None, jobs: int | None = None) -> None:
        """threshold: None for both operating points, or the name of one, or a probability; jobs: threads."""
        self.bundle = bundle
        self.jobs = jobs or os.cpu_count() or 1
        self.threads = ThreadPoolExecutor(self.jobs, thread_name_prefix="network")
        self._session = _session(bundle.model)
        self._scan_points = _operating_points(bundle.scan_points, threshold)
        self._slice_points = _operating_points(bundle.slice_points, threshold)

    @classmethod
    def load(
        cls, bundle: str | Path = "default", threshold: str | float | None = None, jobs: int | None = None
    ) -> Detector:
        """Load an installed bundle by name, or one by path (UsageError where that fails)."""
        return cls(Bundle.load(bundle), threshold, jobs)

    def __call__(self, scan: Scan) -> Detection:
        """Score a scan that is read already."""
        scoring = self.begin()
        if scan.analysable:
            for index, record in enumerate(scan.slices):
                if record.readable:
                    scoring.add(index, scan.hu[index], scan.pixel_spacing_mm)
        return self.finish(scan, scoring)

    def begin(self) -> Scoring:
        """Start scoring a scan whose slices are added one by one."""
        return Scoring(self)

    def score_slice(self, hu: NDArray[np.int16], pixel_spacing_mm: Spacing) -> SliceScore:
        """Prepare one slice (HU [row, column]) and run the network on it."""
        grey, crop = prepare_slice(hu, pixel_spacing_mm, self.bundle.size, self.bundle.window)
        logits, maps = self._session.run(["logits", "maps"], {"grey": grey[None, None]})
        return SliceScore(logits[0], maps[0], crop)

    def finish(self, scan: Scan, scoring: Scoring) -> Detection:
        """Check the scan, then turn the scores of its slices into its Detection.

        The checks are made here, so that no scan, however it was made, gets an answer without them.
        """
        start = time.perf_counter()
        scan = scan.with_checks(*check_scan(scan))  # while the threads finish the last slices
        checked = time.perf_counter()
        scores = scoring.scores()
        scan = scan.with_checks(*_not_scored(scan, scores))
        seconds = {"checks": checked - start, "network": time.perf_counter() - checked}
        sensitive, specific = self._slice_points if scan.independent else self._scan_points
        not_analysed = Detection(
            scan=scan,
            state=State.NOT_ANALYSED,
            checks=scan.checks,
            bundle=f"{self.bundle.name} {self.bundle.version}",
            bundle_sha256=self.bundle.sha256,
            sensitive=sensitive,
            specific=specific,
            seconds=seconds,
        )
        if not scan.analysable:
            return not_analysed
        logits, maps, crops = _by_slice(scores, len(scan.slices))
        slice_probabilities, scan_probabilities = self.bundle.calibration(logits, _positions(scan))
        if scan.independent:
            scan_probabilities = slice_probabilities[0]
        return replace(
            not_analysed,
            state=decide(float(scan_probabilities[ANY]), sensitive, specific, scan.checks),
            slice_probabilities=slice_probabilities,
            scan_probabilities=scan_probabilities,
            maps=maps,
            crops=crops,
        )


def _not_scored(scan: Scan, scores: Mapping[int, SliceScore]) -> tuple[Check, ...]:
    """What forbids `negative`, or any answer: slices without a score, unless a check of reading names them already."""
    if not scan.analysable:
        return ()
    if not scores:
        return (Check(Reason.PIXELS_UNREADABLE, f"None of the {len(scan.slices)} slices could be scored."),)
    named = {index for check in scan.checks if check.reason is Reason.SLICE_UNREADABLE for index in check.slices}
    missing = tuple(index for index in range(len(scan.slices)) if index not in scores and index not in named)
    if not missing:
        return ()
    sentence = f"{len(missing)} of {len(scan.slices)} slices could not be read or scored."
    return (Check(Reason.SLICE_UNREADABLE, sentence, missing),)


def _by_slice(
    scores: dict[int, SliceScore], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[Crop | None, ...]]:
    """Logits [slice, finding] (NaN where there is no score), maps [slice, finding, h, w] and crops."""
    first = next(iter(scores.values()))
    logits = np.full((count, len(FINDING_NAMES)), np.nan, np.float32)
    maps = np.zeros((count, *first.maps.shape), np.float32)
    crops: list[Crop | None] = [None] * count
    for index, score in scores.items():
        logits[index], maps[index], crops[index] = score.logits, score.maps, score.crop
    return logits, maps, tuple(crops)


def decide(probability: float, sensitive: OperatingPoint, specific: OperatingPoint, checks: tuple[Check, ...]) -> State:
    """The state of an analysed scan from its probability of `any` and the checks that did not pass."""
    severities = {check.reason.severity for check in checks}
    if Severity.HARD in severities:
        return State.NOT_ANALYSED
    if Severity.SOFT in severities:
        return State.INDETERMINATE
    if probability >= specific.threshold:
        return State.POSITIVE
    if probability < sensitive.threshold and Severity.INCOMPLETE not in severities:
        return State.NEGATIVE
    return State.INDETERMINATE


def _positions(scan: Scan) -> NDArray[np.float64] | None:
    positions = [record.position_mm for record in scan.slices]
    return None if None in positions else np.asarray(positions, np.float64)


def _operating_points(
    points: Mapping[str, OperatingPoint], threshold: str | float | None
) -> tuple[OperatingPoint, OperatingPoint]:
    """(sensitive, specific); the same point twice where the user chose one threshold."""
    if threshold is None:
        return points["sensitive"], points["specific"]
    if isinstance(threshold, str) and threshold in points:
        return points[threshold], points[threshold]
    try:
        value = float(threshold)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1:
        raise UsageError(f"A threshold is 'sensitive', 'specific' or a probability between 0 and 1, not '{threshold}'.")
    return OperatingPoint("custom", value), OperatingPoint("custom", value)


def _session(model: bytes) -> InferenceSession:
    """One ONNX Runtime session with one thread a call: slices run side by side, which is faster for small networks."""
    import onnxruntime  # heavy: loaded only when a network is

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # the arena never shrinks again
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
