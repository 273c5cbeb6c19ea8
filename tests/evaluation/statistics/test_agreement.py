"""Agreement of readers against scikit-learn, statsmodels, formulas written out, and the readings of CQ500."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("statsmodels", reason="needs pip install hemoscope[evaluate]")

from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from hemoscope.evaluation.readers.readings import Readings
from hemoscope.evaluation.statistics.agreement import (
    _drawn,
    cohen_kappa,
    fleiss,
    majority,
    percentage_agreement,
)
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.findings import FINDINGS

FLEISS = {"ICH": 0.7827, "IPH": 0.7746, "IVH": 0.6962, "SDH": 0.5418, "EDH": 0.6145, "SAH": 0.6382}
POSITIVE = {"ICH": 205, "IPH": 134, "IVH": 28, "SDH": 53, "EDH": 13, "SAH": 60}


@pytest.fixture(scope="module")
def cq500(shared_data: Path) -> Readings:
    return Readings.read(shared_data / "cq500_reads/reads.csv")


@pytest.mark.parametrize("finding", range(6))
def test_cq500(cq500: Readings, finding: int) -> None:
    labels, name = cq500.labels[:, :, finding], FINDINGS[finding].abbreviation
    draws = Draws.of(cq500.scans, count=200)
    kappa = fleiss(labels, draws.codes, draws)
    assert kappa.value == pytest.approx(FLEISS[name], abs=5e-5)
    assert (majority(labels) == 1).sum() == POSITIVE[name]
    assert kappa.low is not None and kappa.high is not None and kappa.low < FLEISS[name] < kappa.high
    for a, b in ((0, 1), (0, 2), (1, 2)):
        found = cohen_kappa(labels[a], labels[b])
        assert found.value == pytest.approx(cohen_kappa_score(labels[a], labels[b]))
        assert percentage_agreement(labels[a], labels[b]).value == pytest.approx((labels[a] == labels[b]).mean())


def test_a_draw_of_fleiss_kappa_is_that_of_statsmodels(cq500: Readings) -> None:
    """Of each draw written out row by row."""
    labels = cq500.labels[:, :, 5]
    draws = Draws.of(cq500.scans, count=5)
    rows = [np.repeat(np.arange(len(cq500.scans)), weights[draws.codes]) for weights in draws.weights]
    expected = [fleiss_kappa(aggregate_raters(labels[:, own].T)[0]) for own in rows]
    assert _drawn(labels, draws.codes, draws) == pytest.approx(expected)


def test_cohen_by_hand() -> None:
    """20 and 15 alike, 5 and 10 not: chance 0.5, kappa 0.4; the variance as Fleiss, Cohen and Everitt have it."""
    a = np.repeat(np.array([1, 1, 0, 0], np.int8), [20, 5, 10, 15])
    b = np.repeat(np.array([1, 0, 1, 0], np.int8), [20, 5, 10, 15])
    table = np.array([[20, 5], [10, 15]]) / 50
    rows, columns, kappa, chance = table.sum(1), table.sum(0), 0.4, 0.5
    agree = sum(table[i, i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in range(2))
    differ = sum(
        (1 - kappa) ** 2 * table[i, j] * (columns[i] + rows[j]) ** 2 for i in range(2) for j in range(2) if i != j
    )
    error = np.sqrt((agree + differ - (kappa - chance * (1 - kappa)) ** 2) / (50 * (1 - chance) ** 2))
    found = cohen_kappa(a, b)
    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.4 - 1.959964 * error, 0.4 + 1.959964 * error))


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        ([1, 1], [1, 1], "- (the same answer in every case leaves nothing to agree on by chance)"),
        ([1, 0], [1, 1], "0.000 (one of them gives one answer only, which leaves no standard error)"),
        ([0, 0], [1, 1], "0.000 (one of them gives one answer only, which leaves no standard error)"),
        ([1, 0], [1, 0], "1.000 (they always agree, or never, which leaves no standard error)"),
        ([1, 0], [0, 1], "-1.000 (they always agree, or never, which leaves no standard error)"),
        ([1, -1], [-1, 0], "- (no case that all of them read)"),
        ([], [], "- (no case that all of them read)"),
    ],
)
def test_cohen_where_there_is_nothing_to_measure(a: list[int], b: list[int], text: str) -> None:
    assert cohen_kappa(np.array(a, np.int8), np.array(b, np.int8)).text() == text


def test_what_one_of_two_did_not_read_counts_for_nothing() -> None:
    a, b = np.array([1, 0, 1, 0, -1, 1], np.int8), np.array([1, 0, 0, 0, 1, -1], np.int8)
    assert cohen_kappa(a, b) == cohen_kappa(a[:4], b[:4])
    assert percentage_agreement(a, b).value == 0.75


def test_fleiss_is_of_the_cases_that_all_read(cq500: Readings) -> None:
    labels = cq500.labels[:, :, 5].copy()
    labels[1, 100:] = -1
    draws = Draws.of(cq500.scans, count=50)
    expected = fleiss_kappa(aggregate_raters(labels[:, :100].T)[0])
    assert fleiss(labels, draws.codes, draws).value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([[1, 0, 1]], "- (one reader)"),
        ([[1, -1], [-1, 0]], "- (no case that all of them read)"),
        ([[1, 1], [1, 1]], "- (the same answer in every case leaves nothing to agree on by chance)"),
        ([[1, 0], [1, 0]], "1.000 (fewer than 5 patients to resample)"),
        ([[1, 0] * 4, [1, 0] * 4], "1.000 (every draw gives the same value)"),
    ],
)
def test_fleiss_where_there_is_nothing_to_measure(labels: list[list[int]], text: str) -> None:
    draws = Draws.of(np.arange(len(labels[0])), count=50)
    assert fleiss(np.array(labels, np.int8), draws.codes, draws).text() == text


def test_majority() -> None:
    """Columns: all yes, two of three, one of three, a tie of two, two alike, one reader, nobody."""
    labels = [[1, 1, 1, 1, 0, 1, -1], [1, 1, 0, 0, 0, -1, -1], [1, 0, 0, -1, -1, -1, -1]]
    assert majority(np.array(labels, np.int8)).tolist() == [1, 1, 0, -1, 0, -1, -1]
