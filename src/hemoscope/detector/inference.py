"""Scan to Detection: the networks on its slices, then calibration and the state."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.checks import check_scan
from hemoscope.ct.scan import Scan
from hemoscope.detector.bundle import Bundle
from hemoscope.detector.detection import Detection, OperatingPoint, State
from hemoscope.detector.networks import Networks
from hemoscope.detector.scoring import HuSlice, Score, Scoring
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.reasons import Check, Reason, Severity, UsageError


class Detector:
    """A loaded bundle, ready for any number of scans."""

    def __init__(self, bundle: Bundle, threshold: str | float | None = None, jobs: int | None = None) -> None:
        """threshold: None for both operating points, or the name of one, or a probability; jobs: threads.

        Raises UsageError for a bundle that does not score `any`: no state follows from the subtypes alone.
        """
        for findings in (bundle.slice_findings, bundle.scan_findings):
            if FINDING_NAMES[ANY] not in findings:
                sentence = f"The bundle '{bundle.name}' scores only {', '.join(findings)}"
                raise UsageError(f"{sentence}; to detect, choose one that scores any hemorrhage.")
        self.bundle = bundle
        self.jobs = jobs or os.cpu_count() or 1
        self.threads = ThreadPoolExecutor(self.jobs, thread_name_prefix="network")
        self._networks = Networks(bundle)
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
        return Scoring(self.bundle.input, self._submit)

    def _submit(self, shown: Sequence[Sequence[HuSlice]]) -> Future[Score]:
        return self.threads.submit(self._networks.score, shown)

    def finish(self, scan: Scan, scoring: Scoring) -> Detection:
        """Check the scan, then turn the scores of its slices into its Detection.

        The checks are made here, so that no scan, however it was made, gets an answer without them.
        """
        start = time.perf_counter()
        scan = scan.with_checks(*check_scan(scan))  # while the threads finish the last slices
        checked = time.perf_counter()
        scores = scoring.scores()
        logits = self._networks.logits(scores, len(scan.slices))
        scored = {index for score in scores for index in score.slices} if logits else set()
        scan = scan.with_checks(*_not_scored(scan, scored))
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
        if not scan.analysable or logits is None:
            return not_analysed
        slice_probabilities, scan_probabilities = self.bundle.calibration(logits.slices, _positions(scan), logits.scan)
        if scan.independent:
            scan_probabilities = slice_probabilities[0]
        crops = {index: crop for score in scores for index, crop in score.slices.items()}
        return replace(
            not_analysed,
            state=decide(float(scan_probabilities[ANY]), sensitive, specific, scan.checks),
            slice_probabilities=slice_probabilities,
            scan_probabilities=scan_probabilities,
            maps=self._networks.maps(scores, len(scan.slices)),
            crops=tuple(crops.get(index) for index in range(len(scan.slices))),
            remarks=tuple(self._remarks(scan)),
        )

    def _remarks(self, scan: Scan) -> Iterator[str]:
        """What must be said of the probabilities of this bundle."""
        if not self.bundle.calibrated:
            yield (
                "Not calibrated: the probabilities are the scores of the network, and the threshold was not chosen on "
                "patients."
            )
        if self._networks.slices_speak_for_themselves and not scan.independent:
            yield (
                "The probabilities of slices are those of the network that sees one slice; that of the scan comes from "
                "the network over the scan, which scores no slices."
            )


def _not_scored(scan: Scan, scored: set[int]) -> tuple[Check, ...]:
    """What forbids `negative`, or any answer: slices without a score, unless a check of reading names them already."""
    if not scan.analysable:
        return ()
    if not scored:
        return (Check(Reason.PIXELS_UNREADABLE, f"None of the {len(scan.slices)} slices could be scored."),)
    named = {index for check in scan.checks if check.reason is Reason.SLICE_UNREADABLE for index in check.slices}
    missing = tuple(index for index in range(len(scan.slices)) if index not in scored and index not in named)
    if not missing:
        return ()
    sentence = f"{len(missing)} of {len(scan.slices)} slices could not be read or scored."
    return (Check(Reason.SLICE_UNREADABLE, sentence, missing),)


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
