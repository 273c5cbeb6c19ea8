from __future__ import annotations

import csv
import io

import numpy as np

from hemoscope.detector.detection import Detection
from hemoscope.findings import FINDING_NAMES
from hemoscope.report.names import Names, hashed
from hemoscope.report.tables import SCAN_COLUMNS, SLICE_COLUMNS, scan_row, slice_rows, to_csv


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_columns_are_those_of_the_predictions_tables() -> None:
    assert SLICE_COLUMNS[:5] == ("scan", "slice", "position_mm", "sop_instance_uid", "source")
    assert SLICE_COLUMNS[5:] == FINDING_NAMES
    assert SCAN_COLUMNS[:11] == ("scan", *FINDING_NAMES, "suspicious_slice", "checks", "bundle", "seconds")


def test_slices_give_back_the_probabilities(incomplete: Detection) -> None:
    rows = read(to_csv(SLICE_COLUMNS, slice_rows(incomplete, Names(keep_identifiers=False))))
    assert [row["slice"] for row in rows] == [str(i) for i in range(28)]
    assert rows[3]["position_mm"] == "12.000"
    given = np.array([[float(row[name] or "nan") for name in FINDING_NAMES] for row in rows])
    assert incomplete.slice_probabilities is not None
    np.testing.assert_allclose(given, incomplete.slice_probabilities, rtol=1e-5)
    assert np.isnan(given[[9, 20]]).all()
    assert np.isfinite(np.delete(given, [9, 20], axis=0)).all()


def test_slices_name_no_patient(incomplete: Detection) -> None:
    hidden = to_csv(SLICE_COLUMNS, slice_rows(incomplete, Names(keep_identifiers=False))).decode()
    kept = to_csv(SLICE_COLUMNS, slice_rows(incomplete, Names(keep_identifiers=True))).decode()
    uid = incomplete.scan.slices[0].sop_instance_uid
    assert uid is not None
    assert uid in kept
    assert "DOE^JANE/01.dcm" in kept
    assert uid not in hidden
    assert "DOE" not in hidden
    assert hashed(uid) in hidden


def test_the_row_of_a_scan(incomplete: Detection) -> None:
    (row,) = read(to_csv(SCAN_COLUMNS, [scan_row(incomplete)]))
    assert row["scan"] == "5f2d1a3cc0e19b7a"
    assert float(row["any"]) == np.float32(0.34).round(6)
    assert row["suspicious_slice"] == "13"
    assert row["checks"] == "GANTRY_TILT;UNEVEN_SPACING;SLICE_UNREADABLE"
    assert (row["slices_found"], row["slices_read"], row["slices_scored"]) == ("28", "26", "26")
    assert (row["state"], row["bundle"], row["seconds"]) == ("indeterminate", "default 1", "0.710")


def test_a_scan_that_was_not_analysed_has_no_probabilities(not_analysed: Detection) -> None:
    row = scan_row(not_analysed)
    assert [row[name] for name in FINDING_NAMES] == [""] * 6
    assert (row["state"], row["suspicious_slice"], row["slices_scored"]) == ("not_analysed", "", "0")
    rows = slice_rows(not_analysed, Names(keep_identifiers=False))
    assert len(rows) == 28
    assert rows[0]["any"] == ""


def test_low_probabilities_keep_their_order(negative: Detection) -> None:
    from dataclasses import replace

    tiny = replace(negative, scan_probabilities=np.full(6, 1.234567e-7, np.float32))
    assert scan_row(tiny)["any"] == "1.23457e-07"
