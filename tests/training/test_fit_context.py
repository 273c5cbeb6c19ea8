"""The context of a bundle, fitted on made scans whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs pip install hemoscope[evaluate]")
pytest.importorskip("sklearn", reason="needs pip install hemoscope[evaluate]")

from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from hemoscope.detector.calibration import Weights
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.training.fit_context import GROUPS, HeldOutScan, _weights, fit_context

COUNT = len(FINDING_NAMES)
PLAIN = [Weights.of_neighbourhood(finding) for finding in range(COUNT)]


def scans(count: int = 60, seed: int = 1, lesion: int = 4) -> list[HeldOutScan]:
    """Every other patient bleeds in neighbouring slices, by logits that overlap; two scans each, two findings known."""
    random = np.random.default_rng(seed)
    made = []
    for scan in range(count):
        blood = np.zeros((16, COUNT), int)
        blood[4 : 4 + lesion] = (scan // 2) % 2 == 0
        logits = random.normal(2.0 * blood - 1.0, 1.5).astype(np.float32)
        blood[:, 1:ANY] = -1
        made.append(HeldOutScan(logits, np.arange(16) * 5.0, blood, f"patient {scan // 2}"))
    return made


def mean_loss(contexts: list, held_out: list[HeldOutScan]) -> float:
    losses = []
    for context, scan in zip(contexts, held_out, strict=True):
        x, y = context(scan.logits, scan.positions_mm)[:, ANY], scan.labels[:, ANY]
        losses.append(np.logaddexp(0, x) - y * x)
    return float(np.concatenate(losses).mean())


def test_it_says_more_than_a_slice_by_itself_on_scans_that_it_never_saw() -> None:
    fitted = fit_context(scans())
    others = scans(seed=2)
    by_itself = LogisticRegression().fit(
        np.concatenate([scan.logits[:, [ANY]] for scan in scans()]),
        np.concatenate([scan.labels[:, ANY] for scan in scans()]),
    )
    alone = by_itself.predict_proba(np.concatenate([scan.logits[:, [ANY]] for scan in others]))
    loss_alone = log_loss(np.concatenate([scan.labels[:, ANY] for scan in others]), alone)
    assert mean_loss([fitted.whole] * len(others), others) < 0.6 * loss_alone
    assert any(fitted.whole.weights[ANY].neighbourhood) and any(fitted.whole.weights[ANY].scan)


def test_the_context_of_a_scan_was_fitted_without_its_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels of one patient that are turned around change the contexts of the other groups, and not its own."""
    monkeypatch.setattr("hemoscope.training.fit_context.DEVIATIONS", (0.2,))
    made = scans()
    fitted = fit_context(made, (3.0,))
    own = [number for number, scan in enumerate(made) if scan.patient == "patient 3"]
    for number in own:
        made[number].labels[:, ANY] = 1 - made[number].labels[:, ANY]
    again = fit_context(made, (3.0,))
    assert len({id(context) for context in fitted.of_scans}) == GROUPS
    for number in own:
        assert fitted.of_scans[number] == again.of_scans[number]
    assert fitted.whole != again.whole


def test_the_neighbourhood_is_as_wide_as_the_lesions() -> None:
    narrow, wide = (fit_context(scans(200, lesion=lesion), (2.0, 8.0)).whole.sigma_mm for lesion in (1, 6))
    assert (narrow, wide) == (2.0, 8.0)


def test_weights_are_those_of_logistic_regression_where_none_wants_to_be_negative() -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=(2000, 3 * COUNT)).astype(np.float32)
    labels = (random.random(2000) < 1 / (1 + np.exp(-(x @ np.linspace(0.2, 1.0, 3 * COUNT) - 0.5)))).astype(int)
    found = _weights(0, x, labels, deviation=0.5)
    model = LogisticRegression(C=0.5**2, tol=1e-8, max_iter=1000).fit(x, labels)
    assert [*found.slice, *found.neighbourhood, *found.scan] == pytest.approx(model.coef_[0], abs=2e-3)
    assert found.intercept == pytest.approx(model.intercept_[0], abs=2e-3)


def test_a_finding_of_too_few_patients_keeps_its_neighbourhood() -> None:
    made = scans()
    for number, scan in enumerate(made):
        scan.labels[:, 0] = scan.labels[:, 0] * (number < 8)  # two patients
        scan.logits[:, 2] = np.nan
    fitted = fit_context(made)
    assert list(fitted.whole.weights[:3]) == PLAIN[:3]
    assert fitted.whole.weights[ANY] != PLAIN[ANY]


@pytest.mark.parametrize("count", [2, 8])
def test_few_patients_keep_their_neighbourhood(count: int) -> None:
    fitted = fit_context(scans(count))
    assert list(fitted.whole.weights) == PLAIN and len(fitted.of_scans) == count


def test_logits_that_say_the_opposite_are_not_turned_around() -> None:
    made = [HeldOutScan(-scan.logits, scan.positions_mm, scan.labels, scan.patient) for scan in scans()]
    of_any = fit_context(made).whole.weights[ANY]
    assert (of_any.slice[ANY], of_any.neighbourhood[ANY], of_any.scan[ANY]) == (0, 0, 0)


def test_what_cannot_be_read_counts_for_nothing() -> None:
    made = scans()
    expected = fit_context(made).whole
    longer = [
        HeldOutScan(
            np.vstack([scan.logits, np.full((1, COUNT), np.nan, np.float32)]),
            np.append(scan.positions_mm, 80.0),
            np.vstack([scan.labels, np.ones((1, COUNT), int)]),
            scan.patient,
        )
        for scan in made
    ]
    assert fit_context(longer).whole == expected
