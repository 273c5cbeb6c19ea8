"""What follows from labels, and which contradict themselves."""

from __future__ import annotations

import numpy as np
import pytest

from hemoscope.datasets.labels import complete_any, contradictions, in_words

U = -1


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ([0, 1, 0, 0, U, U], [0, 1, 0, 0, U, 1]),
        ([0, 0, 0, 0, 0, U], [0, 0, 0, 0, 0, 0]),
        ([0, 0, 0, 0, U, U], [0, 0, 0, 0, U, U]),
        ([U, U, U, U, U, 0], [0, 0, 0, 0, 0, 0]),
        ([U, U, U, U, U, 1], [U, U, U, U, U, 1]),
        ([U, 1, U, U, U, 0], [0, 1, 0, 0, 0, 0]),
    ],
)
def test_what_follows_is_filled_in(given: list[int], filled: list[int]) -> None:
    assert complete_any(np.array([given], np.int8)).tolist() == [filled]


@pytest.mark.parametrize(
    ("labels", "contradicts"),
    [
        ([0, 1, 0, 0, 0, 0], True),
        ([U, 1, U, U, U, 0], True),
        ([0, 0, 0, 0, 0, 1], True),
        ([0, 0, 0, 0, U, 1], False),
        ([0, 1, 0, 0, 0, U], False),
        ([1, 1, 0, 0, 0, 1], False),
        ([U, U, U, U, U, U], False),
    ],
)
def test_contradictions_are_found(labels: list[int], contradicts: bool) -> None:
    assert contradictions(np.array([labels], np.int8)).tolist() == [contradicts]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([1, 0, 0, 0, 0, 1], "EDH"),
        ([0, 1, 0, 0, 1, 1], "IPH SDH"),
        ([0, 1, U, U, U, 1], "IPH (others unknown)"),
        ([U, U, U, U, U, 1], "ICH (others unknown)"),
        ([0] * 6, "no hemorrhage"),
        ([U] * 6, "unknown"),
    ],
)
def test_labels_are_said_in_words(labels: list[int], words: str) -> None:
    assert in_words(np.array(labels, np.int8)) == words
