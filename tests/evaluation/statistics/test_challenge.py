from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.challenge import challenge_loss_clustered, losses

# epidural, intraparenchymal, intraventricular, subarachnoid, subdural, any
LABELS = np.array([[0, 1, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]], np.int8)
PROBABILITIES = np.array([[0.1, 0.8, 0.25, 0.5, 0.0, 0.9], [0.0, 0.2, 0.1, 0.05, 1.0, 0.3]])


def challenge_loss(labels, probabilities):
    """Of slices that are each of a patient of their own."""
    draws = Draws.of(np.arange(len(labels)), count=2)
    return challenge_loss_clustered(labels, probabilities, draws.codes, draws)


def test_metric_computed_by_hand():
    first = [math.log(0.9), math.log(0.8), math.log(0.75), math.log(0.5), math.log(1 - 1e-15), 2 * math.log(0.9)]
    # Certain and wrong costs the logarithm of the clip, 34.54, and not the infinite
    second = [math.log(1 - 1e-15), math.log(0.8), math.log(0.9), math.log(0.95), math.log(1e-15), 2 * math.log(0.7)]
    by_hand = -(sum(first) / 7 + sum(second) / 7) / 2
    found = challenge_loss(LABELS, PROBABILITIES)
    assert found.value == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize(("label", "probability"), [(1, 0.0), (0, 1.0)])
def test_certain_and_wrong_costs_the_clip(label, probability):
    labels, probabilities = np.full((1, 6), label, np.int8), np.full((1, 6), probability)
    assert losses(labels, probabilities) == pytest.approx(np.full((1, 6), 34.538776394910684), abs=1e-12)
    assert losses(1 - labels, probabilities) == pytest.approx(np.full((1, 6), 1e-15), abs=1e-17)


def test_losses_of_scikit_learn():
    random = np.random.default_rng(1)
    labels = (random.random((50, 6)) < 0.3).astype(np.int8)
    probabilities = random.random((50, 6))
    each = [log_loss(labels[:, finding], probabilities[:, finding], labels=[0, 1]) for finding in range(6)]
    assert losses(labels, probabilities).mean(axis=0) == pytest.approx(each)
    expected = np.average(each, weights=[1, 1, 1, 1, 1, 2])
    assert challenge_loss(labels, probabilities).value == pytest.approx(expected, abs=1e-12)


def test_half_everywhere_is_the_logarithm_of_two():
    assert challenge_loss(LABELS, np.full((2, 6), 0.5)).value == pytest.approx(math.log(2), abs=1e-12)


def test_interval_resamples_patients():
    random = np.random.default_rng(1)
    labels = (random.random((60, 6)) < 0.3).astype(np.int8)
    probabilities = random.random((60, 6))
    draws = Draws.of(np.repeat(np.arange(20), 3), count=100)
    drawn = [
        challenge_loss(np.repeat(labels, weights, axis=0), np.repeat(probabilities, weights, axis=0)).value
        for weights in draws.weights[:, draws.codes]
    ]
    found = challenge_loss_clustered(labels, probabilities, draws.codes, draws)
    assert found.value == pytest.approx(challenge_loss(labels, probabilities).value)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))


@pytest.mark.parametrize(("label", "probability"), [(-1, 0.5), (0, np.nan)])
def test_a_slice_that_lacks_something_has_no_metric(label, probability):
    labels, probabilities = LABELS.copy(), PROBABILITIES.copy()
    labels[1, 2], probabilities[1, 2] = label, probability
    draws = Draws.of(np.array(["a", "b"]))
    why = "1 of 2 slices lack a label or a probability"
    assert challenge_loss(labels, probabilities).blank == why
    assert challenge_loss_clustered(labels, probabilities, draws.codes, draws).blank == why
    with pytest.raises(ValueError, match="label"):
        losses(labels, probabilities)


def test_no_cases_give_a_blank():
    assert challenge_loss(LABELS[:0], PROBABILITIES[:0]).blank == "no cases"


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(N, 6\)"):
        losses(LABELS[:, :5], PROBABILITIES[:, :5])
