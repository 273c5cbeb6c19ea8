"""The worst mistakes are those farthest from the threshold, one a patient."""

from __future__ import annotations

import numpy as np
from made_cases import NAN, cases_of

from hemoscope.evaluation.pages.failures import mistakes_table, worst_mistakes

IPH = 1
HALF = {"intraparenchymal": 0.5}


def test_the_most_confident_come_first_and_a_patient_comes_once() -> None:
    labels = [1, 1, 1, 1, 0, 0, 0]
    scores = [0.30, 0.10, 0.20, 0.90, 0.60, 0.99, 0.40]
    missed, alarms = worst_mistakes(cases_of(IPH, labels, scores, list("aabcdde")), HALF)
    assert (missed.kind, missed.rows, missed.count, missed.of) == ("missed", (1, 2), 3, 4)
    assert (alarms.kind, alarms.rows, alarms.count, alarms.of) == ("false alarm", (5,), 2, 3)
    assert missed.sentence("slice") == "3 of 4 positive slices missed"
    assert alarms.sentence("scan") == "2 of 3 negative scans called positive"


def test_at_the_threshold_a_case_is_positive() -> None:
    missed, alarms = worst_mistakes(cases_of(IPH, [1, 0], [0.5, 0.5], "ab"), HALF)
    assert (missed.count, alarms.count) == (0, 1)


def test_only_so_many_are_shown_but_all_are_counted() -> None:
    cases = cases_of(IPH, [1] * 9, np.linspace(0.4, 0.1, 9), "abcdefghi")
    missed, _ = worst_mistakes(cases, HALF, most=3)
    assert (missed.rows, missed.count) == ((8, 7, 6), 9)


def test_unknown_labels_and_missing_scores_are_no_mistakes() -> None:
    missed, alarms = worst_mistakes(cases_of(IPH, [-1, 1, -1], [0.9, NAN, 0.1], "abc"), HALF)
    assert (missed.count, missed.of, alarms.count, alarms.of) == (0, 0, 0, 0)


def test_findings_without_a_threshold_are_not_looked_at() -> None:
    assert worst_mistakes(cases_of(IPH, [1], [0.1], "a"), {"any": 0.5})[0].finding == 5
    assert worst_mistakes(cases_of(IPH, [1], [0.1], "a"), {}) == ()


def test_the_list_says_what_was_given_and_what_is_true() -> None:
    cases = cases_of(IPH, [1, 0], [0.1, 0.9], "ab")
    table = mistakes_table(cases, worst_mistakes(cases, HALF))
    assert table.rows == (
        ("intraparenchymal", "missed", "n0", "a", 0.1, 0.5, "IPH (others unknown)"),
        ("intraparenchymal", "false alarm", "n1", "b", 0.9, 0.5, "unknown"),
    )
    assert "1 of 1 positive slices missed" in table.notes[-1]
