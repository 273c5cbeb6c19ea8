"""Labels that readers contradict together, on readings made by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs pip install hemoscope[evaluate]")

from hemoscope.evaluation.readers.label_errors import disputed_labels, shared_mistakes
from hemoscope.evaluation.readers.reader_study import ReaderStudy
from hemoscope.evaluation.readers.readings import Readings

SCANS = np.array(["all against", "two of three", "two who read", "one who read", "truth unknown"], object)


def of_any(values: list[float], unknown: float) -> np.ndarray:
    """A column of `any`, with nothing known of the types."""
    columns = np.full((len(values), 6), unknown)
    columns[:, 5] = values
    return columns


TRUTH = of_any([0, 0, 1, 1, -1], -1).astype(np.int8)
READ = np.stack([of_any(one, -1) for one in ([1, 1, 0, 0, 1], [1, 1, 0, -1, 1], [1, 0, -1, -1, 1])]).astype(np.int8)
MODEL = of_any([0.5, 0.9, 0.8, np.nan, 0.9], np.nan)
READINGS = Readings(SCANS, ("A", "B", "C"), READ)


def test_what_all_who_read_a_scan_contradict() -> None:
    table = disputed_labels(ReaderStudy(READINGS, TRUTH, MODEL), TRUTH)
    assert table.rows == (
        ("ICH", "all against", "absent", "present", 3, 0.5, "yes"),
        ("ICH", "two who read", "present", "absent", 2, 0.8, "no"),
    )
    assert table.notes[0].startswith("2 of 4 known labels")
    without = disputed_labels(ReaderStudy(READINGS, TRUTH), TRUTH)
    assert [row[:5] for row in table.rows] == list(without.rows)


def test_mistakes_that_readers_and_the_model_share() -> None:
    """The model errs in the first two scans and was not asked about the fourth."""
    table = shared_mistakes(ReaderStudy(READINGS, TRUTH, MODEL), TRUTH)
    assert table.rows == (("A", 4, 4, 2), ("B", 3, 3, 2), ("C", 2, 1, 1), ("Model", 3, 2, None))
    assert shared_mistakes(ReaderStudy(READINGS, TRUTH), TRUTH).rows == (("A", 4, 4), ("B", 3, 3), ("C", 2, 1))


def test_a_label_that_nobody_contradicts() -> None:
    table = disputed_labels(ReaderStudy(READINGS, READ[0]), READ[0])
    assert table.rows == ()
