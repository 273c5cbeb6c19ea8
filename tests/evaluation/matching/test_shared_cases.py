"""Systems are compared on the cases that all of them have scored, and only where the truth is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_cases import NAN, random_cases

from hemoscope.evaluation.matching.case_files import FILES, cases_to_parquet
from hemoscope.evaluation.matching.shared_cases import read_systems, shared_cases, shared_table
from hemoscope.reasons import UsageError


def written(folder: Path, *levels) -> Path:
    folder.mkdir(parents=True)
    for cases in levels:
        (folder / FILES[cases.level]).write_bytes(cases_to_parquet(cases))
    return folder


def test_only_shared_cases_are_kept_in_one_order() -> None:
    a, b = random_cases(10, 10), random_cases(10, 10, seed=1)
    shared = shared_cases({"a": a.take(np.arange(8)), "b": b.take(np.arange(9, 2, -1))})
    assert [list(cases.names) for cases in shared.values()] == [list(a.names[3:8])] * 2
    assert np.array_equal(shared["b"].probabilities, b.probabilities[3:8])


def test_a_case_that_one_system_did_not_score_counts_for_none() -> None:
    a, b = random_cases(6, 6), random_cases(6, 6, seed=1)
    some = b.probabilities.copy()
    some[2, 4], some[:, 0] = NAN, NAN  # a slice, and a finding that b does not score at all
    shared = shared_cases({"a": a, "b": replace(b, probabilities=some)})
    assert np.isnan(shared["a"].probabilities[2, 4])
    assert not np.isnan(shared["a"].probabilities[:, 0]).any()
    rows = shared_table("scan", {"a": a, "b": b}, shared).rows
    assert [row[5:] for row in rows] == [(6, 6, 6, 6, 5, 6), (None, 6, 6, 6, 5, 6)]


def test_systems_without_a_shared_case_are_refused() -> None:
    a = random_cases(6, 6)
    with pytest.raises(UsageError, match=r"^The systems share no scans"):
        shared_cases({"a": a.take(np.arange(3)), "b": a.take(np.arange(3, 6))})


def test_other_labels_or_patients_are_refused() -> None:
    a = random_cases(6, 6)
    labels, patients = a.labels.copy(), a.patients.copy()
    labels[4, 0], patients[1] = 1 - labels[4, 0], "other"
    with pytest.raises(UsageError, match=r"^a and b have other labels for 1 of 6 shared scans \(first: d/0004.png#0\)"):
        shared_cases({"a": a, "b": replace(a, labels=labels)})
    with pytest.raises(UsageError, match="other patients for 1 of 6"):
        shared_cases({"a": a, "b": replace(a, patients=patients)})


def test_a_case_that_is_there_twice_is_refused() -> None:
    a = random_cases(4, 4)
    with pytest.raises(UsageError, match=r"^b has the scan d/0000.png#0 twice"):
        shared_cases({"a": a, "b": a.take(np.array([0, 1, 0]))})


def test_levels_that_all_folders_have_are_read(tmp_path: Path) -> None:
    slices, scans = random_cases(4, 2, "slice"), random_cases(3, 3, "scan")
    folders = [written(tmp_path / "a", slices, scans), written(tmp_path / "b", scans)]
    found = read_systems(folders)
    assert {level: list(systems) for level, systems in found.items()} == {"scan": ["a", "b"]}


def test_folders_of_one_name_are_told_apart_by_those_above(tmp_path: Path) -> None:
    scans = random_cases(3, 3)
    folders = [written(tmp_path / above / "out", scans) for above in ("x", "y")]
    assert list(read_systems(folders)["scan"]) == ["x/out", "y/out"]
    with pytest.raises(UsageError, match=r"^Two of the folders are called out"):
        read_systems([folders[0], folders[0]])


def test_what_is_no_evaluation_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", random_cases(3, 3))
    with pytest.raises(UsageError, match=r"^Give at least two folders"):
        read_systems([folder])
    with pytest.raises(UsageError, match="run `hemoscope evaluate` first"):
        read_systems([folder, tmp_path / "gone"])


@pytest.mark.parametrize(("file", "option"), [("slices.csv", "--predictions"), ("scans.csv", "--scans")])
def test_predictions_are_no_evaluation(file: str, option: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / file).write_text("scan,any\na,0.5\n")
    evaluated = written(tmp_path / "a", random_cases(3, 3))
    for folders in ([tmp_path / "run"], [evaluated, tmp_path / "run"]):
        with pytest.raises(UsageError, match=r"run holds predictions, .*: run `hemoscope evaluate ") as error:
            read_systems(folders)
        assert f"{option} {tmp_path / 'run' / file} --manifest M --out OTHER` first." in error.value.sentence
