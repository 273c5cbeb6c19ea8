"""The flow names columns that were not used and rows with blanks, and a table given for the other level is told."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_data import NAMES, held_out, manifest_of, slices_of, written
from made_cases import random_cases

from hemoscope.evaluation.matching.flow import evaluated_steps
from hemoscope.evaluation.matching.predictions import Predictions
from hemoscope.evaluation.matching.scored import scored_scans, scored_slices
from hemoscope.evaluation.matching.truth import Truth
from hemoscope.reasons import UsageError

BLANKS = "rows with an empty probability of a finding that others have"


@pytest.fixture(scope="module")
def table():
    return held_out().head(400)


@pytest.fixture(scope="module")
def truth(table) -> Truth:
    return Truth.of(manifest_of(table))


def test_columns_that_were_not_used_are_a_step(table, truth, tmp_path):
    slices = slices_of(table).rename(columns={"subdural": "subdrual"}).assign(prob_edh=0.5)
    scored, _ = scored_slices(Predictions.read(written(slices, tmp_path / "slices.csv")), truth)
    sentences = [step.sentence for step in scored.steps]
    assert "slices, set aside: 2 columns not used: subdrual, prob_edh" in sentences
    scored, _ = scored_slices(Predictions.read(written(slices_of(table), tmp_path / "slices.csv")), truth)
    assert not any("not used" in step.what for step in scored.steps)


@pytest.mark.parametrize("level", ["slice", "scan"])
def test_rows_with_some_blanks_are_a_step(level):
    cases = random_cases(9, 9, level)
    cases.about["slices"] = 2
    cases.probabilities[:, 0] = np.nan  # a finding that is not scored at all
    assert BLANKS not in [step.what for step in evaluated_steps(cases)]
    cases.probabilities[[1, 3, 4, 8], [2, 5, 1, 1]] = np.nan
    cases.probabilities[6] = np.nan  # counted as a row without any probability
    (step,) = (step for step in evaluated_steps(cases) if step.what == BLANKS)
    assert (step.level, step.count) == (level, 4)
    assert step.examples == tuple(cases.names[[1, 3, 4]])


def test_a_table_of_the_other_level_is_told(table, truth, tmp_path):
    scans = slices_of(table).groupby("scan", as_index=False)[NAMES].max()
    with pytest.raises(UsageError, match=r"^scans\.csv has no slice .*; it has a row a scan: give it as --scans\.$"):
        scored_slices(Predictions.read(written(scans, tmp_path / "scans.csv")), truth)
    with pytest.raises(UsageError, match=r"^slices\.csv is no .*; it has a row a slice: give it as --predictions\.$"):
        scored_scans(Predictions.read(written(slices_of(table), tmp_path / "slices.csv")), truth)
    with pytest.raises(UsageError, match=r"^None of the \d+ rows of slices\.csv is a slice"):
        strange = slices_of(table).assign(scan="other", source=None)
        scored_slices(Predictions.read(written(strange, tmp_path / "slices.csv")), truth)
