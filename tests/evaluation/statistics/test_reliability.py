"""Bins, Brier score and calibration error against scikit-learn, on held-out answers of the shipped bundle."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs pip install hemoscope[evaluate]")

import pandas as pd
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.measures.calibration import calibration_of, calibration_table, reliability_table
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.clustered import clustered_proportion
from hemoscope.evaluation.statistics.reliability import brier, expected_calibration_error, reliability_bins
from hemoscope.evaluation.table_files import csv_of
from hemoscope.findings import FINDING_NAMES

NAMES = list(FINDING_NAMES)


@pytest.fixture(scope="module")
def cases() -> Cases:
    """Held-out slices with the network's own probabilities, to four digits, so that some are equal and some are 0."""
    table = pd.read_csv(Path(__file__).resolve().parents[2] / "held_out_logits.csv")
    table = table[table["run"].str.startswith("fold")].reset_index(drop=True)
    probabilities = (1 / (1 + np.exp(-table[NAMES].to_numpy()))).round(4)
    labels = table[[f"label_{name}" for name in NAMES]].to_numpy(np.int8)
    scans = table["scan"].to_numpy(object)
    names = (table["scan"] + "#" + table["slice"].astype(str)).to_numpy(object)
    return Cases("slice", names, table["patient"].to_numpy(object), scans, labels, probabilities, table[["source"]])


@pytest.fixture(scope="module")
def draws(cases: Cases) -> Draws:
    return Draws.of(cases.patients, count=200)


@pytest.mark.parametrize("finding", range(6))
def test_held_out_slices_of_the_shipped_bundle(cases: Cases, draws: Draws, finding: int) -> None:
    rows = cases.measured(finding)
    labels, probabilities = cases.labels[rows, finding], cases.probabilities[rows, finding]
    patients = draws.codes[rows]
    bins = reliability_bins(labels, probabilities, patients, draws)
    observed, predicted = calibration_curve(labels, probabilities, n_bins=10, strategy="quantile")
    assert [one.observed.value for one in bins] == pytest.approx(observed.tolist())
    assert [one.predicted for one in bins] == pytest.approx(predicted.tolist())
    assert sum(one.cases for one in bins) == len(labels) and len(bins) > 3
    assert all(one.high < following.low for one, following in pairwise(bins))
    score = brier(labels, probabilities, patients, draws)
    assert score.value == pytest.approx(brier_score_loss(labels, probabilities))
    weights = np.array([one.cases for one in bins]) / len(labels)
    error = expected_calibration_error(labels, probabilities, patients, draws)
    assert error.value == pytest.approx(float(weights @ np.abs(observed - predicted)))
    assert error.low is not None and error.high is not None and 0 <= error.low < error.high


def test_the_error_of_a_draw_is_that_of_its_rows_in_the_same_bins() -> None:
    """Two bins, two draws written out; the interval mirrors them at the value."""
    random = np.random.default_rng(2)
    probabilities = np.repeat([0.2, 0.7], 30)
    labels = (random.random(60) < 0.5).astype(int)
    patients = np.tile(np.arange(12), 5)
    draws = Draws.of(patients, count=2)
    value = np.mean([abs(labels[half].mean() - probabilities[half].mean()) for half in (slice(30), slice(30, 60))])
    drawn = []
    for weights in draws.weights:
        rows = np.repeat(np.arange(60), weights[patients])
        halves = [rows[rows < 30], rows[rows >= 30]]
        drawn.append(sum(abs((labels[half] - probabilities[half]).sum()) for half in halves) / len(rows))
    low, high = np.percentile(2 * value - np.array(drawn), [2.5, 97.5])
    found = expected_calibration_error(labels, probabilities, patients, draws, count=2)
    assert (found.value, found.low, found.high) == pytest.approx((value, max(0, low), max(0, high)))


def test_the_interval_of_the_error_covers_what_is_true() -> None:
    """Probabilities 0.1 too high, in 60 collections of 300 independent cases: most intervals hold 0.1."""
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(60):
        probabilities = random.uniform(0.2, 0.9, 300)
        labels = (random.random(300) < probabilities - 0.1).astype(int)
        found = expected_calibration_error(labels, probabilities, np.arange(300), Draws.of(np.arange(300), count=200))
        covered += found.low is not None and found.high is not None and found.low <= 0.1 <= found.high
    assert covered >= 50


@pytest.mark.parametrize("labels", [[0] * 12, [1] * 12])
def test_one_class(labels: list[int]) -> None:
    patients, probabilities = np.arange(12), np.linspace(0, 0.9, 12)
    draws = Draws.of(patients, count=50)
    bins = reliability_bins(np.array(labels), probabilities, patients, draws, count=2)
    assert [one.observed.value for one in bins] == [labels[0]] * 2
    assert all(one.observed.low is not None for one in bins)  # that of as many patients
    expected = np.abs(np.array(labels) - probabilities).mean()
    assert expected_calibration_error(np.array(labels), probabilities, patients, draws).value == pytest.approx(expected)


def test_nothing_there() -> None:
    nothing, draws = np.zeros(0), Draws.of(np.arange(3), count=5)
    codes = np.zeros(0, int)
    assert reliability_bins(nothing.astype(int), nothing, codes, draws) == ()
    assert brier(nothing.astype(int), nothing, codes, draws).blank == "no cases"
    assert expected_calibration_error(nothing.astype(int), nothing, codes, draws).blank == "no cases"


def test_equal_probabilities_share_a_bin() -> None:
    patients = np.arange(10)
    draws = Draws.of(patients, count=50)
    (only,) = reliability_bins(np.array([0, 1] * 5), np.full(10, 0.3), patients, draws)
    assert (only.predicted, only.observed.value, only.cases, only.low, only.high) == pytest.approx(
        (0.3, 0.5, 10, 0.3, 0.3)
    )


def test_tables(cases: Cases, draws: Draws) -> None:
    """A finding without a probability is blank, and what was clipped is said."""
    probabilities = cases.probabilities.copy()
    probabilities[:, 0] = np.nan
    part = Cases(cases.level, cases.names, cases.patients, cases.scans, cases.labels, probabilities, cases.about)
    calibrated = calibration_of(part, draws)
    table = calibration_table(part.level, calibrated)
    assert table.rows[0][:4] == ("EDH", 0, None, None)
    assert [cell.blank for cell in table.rows[0][4:]] == ["no cases"] * 4  # type: ignore[union-attr]
    known = int((cases.labels[:, 5] >= 0).sum())
    assert known < 7185 and table.rows[5][1:3] == (known, (cases.labels[:, 5] == 1).sum() / known)
    assert "IVH" in table.notes[-1] and "EDH" not in table.notes[-1]
    assert "nan" not in csv_of(table).replace("blank because", "")
    points = reliability_table(part.level, calibrated)
    assert {row[0] for row in points.rows} == {"IPH", "IVH", "SAH", "SDH", "ICH"}
    assert sum(row[1] for row in points.rows if row[0] == "ICH") == known  # type: ignore[misc]


def test_the_interval_of_a_bin_is_that_of_its_cases_alone(cases: Cases, draws: Draws) -> None:
    rows = cases.measured(5)
    labels, probabilities, patients = cases.labels[rows, 5], cases.probabilities[rows, 5], draws.codes[rows]
    for one in reliability_bins(labels, probabilities, patients, draws):
        own = (probabilities >= one.low) & (probabilities <= one.high)
        assert clustered_proportion(labels[own] == 1, patients[own], draws) == one.observed
