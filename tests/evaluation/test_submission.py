from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hemoscope.evaluation.matching.predictions import Predictions
from hemoscope.evaluation.submission import Sample, submission
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError
from hemoscope.report.names import hashed

IDS = ["ID_0fbf6a978", "ID_d62ec3412", "ID_cb544194b"]
PROBABILITIES = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0, 0, 0, 0, 1, 1], [1e-7, 0.25, 0, 0, 0, 0.125]])
# As Kaggle has it, but for the order, which is of neither slices nor findings
ROWS = [f"{name}_{finding}" for finding in FINDING_NAMES[::-1] for name in IDS[1:] + IDS[:1]]


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "stage_2_sample_submission.csv"
    path.write_text("ID,Label\n" + "".join(f"{row},0.5\n" for row in ROWS))
    return path


def written(path: Path, **columns: object) -> Path:
    """A CSV with columns of names and the probabilities of the three slices."""
    probabilities = dict(zip(FINDING_NAMES, PROBABILITIES.T, strict=True))
    pd.DataFrame(columns | probabilities).to_csv(path, index=False)
    return path


def made(path: Path, sample: Path) -> pd.DataFrame:
    content = submission(Predictions.read(path), Sample.read(sample)).decode()
    lines = [line.split(",") for line in content.splitlines()]
    return pd.DataFrame(lines[1:], columns=lines[0])


@pytest.mark.parametrize(
    "columns",
    [
        {"sop_instance_uid": IDS},
        {"sop_instance_uid": [hashed(name) for name in IDS]},  # of `detect` without --keep-identifiers
        {"sop_instance_uid": [None] * 3, "source": [f"rsna2019/stage_2_test/{name}.dcm" for name in IDS]},
        {"sop_instance_uid": [IDS[0], None, None], "source": ["", f"{IDS[1]}.dcm", f"a.zip!b/{IDS[2]}.dcm"]},
        {"image": [f"{name}.png" for name in IDS]},
    ],
    ids=["uid", "hashed", "source", "either", "wide"],
)
def test_rows_come_in_the_order_of_the_sample(tmp_path, sample, columns):
    found = made(written(tmp_path / "slices.csv", **columns), sample)
    assert found.columns.tolist() == ["ID", "Label"]
    assert found["ID"].tolist() == ROWS
    places = [(IDS.index(row[:12]), FINDING_NAMES.index(row[13:])) for row in ROWS]
    assert found["Label"].astype(float).tolist() == [PROBABILITIES[place] for place in places]


def test_a_submission_can_be_read_again(tmp_path, sample):
    path = written(tmp_path / "slices.csv", sop_instance_uid=IDS)
    first = submission(Predictions.read(path), Sample.read(sample))
    (tmp_path / "submission.csv").write_bytes(first)
    assert submission(Predictions.read(tmp_path / "submission.csv"), Sample.read(sample)) == first


def test_slices_that_the_sample_does_not_ask_for_are_left_out(tmp_path):
    sample = tmp_path / "sample.csv"
    sample.write_text(f"ID,Label\n{IDS[2]}_any,0\n")
    found = made(written(tmp_path / "slices.csv", sop_instance_uid=[IDS[0], IDS[0], IDS[2]]), sample)
    assert found.to_numpy().tolist() == [[f"{IDS[2]}_any", "0.125"]]


def test_missing_slices_are_named(tmp_path, sample):
    path = written(tmp_path / "slices.csv", sop_instance_uid=[IDS[0], "ID_000000000", None])
    with pytest.raises(
        UsageError, match=r"slices\.csv has no row for ID_d62ec3412, ID_cb544194b, of 3 slices in stage_2"
    ):
        made(path, sample)


def test_of_many_missing_slices_the_first_are_named(tmp_path):
    sample = tmp_path / "sample.csv"
    sample.write_text("ID,Label\n" + "".join(f"ID_{number:09x}_any,0.5\n" for number in range(1500)))
    path = written(tmp_path / "slices.csv", sop_instance_uid=["ID_000000000", "x", "y"])
    with pytest.raises(UsageError, match=r"for ID_000000001, ID_000000002, .*, ID_00000000a and 1,489 more, of 1,500"):
        made(path, sample)


def test_a_blank_probability_is_named(tmp_path, sample):
    path = written(tmp_path / "slices.csv", sop_instance_uid=IDS)
    table = pd.read_csv(path)
    table.loc[1, "subdural"] = None
    table.to_csv(path, index=False)
    with pytest.raises(UsageError, match="no probability of subdural for ID_d62ec3412, of 3 slices"):
        made(path, sample)
    table.drop(columns="epidural").to_csv(path, index=False)
    with pytest.raises(
        UsageError, match="of epidural, subdural for ID_d62ec3412, ID_cb544194b, ID_0fbf6a978, of 3 slices"
    ):
        made(path, sample)


def test_a_slice_predicted_twice_is_refused(tmp_path, sample):
    path = written(tmp_path / "slices.csv", sop_instance_uid=[IDS[0], IDS[1], IDS[0]])
    with pytest.raises(UsageError, match=r"Rows 2 and 4 of slices\.csv are of the same slice \(ID_0fbf6a978\)"):
        made(path, sample)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("image,Label\nID_0fbf6a978_any,0\n", "needs a column ID"),
        ("ID,Label\nID_0fbf6a978_any,0\nID_0fbf6a978_subdurall,0\n", "Row 3 of .* not the ID of a slice followed"),
        ("ID,Label\nID_0fbf6a978_any,0\n,0\n", "Row 3 of .* not the ID of a slice followed"),
        ("ID,Label\nID_0fbf6a978_any,0\nID_0fbf6a978_any,0\n", "Row 3 of .* there twice"),
        ("ID,Label\n", "has no rows"),
    ],
)
def test_what_is_no_sample_is_refused(tmp_path, text, sentence):
    (tmp_path / "sample.csv").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        Sample.read(tmp_path / "sample.csv")
