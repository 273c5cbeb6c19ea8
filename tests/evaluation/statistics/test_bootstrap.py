from __future__ import annotations

import numpy as np
import pytest

from hemoscope.evaluation.statistics.bootstrap import NO_SPREAD, Draws, count_patients, difference, interval, too_few

PATIENTS = np.array(["b", "a", "b", "c", "a", "d"])


def test_a_draw_has_as_many_patients_as_there_are():
    draws = Draws.of(PATIENTS, count=50)
    assert draws.names.tolist() == ["a", "b", "c", "d"]
    assert draws.names[draws.codes].tolist() == PATIENTS.tolist()
    assert draws.weights.shape == (50, 4)
    assert (draws.weights.sum(axis=1) == 4).all()


def test_patients_are_drawn_alike_and_by_chance():
    weights = Draws.of(np.arange(40), count=4000).weights
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.1)
    assert weights.var() == pytest.approx(1 - 1 / 40, abs=0.02)  # of the binomial


def test_draws_follow_the_names_of_patients_and_the_seed():
    draws = Draws.of(PATIENTS, count=20)
    assert (Draws.of(PATIENTS[::-1], count=20).weights == draws.weights).all()
    assert (Draws.of(np.array(["a", "b", "c", "d"]), count=20).weights == draws.weights).all()
    assert (Draws.of(PATIENTS, count=20, seed=8).weights != draws.weights).any()


@pytest.mark.parametrize("name", [None, np.nan])
def test_a_row_without_a_patient_is_refused(name):
    with pytest.raises(ValueError, match="name of a patient"):
        Draws.of(np.array(["a", name], object))


def test_sums_are_those_of_the_drawn_rows():
    draws = Draws.of(PATIENTS, count=37)  # not a multiple of what is worked on together
    values = np.arange(12.0).reshape(6, 2)
    expected = [np.repeat(values, weights[draws.codes], axis=0).sum(axis=0) for weights in draws.weights]
    assert draws.sums(values, draws.codes) == pytest.approx(np.array(expected))


def test_sums_of_some_rows_leave_out_patients_without_one():
    draws = Draws.of(PATIENTS, count=10)
    rows = np.array([0, 2])  # of patient b
    sums = draws.sums(np.ones((2, 1)), draws.codes[rows])
    assert sums[:, 0] == pytest.approx(2 * draws.weights[:, 1])


def test_map_keeps_the_order_of_the_draws():
    draws = Draws.of(PATIENTS, count=101)
    assert draws.map(lambda weights: weights[2]) == pytest.approx(draws.weights[:, 2])


def test_interval_is_the_middle_of_the_draws_that_had_cases():
    drawn = np.concatenate([np.arange(1001.0), [np.nan] * 5])
    found = interval(500.0, drawn)
    assert (found.value, found.low, found.high) == pytest.approx((500, 25, 975))


@pytest.mark.parametrize("drawn", [[1.0] * 9, [np.nan] * 9, []])
def test_draws_without_spread_give_no_interval(drawn):
    assert interval(1.0, np.array(drawn)).blank == NO_SPREAD
    assert difference(1.0, np.array(drawn)).p_value is None


@pytest.mark.parametrize(
    ("drawn", "p_value"),
    [
        (np.arange(1, 1000) / 1000, 2 / 1000),  # all on one side: never 0
        (-np.arange(1, 1000) / 1000, 2 / 1000),
        (np.arange(-24, 975) / 1000, 2 * 26 / 1000),  # 24 below 0 and one at 0
        (np.arange(-500, 499) / 1000, 1.0),
    ],
)
def test_p_value_is_twice_the_share_on_the_other_side(drawn, p_value):
    assert difference(float(np.mean(drawn)), drawn).p_value == pytest.approx(p_value)


def test_too_few_patients_not_too_few_rows():
    assert count_patients(np.repeat([7, 2, 0, 4], 100)) == 4
    assert too_few(np.repeat([7, 2, 0, 4], 100), "with positives") == "fewer than 5 patients with positives"
    assert not too_few(np.arange(5), "with positives")
    assert too_few(np.zeros(0, int), "there")
