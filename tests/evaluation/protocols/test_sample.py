"""Figures of a paper's table are those that other libraries compute, or a blank that says why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    recall_score,
    roc_auc_score,
)

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.protocols.sample import Sample, describe
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.findings import ANY


def cases_of(labels: np.ndarray, probabilities: np.ndarray, level: str = "slice", per_scan: int = 4) -> Cases:
    """Rows (N, 6), so many of one scan, each scan of a patient of its own."""
    count = len(labels)
    scans = np.array([f"scan {row // per_scan}" for row in range(count)], object)
    patients = np.array([f"patient {row // per_scan}" for row in range(count)], object)
    about = pd.DataFrame({"dataset": ["cq500"] * count, "split": ["test"] * count})
    names = np.array([f"row {row}" for row in range(count)], object)
    return Cases(level, names, patients, scans, labels.astype(np.int8), probabilities, about)  # type: ignore[arg-type]


def drawn(count: int = 200) -> Cases:
    random = np.random.default_rng(3)
    labels = random.random((count, 6)) < 0.3
    return cases_of(labels, np.clip(0.3 * labels + 0.7 * random.random((count, 6)), 0, 1))


def value(figure: Estimate | int) -> float:
    assert isinstance(figure, Estimate) and figure.value is not None
    return figure.value


def test_measures_are_those_of_scikit_learn() -> None:
    cases = drawn()
    sample = Sample.of(cases)
    labels, scores = cases.labels[:, 4], cases.probabilities[:, 4]
    calls = scores >= 0.6
    assert value(sample.figure("auc", "subdural")) == pytest.approx(roc_auc_score(labels, scores))
    assert value(sample.figure("average_precision", "subdural")) == pytest.approx(
        average_precision_score(labels, scores)
    )
    for measure, expected in (
        ("accuracy", accuracy_score(labels, calls)),
        ("sensitivity", recall_score(labels, calls)),
        ("specificity", recall_score(labels, calls, pos_label=0)),
        ("f1", f1_score(labels, calls)),
        ("auc_of_calls", balanced_accuracy_score(labels, calls)),
    ):
        figure = sample.figure(measure, "subdural", 0.6)
        assert value(figure) == pytest.approx(expected)
        assert isinstance(figure, Estimate) and figure.low is not None and figure.low < expected
    assert sample.figure("positives", "subdural") == labels.sum()
    assert sample.figure("negatives", "subdural") == (1 - labels).sum()


def test_the_challenge_loss_is_of_complete_slices_with_any_twice() -> None:
    cases = drawn()
    cases.labels[0, 2] = -1
    cases.probabilities[1, 5] = np.nan
    losses = [log_loss(cases.labels[2:, finding], cases.probabilities[2:, finding]) for finding in range(6)]
    assert value(Sample.of(cases).figure("challenge_loss")) == pytest.approx((sum(losses) + losses[ANY]) / 7)


def test_a_case_at_the_threshold_is_called() -> None:
    labels = np.ones((8, 6))
    sample = Sample.of(cases_of(labels, np.full((8, 6), 0.5)))
    assert value(sample.figure("sensitivity", "any", 0.5)) == 1


@pytest.mark.parametrize(
    ("labels", "probabilities", "why"),
    [
        (-1, 0.5, "no label known"),
        (1, np.nan, "not scored by the system"),
        (1, 0.5, "no negatives"),
        (0, 0.5, "no positives"),
    ],
)
def test_what_cannot_be_measured_says_why(labels: int, probabilities: float, why: str) -> None:
    sample = Sample.of(cases_of(np.full((8, 6), labels), np.full((8, 6), probabilities)))
    figure = sample.figure("auc")
    assert isinstance(figure, Estimate) and figure.value is None and figure.blank == why


def test_labels_and_probabilities_of_different_rows_measure_nothing() -> None:
    cases = drawn(8)
    cases.labels[:4] = -1
    cases.probabilities[4:] = np.nan
    for measure, why in (
        ("accuracy", "no case is both labelled and scored"),
        ("challenge_loss", "no slice has all six labels and probabilities"),
    ):
        figure = Sample.of(cases).figure(measure, "any", 0.5)
        assert isinstance(figure, Estimate) and figure.value is None and figure.blank == why


def test_no_cases_at_all_are_a_blank() -> None:
    empty = drawn().take(np.array([], int))
    for measure in ("auc", "accuracy", "challenge_loss"):
        figure = Sample.of(empty).figure(measure, "any", 0.5)
        assert isinstance(figure, Estimate) and figure.value is None
    assert Sample.of(empty).figure("positives") == 0


def test_unknown_measures_and_calls_without_a_threshold_are_errors() -> None:
    with pytest.raises(ValueError, match="needs a threshold"):
        Sample.of(drawn()).figure("accuracy")
    with pytest.raises(ValueError, match="no measure beauty"):
        Sample.of(drawn()).figure("beauty", "any", 0.5)


def test_the_data_of_a_figure_are_named() -> None:
    assert describe(drawn()) == "cq500 (split test), 50 patients, 50 scans, 200 slices"
