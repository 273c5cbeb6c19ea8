"""Curves of calibration against hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest

from hemoscope.detector.curves import UNCHANGED, Curves, Isotonic, Line
from hemoscope.findings import ANY, FINDING_NAMES

COUNT = len(FINDING_NAMES)


def test_a_line_is_logistic() -> None:
    line = Line(2.0, -1.0)
    assert line(np.array([0.5, 1.5, -1e6], np.float32)) == pytest.approx([0.5, 1 / (1 + np.exp(-2.0)), 0.0])


def test_an_isotonic_curve_is_straight_between_its_points_and_flat_beyond() -> None:
    curve = Isotonic((-1.0, 0.0, 2.0), (0.1, 0.1, 0.5))
    logits = np.array([-np.inf, -9.0, -0.5, 0.0, 0.5, 1.0, 2.0, 9.0, np.nan], np.float32)
    assert curve(logits) == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.2, 0.3, 0.5, 0.5, np.nan], nan_ok=True)


def test_each_finding_has_its_own_curve() -> None:
    curves = Curves((Isotonic((0.0,), (0.3,)), Line(2.0, 0.0), *(UNCHANGED,) * 3, Line(1.0, 5.0)))
    expected = [0.3, 1 / (1 + np.exp(-2.0)), *[1 / (1 + np.exp(-1.0))] * 3, 1 / (1 + np.exp(-6.0))]
    assert curves.probabilities(np.ones((2, COUNT), np.float32)) == pytest.approx(np.array([expected] * 2))


@pytest.mark.parametrize("of_any", [UNCHANGED, Isotonic((-5.0, 5.0), (0.01, 0.02))])
def test_any_is_never_below_a_subtype(of_any: Line | Isotonic) -> None:
    logits = np.full(COUNT, -3.0, np.float32)
    logits[1] = 2.0
    probabilities = Curves((UNCHANGED,) * ANY + (of_any,)).probabilities(logits)
    assert probabilities[ANY] == probabilities[1] == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_what_is_not_scored_stays_unknown() -> None:
    logits = np.array([[np.nan] * COUNT, [1.0] * ANY + [np.nan]], np.float32)
    probabilities = Curves((Isotonic((0.0,), (0.3,)),) * COUNT).probabilities(logits)
    assert np.isnan(probabilities[0]).all()
    assert np.isnan(probabilities[1, ANY]) and probabilities[1, 0] == pytest.approx(0.3)


def test_a_falling_line_is_refused() -> None:
    with pytest.raises(ValueError, match="slope"):
        Line(-1.0, 0.0)


def test_a_curve_is_needed_for_each_finding() -> None:
    with pytest.raises(ValueError, match="for each of epidural"):
        Curves((UNCHANGED,) * 5)
