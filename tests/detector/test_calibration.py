"""Context and calibration against hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest

from hemoscope.detector.bundle import Bundle
from hemoscope.detector.calibration import Calibration, Context, Weights
from hemoscope.detector.curves import Curves
from hemoscope.findings import FINDING_NAMES

COUNT = len(FINDING_NAMES)
IDENTITY = Curves.identity()
NONE = (0.0,) * COUNT


def neighbourhood(sigma_mm: float) -> Context:
    """The mean of neighbouring slices alone."""
    return Context(sigma_mm, 5.0, tuple(Weights.of_neighbourhood(finding) for finding in range(COUNT)))


def one(finding: int, weight: float = 1.0) -> tuple[float, ...]:
    return tuple(weight * (other == finding) for other in range(COUNT))


def test_context_is_a_gaussian_over_positions() -> None:
    logits = np.zeros((3, COUNT), np.float32)
    logits[1] = 1.0
    smoothed = neighbourhood(5.0)(logits, np.array([0.0, 5.0, 15.0]))
    near, far, apart = np.exp(-0.5), np.exp(-2.0), np.exp(-4.5)
    assert smoothed[0] == pytest.approx(near / (1 + near + apart))
    assert smoothed[1] == pytest.approx(1 / (1 + near + far))
    assert smoothed[2] == pytest.approx(far / (1 + far + apart))


def test_context_takes_the_assumed_spacing_where_positions_are_unknown() -> None:
    logits = np.random.default_rng(1).normal(size=(6, COUNT)).astype(np.float32)
    context = neighbourhood(4.0)
    assert np.array_equal(context(logits, None), context(logits, np.arange(6) * 5.0))


def test_thin_slices_are_smoothed_over_the_same_mm_as_thick_ones() -> None:
    """A lesion of 15 mm (three thick slices) gives nearly the same peak whether slices are 5 mm or 1 mm apart."""
    thick_at, thin_at = np.arange(0, 100, 5.0), np.arange(0, 100, 1.0)
    context = neighbourhood(4.0)

    def peak(positions: np.ndarray) -> float:
        logits = np.repeat(((positions >= 37.5) & (positions <= 52.5)).astype(np.float32)[:, None], COUNT, axis=1)
        return float(context(logits, positions).max())

    assert peak(thick_at) == pytest.approx(peak(thin_at), abs=0.1)


def test_slices_without_a_score_stay_unknown_and_count_for_nothing() -> None:
    logits = np.ones((4, COUNT), np.float32)
    logits[2] = np.nan
    smoothed = neighbourhood(5.0)(logits, None)
    assert np.isnan(smoothed[2]).all()
    assert smoothed[[0, 1, 3]] == pytest.approx(1.0)
    slices, scan = Calibration(neighbourhood(5.0), IDENTITY, IDENTITY)(logits, None)
    assert np.isnan(slices[2]).all()
    assert np.isfinite(scan).all()


def test_the_scan_takes_its_largest_logit_of_each_finding() -> None:
    logits = np.full((3, COUNT), -2.0, np.float32)
    logits[0, 0], logits[2, 4] = 1.0, 3.0
    _, scan = Calibration(neighbourhood(0.01), IDENTITY, IDENTITY)(logits, None)
    assert scan[0] == pytest.approx(1 / (1 + np.exp(-1.0)))
    assert scan[4] == pytest.approx(1 / (1 + np.exp(-3.0)))
    assert scan[1] == pytest.approx(1 / (1 + np.exp(2.0)))


def test_weights_join_the_slice_its_neighbourhood_and_the_largest_of_the_scan() -> None:
    """Subdural from its own logit, the epidural one of the neighbours, and the largest `any` of the scan."""
    logits = np.random.default_rng(2).normal(size=(4, COUNT)).astype(np.float32)
    positions = np.array([0.0, 5.0, 10.0, 15.0])
    plain = [Weights.of_neighbourhood(finding) for finding in range(COUNT)]
    plain[4] = Weights(one(4, 0.5), one(0, 2.0), one(5, 3.0), intercept=-1.0)
    joined = Context(5.0, 5.0, tuple(plain))(logits, positions)
    smoothed = neighbourhood(5.0)(logits, positions)
    expected = 0.5 * logits[:, 4] + 2 * smoothed[:, 0] + 3 * logits[:, 5].max() - 1
    assert joined[:, 4] == pytest.approx(expected, abs=1e-5)
    assert np.delete(joined, 4, axis=1) == pytest.approx(np.delete(smoothed, 4, axis=1), abs=1e-6)


def test_a_slice_alone_is_a_scan_of_its_own() -> None:
    logits = np.random.default_rng(4).normal(size=(5, COUNT)).astype(np.float32)
    context = Context(5.0, 5.0, (Weights(one(1, 0.3), one(2, 0.4), one(3, 0.5), 0.1),) * COUNT)
    one_by_one = np.concatenate([context(row[None], None) for row in logits])
    assert context.alone(logits) == pytest.approx(one_by_one, abs=1e-6)


def test_a_finding_that_is_not_scored_has_no_logit_and_no_voice() -> None:
    logits = np.random.default_rng(5).normal(size=(3, COUNT)).astype(np.float32)
    logits[:, 0] = np.nan
    weights = tuple(Weights(one(finding), one(0), NONE, 0.0) for finding in range(COUNT))
    joined = Context(5.0, 5.0, weights)(logits, None)
    assert np.isnan(joined[:, 0]).all()
    assert joined[:, 1:] == pytest.approx(logits[:, 1:])


def test_more_suspicion_anywhere_never_lowers_a_probability() -> None:
    """Of the shipped bundle, on logits of any kind."""
    calibration = Bundle.load("default").calibration
    random = np.random.default_rng(6)
    for _ in range(50):
        logits = random.normal(-3, 4, (12, COUNT)).astype(np.float32)
        raised = logits.copy()
        raised[random.integers(12), random.integers(COUNT)] += random.exponential(3)
        for before, after in zip(calibration(logits, None), calibration(raised, None), strict=True):
            assert (after >= before - 1e-6).all()


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ((NONE[1:], NONE, one(0)), "are 6"),
        ((one(0, -0.1), NONE, one(0)), "not below 0"),
        ((NONE, NONE, NONE), "not all 0"),
        ((one(0, np.inf), NONE, NONE), "no number"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights: tuple[tuple[float, ...], ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Weights(*weights, 0.0)
