"""Calibration curves fitted on held-out logits of the bundle 0.1.0, against scikit-learn and against none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pd = pytest.importorskip("pandas", reason="needs pip install hemoscope[evaluate]")
pytest.importorskip("scipy", reason="needs pip install hemoscope[evaluate]")
pytest.importorskip("sklearn", reason="needs pip install hemoscope[evaluate]")

from sklearn.isotonic import IsotonicRegression  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import log_loss  # noqa: E402

from hemoscope.cli.train import CALIBRATIONS  # noqa: E402
from hemoscope.detector.curves import UNCHANGED, Curves, Line  # noqa: E402
from hemoscope.findings import ANY, FINDING_NAMES  # noqa: E402
from hemoscope.training.fit_curves import METHODS, Method, isotonic, platt, temperature  # noqa: E402

NAMES = list(FINDING_NAMES)
LABELS = [f"label_{name}" for name in NAMES]
SCAN = ["run", "source", "patient", "scan"]


@pytest.fixture(scope="module")
def held_out() -> Any:
    """All slices that the networks of the bundle 0.1.0 held out; some types of some sources are unknown."""
    table = pd.read_csv(Path(__file__).resolve().parents[1] / "held_out_logits.csv")
    return table[table["run"].str.startswith("fold")]


@pytest.fixture(scope="module")
def slices(held_out: Any) -> Any:
    """Those of whole scans with all labels."""
    return held_out[held_out["source"].isin(["physionet", "rsna_series"])]


@pytest.fixture(scope="module")
def scans(slices: Any) -> Any:
    return slices.groupby(SCAN)[[*NAMES, *LABELS]].max().reset_index()


def parts(table: Any) -> tuple[np.ndarray, np.ndarray]:
    return table[NAMES].to_numpy(np.float32), table[LABELS].to_numpy(int)


def losses(curves: Curves, table: Any) -> np.ndarray:
    """The sum of the log losses by finding."""
    logits, labels = parts(table)
    probabilities = curves.probabilities(logits).astype(float)
    return np.array([_loss(labels[:, one], probabilities[:, one]) for one in range(len(NAMES))])


def _loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    known = labels >= 0
    return float(log_loss(labels[known], probabilities[known], labels=[0, 1], normalize=False)) if known.any() else 0.0


@pytest.mark.parametrize(
    ("method", "level"),
    [
        ("platt", "held_out"),
        ("temperature", "held_out"),
        ("isotonic", "held_out"),
        ("platt", "scans"),
        ("isotonic", "scans"),  # one temperature does not help there: the logits of scans are biased, not too steep
    ],
)
def test_what_is_fitted_on_other_patients_lowers_the_loss(
    method: Method, level: str, request: pytest.FixtureRequest
) -> None:
    table = request.getfixturevalue(level)
    raw, calibrated = np.zeros(6), np.zeros(6)
    for run in sorted(table["run"].unique()):
        others, own = table[table["run"] != run], table[table["run"] == run]
        assert not set(others["patient"]) & set(own["patient"])
        raw += losses(Curves.identity(), own)
        calibrated += losses(METHODS[method](*parts(others)), own)
    assert calibrated[ANY] < raw[ANY]
    assert calibrated.sum() < raw.sum()


@pytest.mark.parametrize("finding", range(6))
def test_isotonic_is_that_of_scikit_learn(slices: Any, finding: int) -> None:
    """Away from the two cases that are added at the ends, it is the regression of the cases alone."""
    logits, labels = parts(slices)
    expected = IsotonicRegression().fit(logits[:, finding], labels[:, finding]).predict(logits[:, finding])
    curve = isotonic(logits, labels).of[finding]
    found = curve(logits[:, finding])
    inside = (found > curve.probabilities[0]) & (found < curve.probabilities[-1])  # type: ignore[union-attr]
    assert inside.sum() > 100
    assert found[inside] == pytest.approx(expected[inside], abs=1e-6)


def test_isotonic_by_hand() -> None:
    """Logits 0 to 5 with labels 0 0 1 0 1 1, a positive more at 0 and a negative more at 5: three blocks."""
    logits = np.repeat(np.arange(6, dtype=np.float32)[:, None], 6, axis=1)
    labels = np.repeat(np.array([0, 0, 1, 0, 1, 1])[:, None], 6, axis=1)
    curve = isotonic(logits, labels).of[ANY]
    assert curve(logits[:, 0]) == pytest.approx([1 / 3, 1 / 3, 1 / 2, 1 / 2, 2 / 3, 2 / 3])


@pytest.mark.parametrize("label", [0, 1])
def test_isotonic_is_never_certain(label: int) -> None:
    """Of nine cases of one class: (hits + 1) / (cases + 2), whatever the order."""
    logits = np.random.default_rng(1).normal(size=(9, 6)).astype(np.float32)
    found = isotonic(logits, np.full((9, 6), label)).probabilities(logits)
    assert found.min() > 0 and found.max() < 1
    certain = isotonic(np.zeros((9, 6), np.float32), np.full((9, 6), label)).probabilities(logits)
    assert certain == pytest.approx((9 * label + 1) / 11)


def test_temperature_is_one_for_all_findings_and_near_the_regression_without_an_intercept(slices: Any) -> None:
    logits, labels = parts(slices)
    curves = temperature(logits, labels)
    assert len(set(curves.of)) == 1 and curves.of[0].intercept == 0  # type: ignore[union-attr]
    expected = LogisticRegression(C=1e9, fit_intercept=False).fit(logits.reshape(-1, 1), labels.ravel()).coef_[0, 0]
    assert curves.of[0].slope == pytest.approx(expected, abs=2e-3)  # type: ignore[union-attr]


def test_platt_is_near_the_logistic_regression(slices: Any) -> None:
    logits, labels = parts(slices)
    line = platt(logits, labels).of[ANY]
    expected = LogisticRegression(C=1e9).fit(logits[:, [ANY]], labels[:, ANY])
    assert isinstance(line, Line)
    assert (line.slope, line.intercept) == pytest.approx((expected.coef_[0, 0], expected.intercept_[0]), abs=5e-3)


@pytest.mark.parametrize("method", list(METHODS))
def test_unknown_labels_and_findings_without_a_logit_count_for_nothing(method: Method, scans: Any) -> None:
    logits, labels = parts(scans)
    logits[:, 0], labels[:, 1] = np.nan, -1
    more_logits = np.concatenate([logits, np.full((20, 6), 9.0, np.float32)])
    more_labels = np.concatenate([labels, np.full((20, 6), -1)])
    curves = METHODS[method](more_logits, more_labels)
    assert curves == METHODS[method](logits, labels)
    if method != "temperature":  # which is fitted on the others, and serves all
        assert curves.of[:2] == (UNCHANGED, UNCHANGED)


@pytest.mark.parametrize("method", list(METHODS))
def test_classes_that_do_not_overlap_give_no_endless_slope(method: Method) -> None:
    logits = np.repeat(np.array([[-2.0], [-1.0], [1.0], [2.0]], np.float32), 6, axis=1)
    probabilities = METHODS[method](logits, (logits > 0).astype(int)).probabilities(logits)
    assert probabilities.min() > 0.001 and probabilities.max() < 0.999


def test_the_command_offers_every_method() -> None:
    assert tuple(METHODS) == CALIBRATIONS
