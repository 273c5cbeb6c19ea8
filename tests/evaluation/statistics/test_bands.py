"""The band around a ROC curve is what drawing patients again, one draw after another, gives."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from hemoscope.evaluation.statistics import bands
from hemoscope.evaluation.statistics.bands import GRID, roc_band
from hemoscope.evaluation.statistics.bootstrap import Draws


def cases(patients: int, seed: int = 1, decimals: int = 2):
    """(labels, scores, draws, names) of three slices a patient, with ties."""
    random = np.random.default_rng(seed)
    names = np.repeat(np.arange(patients), 3)
    labels = (random.random(patients) < 0.4).astype(int)[names]
    scores = (random.normal(size=len(names)) + labels).round(decimals)
    return labels, scores, Draws.of(names, count=60), names


def sensitivities_of_draws(labels, scores, draws):
    """At each false positive rate of the grid: (draws, G), by repeating rows as often as a draw has their patient."""
    found = []
    for weights in draws.weights:
        rows = np.repeat(np.arange(len(labels)), weights[draws.codes])
        if 0 < labels[rows].sum() < len(rows):
            false_positive, sensitivity, _ = roc_curve(labels[rows], scores[rows], drop_intermediate=False)
            found.append([sensitivity[false_positive <= at].max() if at in false_positive else
                          np.interp(at, false_positive, sensitivity) for at in GRID])  # fmt: skip
    return np.array(found)


def test_the_band_is_that_of_resampled_curves() -> None:
    labels, scores, draws, _ = cases(patients=30)
    band = roc_band(labels, scores, draws.codes, draws)
    low, high = np.percentile(sensitivities_of_draws(labels, scores, draws), [2.5, 97.5], axis=0)
    assert band.low == pytest.approx(low, abs=1e-9)
    assert band.high == pytest.approx(high, abs=1e-9)
    assert (band.high - band.low).max() > 0.1  # patients differ


def test_perfect_order_has_no_width() -> None:
    names = np.arange(20)
    labels = (names >= 10).astype(int)
    band = roc_band(labels, names / 20, names, Draws.of(names, count=50))
    assert (band.low == 1).all()
    assert (band.high == 1).all()


def test_draws_without_a_class_are_left_out() -> None:
    names = np.arange(12)
    labels = (names == 0).astype(int)  # a third of the draws has no positive
    band = roc_band(labels, 1 - names / 12, names, Draws.of(names, count=50))
    assert np.isfinite(band.low).all()


def test_fewer_thresholds_give_nearly_the_same_band(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, scores, draws, _ = cases(patients=300, decimals=12)
    coarse = roc_band(labels, scores, draws.codes, draws)  # 900 scores at 400 thresholds
    monkeypatch.setattr(bands, "MOST_THRESHOLDS", 10_000)
    exact = roc_band(labels, scores, draws.codes, draws)
    assert np.abs(coarse.low - exact.low).max() < 0.02
    assert np.abs(coarse.low - exact.low).max() > 0
    assert np.abs(coarse.high - exact.high).max() < 0.02
