"""`slices.csv` and `scans.csv`: the Predictions tables, which every system writes and the evaluation reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hemoscope.detector.detection import Detection
from hemoscope.findings import FINDING_NAMES
from hemoscope.report.names import Names, cell

SLICE_COLUMNS = ("scan", "slice", "position_mm", "sop_instance_uid", "source", *FINDING_NAMES)
# The columns of the Predictions table, then what only Hemoscope knows of its own run.
SCAN_COLUMNS = (
    *("scan", *FINDING_NAMES, "suspicious_slice", "checks", "bundle", "seconds"),
    *("state", "slices_found", "slices_read", "slices_scored"),
)


def slice_counts(detection: Detection) -> dict[str, int]:
    """How many slices the scan has, how many of them could be read, and how many got probabilities."""
    scores = detection.slice_probabilities
    return {
        "slices_found": len(detection.scan.slices),
        "slices_read": sum(a_slice.readable for a_slice in detection.scan.slices),
        "slices_scored": 0 if scores is None else int(np.isfinite(scores).any(axis=1).sum()),
    }


def slice_rows(detection: Detection, names: Names) -> list[dict[str, str]]:
    """One row a slice, foot to head. Probabilities are empty where a slice, or a finding, was not scored."""
    rows = []
    for index, a_slice in enumerate(detection.scan.slices):
        scores = None if detection.slice_probabilities is None else detection.slice_probabilities[index]
        row = {
            "scan": cell(detection.scan.name),
            "slice": str(index),
            "position_mm": "" if a_slice.position_mm is None else f"{a_slice.position_mm:.3f}",
            "sop_instance_uid": names.uid(a_slice.sop_instance_uid) or "",
            "source": cell(names.source(a_slice)),
        }
        rows.append(row | _probabilities(scores))
    return rows


def scan_row(detection: Detection) -> dict[str, str]:
    """The row of one scan. `checks` are reason codes with ";" between them, `seconds` is the total wall time."""
    suspicious = detection.suspicious_slice
    codes = dict.fromkeys(check.reason.name for check in detection.checks)
    row = {
        "scan": cell(detection.scan.name),
        "suspicious_slice": "" if suspicious is None else str(suspicious),
        "checks": ";".join(codes),
        "bundle": detection.bundle,
        "seconds": f"{detection.seconds['total']:.3f}" if "total" in detection.seconds else "",
        "state": detection.state.value,
    }
    counts = {name: str(count) for name, count in slice_counts(detection).items()}
    return row | _probabilities(detection.scan_probabilities) | counts


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """A table as UTF-8 CSV with a header line (RFC 4180 quoting, line feeds)."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _probabilities(scores: NDArray[np.float32] | None) -> dict[str, str]:
    """The six probability cells; six digits keep the ranking of very low ones."""
    if scores is None:
        return dict.fromkeys(FINDING_NAMES, "")
    return {
        name: f"{float(score):.6g}" if np.isfinite(score) else ""
        for name, score in zip(FINDING_NAMES, scores, strict=True)
    }
