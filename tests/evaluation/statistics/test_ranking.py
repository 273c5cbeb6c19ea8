from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, roc_auc_score

from hemoscope.evaluation.statistics.ranking import Ranking

ROWS, PATIENTS = 30, 6


@settings(max_examples=60, deadline=None)
@given(
    labels=arrays(np.int8, ROWS, elements=st.integers(0, 1)).filter(lambda labels: labels.any()),
    scores=arrays(np.float64, ROWS, elements=st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9, 1.0])),
    patients=arrays(np.intp, ROWS, elements=st.integers(0, PATIENTS - 1)),
    weights=arrays(np.float64, (PATIENTS, 3), elements=st.integers(0, 3)),
)
def test_areas_are_those_of_rows_repeated_as_often_as_their_patient(labels, scores, patients, weights):
    ranking = Ranking.of(labels, scores, patients, PATIENTS)
    areas, precisions = ranking.auc(weights), ranking.average_precision(weights)
    np.testing.assert_array_equal(ranking.areas(weights), np.column_stack([areas, precisions]))
    for draw in range(weights.shape[1]):
        rows = np.repeat(np.arange(ROWS), weights[patients, draw].astype(int))
        if 0 < labels[rows].sum() < len(rows):
            assert areas[draw] == pytest.approx(roc_auc_score(labels[rows], scores[rows]), abs=1e-12)
            expected = average_precision_score(labels[rows], scores[rows])
            assert precisions[draw] == pytest.approx(expected, abs=1e-12)
        else:
            assert np.isnan(areas[draw]) and np.isnan(precisions[draw])
