"""Counts that give the printed measures are found, and none where there are none."""

from __future__ import annotations

from hemoscope.evaluation.arithmetic.confusions import fitting, likeliest_cases
from hemoscope.evaluation.published import Printed
from hemoscope.evaluation.statistics.confusion import Counts


def row(**measures: str) -> dict[str, Printed]:
    return {
        name: Printed("paper", "Table 1", 0, 0, text, {"measure": name}, "fraction", "data")
        for name, text in measures.items()
    }


def test_the_one_count_of_hits_and_misses_is_found() -> None:
    # 8 of 10 and 15 of 20: accuracy 23/30, PPV 8/13, F1 16/23
    printed = row(sensitivity="0.80", specificity="0.75", accuracy="0.767", ppv="0.615", f1="0.696")
    assert fitting(printed, (10, 20)) == [Counts(tp=8, fp=5, tn=15, fn=2)]


def test_measures_that_fit_one_by_one_but_not_together_have_no_count() -> None:
    assert fitting(row(sensitivity="0.80", specificity="0.75"), (10, 20))
    assert fitting(row(sensitivity="0.80", specificity="0.75", accuracy="0.80"), (10, 20)) == []


def test_a_share_that_so_many_cases_cannot_have_has_no_count() -> None:
    assert fitting(row(sensitivity="0.81"), (10, 20)) == []


def test_the_area_of_calls_is_the_mean_of_sensitivity_and_specificity() -> None:
    assert fitting(row(sensitivity="0.80", specificity="0.75", auc_of_calls="0.775"), (10, 20))
    assert fitting(row(sensitivity="0.80", specificity="0.75", auc_of_calls="0.78"), (10, 20))
    assert not fitting(row(sensitivity="0.80", specificity="0.75", auc_of_calls="0.79"), (10, 20))


def test_without_positives_only_the_measures_of_negatives_are_known() -> None:
    assert fitting(row(accuracy="0.92", specificity="0.92"), (0, 100)) == [Counts(tp=0, fp=8, tn=92, fn=0)]
    assert fitting(row(sensitivity="0.92"), (0, 100)) == []


def test_the_number_of_positives_that_most_rows_can_be_of() -> None:
    rows = [
        row(sensitivity="0.54", specificity="1.00"),  # 7 of 13
        row(sensitivity="0.77", specificity="0.94"),  # 10 of 13
        row(sensitivity="0.85", specificity="0.94"),  # 11 of 13
        row(sensitivity="0.54", specificity="1.00", f1="0.73"),  # of no number: F1 is 0.70
    ]
    assert likeliest_cases(rows, 30) == [(13, 17)]
