"""Rows are sorted out once, for the first reason that is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hemoscope.datasets.importing.sieve import Sieve, missing_files
from hemoscope.datasets.problems import Problem


def test_a_row_is_kept_out_for_the_first_reason_only() -> None:
    sieve = Sieve(["a", "b", "c"])
    sieve.report(np.array([True, False, False]), Problem.BAD_ROW, "first")
    sieve.report(np.array([True, True, False]), Problem.MISSING_FILE, "second")
    assert [(one.item, one.detail) for one in sieve.found] == [("a", "first"), ("b", "second")]
    assert sieve.kept.tolist() == [False, False, True]


def test_a_doubtful_row_is_reported_and_kept() -> None:
    sieve = Sieve(["a"])
    sieve.report(np.array([True]), Problem.DOUBTFUL_LABEL, "doubt")
    assert (len(sieve.found), sieve.kept.tolist()) == (1, [True])


def test_rows_of_one_name_are_one_problem_and_all_kept_out() -> None:
    sieve = Sieve(["a", "a", "b"])
    sieve.report(np.array([True, True, False]), Problem.BAD_ROW, "why")
    assert [(one.item, one.detail) for one in sieve.found] == [("a", "why")]
    assert sieve.kept.tolist() == [False, False, True]


def test_files_that_are_not_there_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert missing_files(tmp_path, ["a.jpg", "b.jpg", "", "a.jpg"]).tolist() == [False, True, True, False]
