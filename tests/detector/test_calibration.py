"""Context and calibration against hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest

from hemoscope.detector.calibration import Calibration, Context
from hemoscope.detector.curves import Curves
from hemoscope.findings import FINDING_NAMES

COUNT = len(FINDING_NAMES)
IDENTITY = Curves.identity()


def test_context_is_a_gaussian_over_positions() -> None:
    logits = np.zeros((3, COUNT), np.float32)
    logits[1] = 1.0
    smoothed = Context(sigma_mm=5.0, assumed_spacing_mm=5.0).smooth(logits, np.array([0.0, 5.0, 15.0]))
    near, far, apart = np.exp(-0.5), np.exp(-2.0), np.exp(-4.5)
    assert smoothed[0] == pytest.approx(near / (1 + near + apart))
    assert smoothed[1] == pytest.approx(1 / (1 + near + far))
    assert smoothed[2] == pytest.approx(far / (1 + far + apart))


def test_context_takes_the_assumed_spacing_where_positions_are_unknown() -> None:
    logits = np.random.default_rng(1).normal(size=(6, COUNT)).astype(np.float32)
    context = Context(sigma_mm=4.0, assumed_spacing_mm=5.0)
    assert np.array_equal(context.smooth(logits, None), context.smooth(logits, np.arange(6) * 5.0))


def test_thin_slices_are_smoothed_over_the_same_mm_as_thick_ones() -> None:
    """A lesion of 15 mm (three thick slices) gives nearly the same peak whether slices are 5 mm or 1 mm apart."""
    thick_at, thin_at = np.arange(0, 100, 5.0), np.arange(0, 100, 1.0)
    context = Context(sigma_mm=4.0, assumed_spacing_mm=5.0)

    def peak(positions: np.ndarray) -> float:
        logits = np.repeat(((positions >= 37.5) & (positions <= 52.5)).astype(np.float32)[:, None], COUNT, axis=1)
        return float(context.smooth(logits, positions).max())

    assert peak(thick_at) == pytest.approx(peak(thin_at), abs=0.1)


def test_slices_without_a_score_stay_unknown_and_count_for_nothing() -> None:
    logits = np.ones((4, COUNT), np.float32)
    logits[2] = np.nan
    smoothed = Context(5.0, 5.0).smooth(logits, None)
    assert np.isnan(smoothed[2]).all()
    assert smoothed[[0, 1, 3]] == pytest.approx(1.0)
    slices, scan = Calibration(Context(5.0, 5.0), IDENTITY, IDENTITY)(logits, None)
    assert np.isnan(slices[2]).all()
    assert np.isfinite(scan).all()


def test_the_scan_takes_its_largest_logit_of_each_finding() -> None:
    logits = np.full((3, COUNT), -2.0, np.float32)
    logits[0, 0], logits[2, 4] = 1.0, 3.0
    _, scan = Calibration(Context(0.01, 5.0), IDENTITY, IDENTITY)(logits, None)
    assert scan[0] == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert scan[4] == pytest.approx(1 / (1 + np.exp(-3.0)))
    assert scan[1] == pytest.approx(1 / (1 + np.exp(2.0)))
