"""As many negative slices as positive ones."""

from __future__ import annotations

import numpy as np

from hemoscope.datasets.splitting.sampling import balanced_slices


def test_all_positives_and_as_many_random_negatives_are_chosen() -> None:
    positive = np.array([1, 0, -1, 0, 1, 0, 0, -1, 0], np.int8)
    chosen = balanced_slices(positive, np.random.default_rng(1))
    assert chosen.tolist() == sorted(chosen)
    assert positive[chosen].tolist().count(1) == positive[chosen].tolist().count(0) == 2
    drawn = {tuple(balanced_slices(positive, np.random.default_rng(seed))) for seed in range(200)}
    assert len(drawn) == 10  # every pair of the five negatives


def test_all_negatives_are_taken_where_they_are_fewer() -> None:
    assert balanced_slices(np.array([1, 1, 0, -1], np.int8), np.random.default_rng(1)).tolist() == [0, 1, 2]
