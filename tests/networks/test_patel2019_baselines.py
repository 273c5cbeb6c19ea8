"""Scans scored from their slices without an LSTM (Patel 2019, section IV-A)."""

from __future__ import annotations

import numpy as np
import pytest

from hemoscope.networks.patel2019_baselines import SequenceSVM, maximum, percentile_95
from hemoscope.reasons import UsageError


def test_maximum_and_percentile_are_taken_within_each_scan() -> None:
    probabilities = np.concatenate([np.linspace(0, 1, 101), [0.3]])
    np.testing.assert_allclose(maximum(probabilities, [101, 1]), [1, 0.3])
    np.testing.assert_allclose(percentile_95(probabilities, [101, 1]), [0.95, 0.3])


def scans_with_a_bright_middle(count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, 4) of scans of 3 to 9 slices, lengths, labels: positive ones have a feature in the middle slice."""
    lengths = random.choice([3, 5, 7, 9], count)
    labels = np.arange(count) % 2
    features = random.normal(0, 0.3, (lengths.sum(), 4))
    starts = np.cumsum(lengths) - lengths
    features[starts + lengths // 2, 1] += 3 * labels
    return features, lengths, labels


def test_the_machine_finds_what_stands_in_the_middle_of_scans_of_any_length() -> None:
    random = np.random.default_rng(7)
    machine = SequenceSVM().fit(*scans_with_a_bright_middle(40, random))
    features, lengths, labels = scans_with_a_bright_middle(20, random)
    scores = machine.scores(features, lengths)
    assert machine.slices == 9
    assert scores[labels == 1].min() > 0.5 > scores[labels == 0].max()
    assert scores.min() >= 0 and scores.max() <= 1


def test_a_scan_longer_than_all_of_training_loses_as_much_at_both_ends() -> None:
    random = np.random.default_rng(7)
    machine = SequenceSVM().fit(*scans_with_a_bright_middle(40, random))
    middle = random.normal(0, 0.3, (9, 4))
    longer = np.concatenate([np.full((3, 4), 9.0), middle, np.full((3, 4), -9.0)])
    np.testing.assert_allclose(machine.scores(longer, [15]), machine.scores(middle, [9]))


def test_one_scan_of_a_class_is_too_few() -> None:
    with pytest.raises(UsageError, match="two scans of each class"):
        SequenceSVM().fit(np.zeros((3, 4)), [1, 1, 1], [0, 0, 1])
