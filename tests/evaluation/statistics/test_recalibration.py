"""Slope and intercept against statsmodels, on held-out answers of the shipped bundle and on made cases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("statsmodels", reason="needs pip install hemoscope[evaluate]")

import pandas as pd
import statsmodels.api as sm

from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.recalibration import recalibration


def of_statsmodels(labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray) -> list[float]:
    """Slope, its interval, intercept, its interval."""
    design = sm.add_constant(np.log(probabilities / (1 - probabilities)))
    fitted = sm.Logit(labels, design).fit(disp=0, cov_type="cluster", cov_kwds={"groups": patients})
    (intercept, slope), bounds = fitted.params, fitted.conf_int()
    return [slope, *bounds[1], intercept, *bounds[0]]


def found(labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray) -> list[float | None]:
    line = recalibration(labels, probabilities, patients)
    return [number for one in (line.slope, line.intercept) for number in (one.value, one.low, one.high)]


@pytest.mark.parametrize("finding", ["epidural", "any"])
def test_held_out_slices_of_the_shipped_bundle(finding: str) -> None:
    table = pd.read_csv(Path(__file__).resolve().parents[2] / "held_out_logits.csv")
    table = table[table["run"].str.startswith("fold") & (table[f"label_{finding}"] >= 0)]
    labels, logits = table[f"label_{finding}"].to_numpy(), table[finding].to_numpy()
    patients = Draws.of(table["patient"].to_numpy(), count=1).codes
    probabilities = 1 / (1 + np.exp(-logits))
    assert found(labels, probabilities, patients) == pytest.approx(of_statsmodels(labels, probabilities, patients))


@pytest.mark.parametrize("seed", range(5))
def test_made_cases(seed: int) -> None:
    """Some with a negative slope, and far from 1."""
    random = np.random.default_rng(seed)
    logits = random.normal(-6, 4, 300)
    labels = (random.random(300) < 1 / (1 + np.exp(-(0.8 * (seed - 2) * logits + seed)))).astype(int)
    probabilities, patients = 1 / (1 + np.exp(-np.clip(logits, -13, 13))), random.integers(0, 40, 300)
    assert found(labels, probabilities, patients) == pytest.approx(of_statsmodels(labels, probabilities, patients))


def test_probabilities_that_are_right_have_slope_one_and_intercept_zero() -> None:
    random = np.random.default_rng(1)
    probabilities = random.random(200_000)
    line = recalibration((random.random(200_000) < probabilities).astype(int), probabilities, np.arange(200_000))
    assert (line.slope.value, line.intercept.value) == pytest.approx((1, 0), abs=0.03)


@pytest.mark.parametrize(
    ("labels", "probabilities", "why"),
    [
        ([1, 1], [0.2, 0.3], "no negatives"),
        ([0, 0], [0.2, 0.3], "no positives"),
        ([], [], "no cases"),
        ([0, 1, 1], [0.3, 0.3, 0.3], "all probabilities are the same"),
        ([0, 0, 1, 1], [0.1, 0.3, 0.3, 0.9], "the probabilities of the classes do not overlap"),
        ([1, 1, 0, 0], [0.1, 0.3, 0.4, 0.9], "the probabilities of the classes do not overlap"),
    ],
)
def test_there_is_no_line(labels: list[int], probabilities: list[float], why: str) -> None:
    patients = np.arange(len(labels))
    line = recalibration(np.array(labels, int), np.array(probabilities, float), patients)
    assert line.slope.value is None and line.slope.blank == why == line.intercept.blank


def test_zero_and_one_have_a_logit_near_them() -> None:
    labels, patients = np.array([0, 1] * 20), np.arange(40)
    sure = np.where(np.arange(40) < 4, 1 - labels, labels).astype(float)
    near = np.clip(sure, 1e-6, 1 - 1e-6)
    assert found(labels, sure, patients) == pytest.approx(of_statsmodels(labels, near, patients))


def test_few_patients_give_no_interval() -> None:
    labels, probabilities = np.array([0, 1, 0, 1] * 5), np.tile([0.1, 0.2, 0.8, 0.9], 5)
    line = recalibration(labels, probabilities, np.tile([0, 1, 0, 2], 5))
    assert line.slope.value is not None and line.slope.low is None
    assert line.slope.blank == "fewer than 5 patients with positives"
