"""`results.json`: everything that is known of a run, in the form that `results.schema.json` describes."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata, resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemoscope.ct.inputs import Refusal
from hemoscope.ct.scan import Acquisition
from hemoscope.detector.detection import Detection, OperatingPoint, State
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import Check
from hemoscope.report.names import Names
from hemoscope.report.tables import slice_counts
from hemoscope.report.wording import RESEARCH_USE

SCHEMA_VERSION = "1.1"
# The libraries whose version can change a pixel or a probability.
LIBRARIES = (
    *("numpy", "pydicom", "onnxruntime", "opencv-python-headless", "nibabel"),
    *("pylibjpeg-openjpeg", "pyjpegls", "python-gdcm"),
)
# Ages above are grouped, as they name few people (45 CFR 164.514(b)(2)(i)(C)).
OLDEST_AGE_YEARS = 89

Json = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run: the detector it used, and the settings that were given, as JSON values."""

    bundle: str  # "name version"
    bundle_sha256: str
    settings: Json
    started: datetime = field(default_factory=lambda: datetime.now(UTC))


def manifest(run: Run, scans: Sequence[Json], seconds: dict[str, float], complete: bool) -> Json:
    """How the run was made: versions, bundle, settings, seconds per stage, and counts."""
    name, _, version = run.bundle.rpartition(" ")
    states = Counter(scan["state"] for scan in scans)
    counts = {state.value: states[state.value] for state in State}
    for key in ("slices_found", "slices_read", "slices_scored"):
        counts[key] = sum(scan[key] for scan in scans)
    return {
        "started": run.started.isoformat(timespec="seconds"),
        "complete": complete,
        "hemoscope": library_version("hemoscope"),
        "python": platform.python_version(),
        "libraries": {library: library_version(library) for library in LIBRARIES},
        "bundle": {"name": name or version, "version": version if name else "", "sha256": run.bundle_sha256},
        "settings": run.settings,
        "seconds": rounded(seconds),
        "counts": {"scans": len(scans), **counts},
    }


def scan_record(detection: Detection, names: Names, files: Sequence[str]) -> Json:
    """Everything of one scan. `files`: what was written for it, relative to the output folder."""
    scan = detection.scan
    record: Json = {
        "scan": scan.name,
        "state": detection.state.value,
        "probabilities": probabilities(detection.scan_probabilities),
        "suspicious_slice": detection.suspicious_slice,
        "operating_points": [_point(detection.sensitive), _point(detection.specific)],
        "checks": [check_record(check, names.scan_sentence(check.detail, scan)) for check in detection.checks],
        "remarks": list(detection.remarks),
        **slice_counts(detection),
        "independent": scan.independent,
        "window": None if scan.window is None else str(scan.window),
        "pixel_spacing_mm": None if scan.pixel_spacing_mm is None else list(scan.pixel_spacing_mm),
        "acquisition": acquisition_record(scan.acquisition, names.keep_identifiers),
        "input_sha256": input_sha256(detection),
        "bundle": detection.bundle,
        "bundle_sha256": detection.bundle_sha256,
        "seconds": rounded(detection.seconds),
        "files": list(files),
        "slices": _slice_records(detection, names),
    }
    if names.keep_identifiers:
        record["identifiers"] = asdict(scan.identifiers)
    return record


def refusal_record(refusal: Refusal, names: Names) -> Json:
    """A file or object that was set aside or refused."""
    return {
        "input": names.refused(refusal.name),
        "code": refusal.reason.name,
        "severity": refusal.reason.severity.value,
        "sentence": refusal.reason.sentence,
        "detail": names.refusal_sentence(refusal),
    }


def check_record(check: Check, detail: str) -> Json:
    """A check that did not pass, with its `detail` as outputs may show it."""
    return {
        "code": check.reason.name,
        "severity": check.reason.severity.value,
        "sentence": check.reason.sentence,
        "detail": detail,
        "slices": list(check.slices),
    }


def results(manifest: Json, scans: Sequence[Json], refusals: Sequence[Json]) -> bytes:
    """The whole file, UTF-8."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "notice": RESEARCH_USE,
        "findings": list(FINDING_NAMES),
        "manifest": manifest,
        "scans": list(scans),
        "refusals": list(refusals),
    }
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def schema() -> Json:
    """The published JSON schema (draft 2020-12) of `results.json`."""
    text = resources.files("hemoscope.report").joinpath("results.schema.json").read_text(encoding="utf-8")
    loaded: Json = json.loads(text)
    return loaded


def library_version(name: str) -> str:
    """The installed version of a distribution, or "unknown" where it runs without being installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


def input_sha256(detection: Detection) -> str:
    """One hash for all files of a scan: SHA-256 over the sorted hashes of the files, as hex, one a line."""
    hashes = sorted({a_slice.sha256 for a_slice in detection.scan.slices})
    return hashlib.sha256("".join(f"{sha}\n" for sha in hashes).encode()).hexdigest()


def acquisition_record(acquisition: Acquisition, keep_identifiers: bool) -> Json:
    """How the scan was made."""
    record = asdict(acquisition)
    if acquisition.age_years is not None and not keep_identifiers:
        record["age_years"] = min(acquisition.age_years, OLDEST_AGE_YEARS + 1)
    return record


def probabilities(scores: NDArray[np.float32] | None) -> dict[str, float | None] | None:
    """Six probabilities by name, None for findings that the detector does not score; None where there are none."""
    if scores is None or not np.isfinite(scores).any():
        return None
    return {
        name: float(f"{score:.6g}") if np.isfinite(score) else None
        for name, score in zip(FINDING_NAMES, scores.tolist(), strict=True)
    }


def rounded(seconds: dict[str, float]) -> dict[str, float]:
    """Seconds per stage, to the millisecond."""
    return {stage: round(value, 3) for stage, value in seconds.items()}


def _slice_records(detection: Detection, names: Names) -> list[Json]:
    return [
        {
            "slice": index,
            "position_mm": a_slice.position_mm,
            "sop_instance_uid": names.uid(a_slice.sop_instance_uid),
            "source": names.source(a_slice),
            "frame": a_slice.frame,
            "sha256": a_slice.sha256,
            "readable": a_slice.readable,
            "probabilities": probabilities(
                None if detection.slice_probabilities is None else detection.slice_probabilities[index]
            ),
        }
        for index, a_slice in enumerate(detection.scan.slices)
    ]


def _point(point: OperatingPoint) -> Json:
    return asdict(point)
