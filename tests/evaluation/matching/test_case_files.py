"""Cases come back from their file as they went in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from evaluation_data import NAMES, held_out, manifest_of

from hemoscope.evaluation.matching.case_files import cases_to_parquet, read_cases
from hemoscope.evaluation.matching.truth import Truth
from hemoscope.reasons import UsageError


@pytest.mark.parametrize("level", ["slice", "scan"])
def test_cases_come_back_as_they_were(level, tmp_path):
    table = held_out()
    truth = Truth.of(manifest_of(table, age=np.where(table["age_years"] > 0, table["age_years"], np.nan)))
    rows = np.arange(len(table)) if level == "slice" else truth.targets.first_rows
    probabilities = table[NAMES].to_numpy()[rows]
    probabilities[::3, 1] = np.nan
    cases = (truth.slices if level == "slice" else truth.scans)(rows, probabilities)
    (tmp_path / "cases.parquet").write_bytes(cases_to_parquet(cases))
    found = read_cases(tmp_path / "cases.parquet")
    assert found.level == level
    for name in ("names", "patients", "scans", "labels", "probabilities"):
        np.testing.assert_array_equal(getattr(found, name), getattr(cases, name))
    pd.testing.assert_frame_equal(found.about, cases.about, check_dtype=False)


def test_another_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"There is no .*cases.parquet: give a folder that `hemoscope evaluate` wrote"):
        read_cases(tmp_path / "cases.parquet")
    (tmp_path / "text.parquet").write_text("scan,any\n")
    with pytest.raises(UsageError, match="is no Parquet file"):
        read_cases(tmp_path / "text.parquet")
    pd.DataFrame({"name": ["a"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(UsageError, match="was not written by `hemoscope evaluate`"):
        read_cases(tmp_path / "other.parquet")
