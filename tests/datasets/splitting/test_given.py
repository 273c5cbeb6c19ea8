"""A split from a CSV of patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.splitting.schemes import split
from hemoscope.reasons import UsageError


def manifest(patients: list[str | None], series: list[str | None]) -> Manifest:
    columns = {
        "patient": patients,
        "series": series,
        "sop_instance_uid": [f"{number:03}" for number in range(len(patients))],
        "any": np.zeros(len(patients), np.int8),
    }
    return Manifest.from_columns("one", Path("/data"), columns)


def given(folder: Path, text: str) -> str:
    path = folder / "given.csv"
    path.write_text(text)
    return f"given:{path}"


def test_patients_get_the_split_that_the_table_names(tmp_path: Path) -> None:
    scheme = given(tmp_path, "split,patient\nfold0,a\nfold1,b\nfold1,b\n")
    done = split(manifest(["a", "b", "c", None, None], ["s", "t", "u", "t", None]), scheme, 7)
    # c is not named; the fourth row is of b's scan; nobody knows whose the last is, so it may only train
    assert done.table["split"].to_pylist() == ["fold0", "fold1", None, "fold1", "train"]
    assert done.split is not None and done.split.scheme == scheme and not done.split.caveat


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("patient,fold\na,1\n", "has no column split"),
        ("patient,split\na,fold0\na,fold1\n", "puts a into two splits"),
        ("patient,split\na,fold0\nb,\n", "has an empty cell in row 2"),
        ("patient,split\nz,fold0\n", "names no patient of the Manifest"),
        ("", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        split(manifest(["a", "b"], ["s", "t"]), given(tmp_path, text), 7)


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        split(manifest(["a", "b"], ["s", "t"]), f"given:{tmp_path / 'none.csv'}", 7)


def test_the_folds_of_the_default_bundle_are_one_split_a_patient() -> None:
    text = (Path(__file__).parents[3] / "recipes/default_folds.csv").read_text().splitlines()
    patients = [line.split(",")[0] for line in text[1:]]
    assert len(patients) == len(set(patients))
    assert {line.split(",")[1] for line in text[1:]} == {"fold0", "fold1", "fold2", "fold3", "fold4", "test"}
