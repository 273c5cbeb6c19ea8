"""Tables of readers and of a model, against counts by hand and scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs pip install hemoscope[evaluate]")

from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from hemoscope.evaluation.readers.reader_study import ReaderStudy
from hemoscope.evaluation.readers.reader_tables import lines_of_any, reader_tables
from hemoscope.evaluation.readers.readers import agreement_table, pairs_table
from hemoscope.evaluation.readers.readers_and_truth import AGAINST_VOTE, CIRCULAR, by_finding_table, by_reader_table
from hemoscope.evaluation.readers.readings import Readings
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Cell, Table
from hemoscope.findings import ANY, FINDINGS

COUNT = 60


@pytest.fixture(scope="module")
def study() -> ReaderStudy:
    """60 scans; three readers who err in about one of ten, a model that errs by chance, the third knows no subdural."""
    random = np.random.default_rng(4)
    types = random.random((COUNT, 5)) < 0.25
    truth = np.column_stack([types, types.any(axis=1)]).astype(np.int8)
    labels = np.stack([np.where(random.random(truth.shape) < 0.1, 1 - truth, truth) for _ in range(3)]).astype(np.int8)
    labels[2, :20, 4] = -1
    truth[5] = -1
    model = 1 / (1 + np.exp(-(2.0 * np.where(truth == 1, 1, -1) + random.normal(size=truth.shape) * 1.5)))
    model[7] = np.nan
    scans = np.array([f"scan {number}" for number in range(COUNT)], object)
    return ReaderStudy(Readings(scans, ("A", "B", "C"), labels), truth, model)


def rows_of(table: Table, *first: Cell) -> list[tuple[Cell, ...]]:
    return [row for row in table.rows if row[: len(first)] == first]


def values(cells: Sequence[Cell]) -> list[float | None]:
    assert all(isinstance(cell, Estimate) for cell in cells)
    return [cell.value for cell in cells if isinstance(cell, Estimate)]


def test_a_reader_by_finding_is_that_of_scikit_learn(study: ReaderStudy) -> None:
    """Reader C on subdural hemorrhage: of the scans that bleed, without those that C did not read."""
    assert study.truth is not None
    rows = (study.truth[:, ANY] == 1) & (study.readings.labels[2, :, 4] >= 0)
    truth, said = study.truth[rows, 4], study.readings.labels[2, rows, 4]
    (row,) = rows_of(by_finding_table(study), "SDH", "C")
    assert row[2] == rows.sum() < 60
    expected = [accuracy_score(truth, said), recall_score(truth, said), recall_score(truth, said, pos_label=0)]
    assert values(row[3:]) == pytest.approx([*expected, f1_score(truth, said), roc_auc_score(truth, said)])
    assert row[7].value == pytest.approx((expected[1] + expected[2]) / 2)  # type: ignore[union-attr]


def test_the_model_by_finding_has_the_area_of_its_probabilities(study: ReaderStudy) -> None:
    assert study.truth is not None and study.model is not None
    rows = (study.truth[:, ANY] >= 0) & ~np.isnan(study.model[:, ANY])
    truth, scores = study.truth[rows, ANY], study.model[rows, ANY]
    (row,) = rows_of(by_finding_table(study), "ICH", "Model")
    assert row[2] == COUNT - 2
    assert values(row[6:]) == pytest.approx([f1_score(truth, scores >= 0.5), roc_auc_score(truth, scores)])
    (of_calls,) = rows_of(by_reader_table(study), "Model", "AUC of the calls")
    assert of_calls[-1].value == pytest.approx(roc_auc_score(truth, scores >= 0.5))  # type: ignore[union-attr]


def test_mean_and_standard_deviation_of_the_readers(study: ReaderStudy) -> None:
    table = by_finding_table(study)
    accuracies = [values(row[3:4])[0] for name in "ABC" for row in rows_of(table, "ICH", name)]
    (row,) = rows_of(table, "ICH", "readers, mean ± SD")
    assert row[3] == f"{np.mean(accuracies):.3f} ± {np.std(accuracies, ddof=1):.3f}"  # type: ignore[arg-type]


def test_by_reader_all_scans_count(study: ReaderStudy) -> None:
    table = by_reader_table(study)
    assert [row[1] for row in rows_of(table, "A")] == [
        "scans", "with the finding", "accuracy", "sensitivity", "specificity", "AUC of the calls",
    ]  # fmt: skip
    assert rows_of(table, "A", "scans")[0][2:] == (COUNT - 1,) * 6
    assert rows_of(table, "C", "scans")[0][2:] == (59, 59, 59, 59, 40, 59)
    assert {row[0] for row in table.rows} == {"Model", "A", "B", "C"}


def test_without_a_truth_the_model_alone_is_measured_against_the_vote(study: ReaderStudy) -> None:
    alone = replace(study, truth=None)
    table = by_finding_table(alone)
    assert {row[1] for row in table.rows} == {"Model"} and AGAINST_VOTE in table.notes
    against_vote = by_finding_table(replace(study, truth=study.vote))
    assert rows_of(table, "ICH", "Model") == rows_of(against_vote, "ICH", "Model")
    assert CIRCULAR in against_vote.notes and CIRCULAR not in by_finding_table(study).notes
    names = [table.name for table in reader_tables(alone)]
    assert names == ["reader_agreement", "reader_pairs", "readers_by_finding", "readers_by_reader"]
    assert len(reader_tables(replace(alone, model=None))) == 2


def test_a_finding_that_no_scan_has_is_blank(study: ReaderStudy) -> None:
    """As the epidural hemorrhage of Burduja et al. 2020, Table 5."""
    assert study.truth is not None
    truth = study.truth.copy()
    truth[:, 0] = np.where(truth[:, 0] == 1, 0, truth[:, 0])
    table = by_reader_table(replace(study, truth=truth))
    sensitivity, specificity, area = (rows_of(table, "A", name)[0][2] for name in ("sensitivity", "specificity",
                                                                                 "AUC of the calls"))  # fmt: skip
    assert isinstance(sensitivity, Estimate) and sensitivity.text() == "- (no positives)"
    assert isinstance(area, Estimate) and area.text() == "- (no positives)"
    assert isinstance(specificity, Estimate) and specificity.value is not None
    (row,) = rows_of(by_finding_table(replace(study, truth=truth)), "EDH", "readers, mean ± SD")
    assert row[4] is None


def test_one_reader(study: ReaderStudy) -> None:
    one = replace(study, readings=Readings(study.readings.scans, ("A",), study.readings.labels[:1]))
    assert not rows_of(by_finding_table(one), "ICH", "readers, mean ± SD")
    assert pairs_table(one.readings).rows == ()
    assert agreement_table(one.readings).rows[0][2] == Estimate.none("one reader")


def test_agreement_of_cq500(shared_data: Path) -> None:
    readings = Readings.read(shared_data / "cq500_reads/reads.csv")
    table = agreement_table(readings)
    assert [row[0] for row in table.rows] == [entry.abbreviation for entry in FINDINGS]
    assert [row[3:7] for row in table.rows] == [
        (13, 478, 0, 6), (134, 357, 0, 106), (28, 463, 0, 20), (60, 431, 0, 38), (53, 438, 0, 26), (205, 286, 0, 168),
    ]  # fmt: skip
    assert any("R1 in" in note for note in table.notes)
    assert len(pairs_table(readings).rows) == 18 and {row[2] for row in pairs_table(readings).rows} == {491}


def test_contradictions_are_named() -> None:
    """Of A: a type without any, and any without a type. B is right, and says of the last only that there is some."""
    right, unknown_type = [1, 0, 0, 0, 0, 1], [-1, 0, 0, 0, 0, 1]
    labels = np.array([[[1, 0, 0, 0, 0, 0], right, [0, 0, 0, 0, 0, 1]], [right, right, unknown_type]], np.int8)
    note = agreement_table(Readings(np.array(["x", "y", "z"], object), ("A", "B"), labels)).notes[-1]
    assert note == "Scans in which a reader names a type but no hemorrhage, or the reverse: A in 2 (x, z)."
    many = np.tile(labels[:1, :1], (1, 12, 1))
    note = agreement_table(Readings(np.arange(12).astype(object), ("A",), many)).notes[-1]
    assert note.endswith("A in 12 (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...).")


def test_lines_of_any_name_no_more_than_ten_scans() -> None:
    scans, readings = np.array([f"s{number}" for number in range(12)], object), np.ones((2, 12, 6), np.int8)
    truth = np.zeros((12, 6), np.int8)
    lines = list(lines_of_any(reader_tables(ReaderStudy(Readings(scans, ("A", "B"), readings), truth))))
    assert [line.partition(":")[0] for line in lines[:2]] == ["A, ICH", "B, ICH"]
    assert lines[-1] == "Labels that all readers contradict, ICH: 12 (s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, ...)."
    agreed = list(lines_of_any(reader_tables(ReaderStudy(Readings(scans, ("A", "B"), readings), 1 - truth))))
    assert agreed[-1] == "Labels that all readers contradict, ICH: 0."
