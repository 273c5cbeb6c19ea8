from __future__ import annotations

import numpy as np
import pytest
from asah import OUTCOME, S100B, WFNS
from sklearn.metrics import average_precision_score, roc_auc_score

from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.clustered import (
    areas_clustered,
    auc_clustered,
    auc_difference,
    average_precision_clustered,
    average_precision_difference,
    clustered_mean,
    clustered_proportion,
    mean_difference,
)
from hemoscope.evaluation.statistics.delong import auc_delong, paired_test
from hemoscope.evaluation.statistics.proportions import clopper_pearson

PATIENTS = np.repeat(np.arange(30), 10)
RANDOM = np.random.default_rng(3)
OF_PATIENT = np.repeat(RANDOM.normal(size=30), 10)  # what slices of one patient have in common
LABELS = (OF_PATIENT + RANDOM.normal(size=300) > 0.8).astype(int)
SCORES = np.round(OF_PATIENT + LABELS + RANDOM.normal(size=300), 1)
OTHER = np.round(SCORES / 2 + RANDOM.normal(size=300), 1)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(auc_clustered, roc_auc_score), (average_precision_clustered, average_precision_score)],
)
def test_interval_is_that_of_the_plain_loop_over_patients(ours, theirs):
    draws = Draws.of(PATIENTS, count=200)
    values = []
    for weights in draws.weights:
        rows = np.concatenate([np.flatnonzero(one == PATIENTS) for one in np.repeat(np.arange(30), weights)])
        values.append(theirs(LABELS[rows], SCORES[rows]))
    found = ours(LABELS, SCORES, draws.codes, draws)
    assert found.value == pytest.approx(theirs(LABELS, SCORES), abs=1e-12)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])), abs=1e-12)


@pytest.mark.parametrize("labels", [LABELS, np.zeros_like(LABELS), (PATIENTS < 3) & (LABELS == 1)])
def test_both_areas_at_once_are_those_of_each_alone(labels):
    draws = Draws.of(PATIENTS, count=200)
    given = labels, SCORES, draws.codes, draws
    assert areas_clustered(*given) == (auc_clustered(*given), average_precision_clustered(*given))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(auc_difference, roc_auc_score), (average_precision_difference, average_precision_score)],
)
def test_difference_pairs_the_draws_of_both_systems(ours, theirs):
    draws = Draws.of(PATIENTS, count=100)
    values = [
        theirs(LABELS, SCORES, sample_weight=weights[PATIENTS]) - theirs(LABELS, OTHER, sample_weight=weights[PATIENTS])
        for weights in draws.weights.astype(float)
    ]
    found = ours(LABELS, SCORES, OTHER, draws.codes, draws)
    assert found.estimate.value == pytest.approx(theirs(LABELS, SCORES) - theirs(LABELS, OTHER), abs=1e-12)
    assert (found.estimate.low, found.estimate.high) == pytest.approx(
        tuple(np.percentile(values, [2.5, 97.5])), abs=1e-12
    )


def test_of_independent_cases_it_is_near_delong():
    draws = Draws.of(np.arange(len(OUTCOME)))
    exact, found = auc_delong(OUTCOME, S100B), auc_clustered(OUTCOME, S100B, draws.codes, draws)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.01)
    test = auc_difference(OUTCOME, S100B, WFNS, draws.codes, draws)
    assert test.p_value == pytest.approx(paired_test(OUTCOME, S100B, WFNS).p_value, abs=0.015)


def test_slices_of_one_patient_widen_the_interval():
    draws = Draws.of(PATIENTS)
    each = Draws.of(np.arange(300))
    clustered = auc_clustered(LABELS, SCORES, draws.codes, draws)
    independent = auc_clustered(LABELS, SCORES, each.codes, each)
    assert clustered.high - clustered.low > 1.2 * (independent.high - independent.low)


def test_repeating_every_slice_changes_nothing():
    draws, twice = Draws.of(PATIENTS), Draws.of(np.repeat(PATIENTS, 2))
    once = auc_clustered(LABELS, SCORES, draws.codes, draws)
    again = auc_clustered(np.repeat(LABELS, 2), np.repeat(SCORES, 2), twice.codes, twice)
    assert (again.value, again.low, again.high) == pytest.approx((once.value, once.low, once.high))


@pytest.mark.parametrize("area", [auc_clustered, average_precision_clustered])
@pytest.mark.parametrize(
    ("labels", "patients", "why"),
    [
        ([0] * 10, range(10), "no positives"),
        ([1] * 10, range(10), "no negatives"),
        ([0, 1] * 5, [0] * 10, "fewer than 5 patients with positives"),
        ([0, 1] * 5, [0, 1, 0, 3, 0, 5, 0, 7, 0, 9], "fewer than 5 patients with negatives"),
    ],
)
def test_degenerate_cases_say_why(area, labels, patients, why):
    draws = Draws.of(np.array(patients))
    found = area(np.array(labels), np.linspace(0, 1, 10), draws.codes, draws)
    assert (found.low, found.blank) == (None, why)
    assert (found.value is None) == why.startswith("no ")
    other = np.linspace(1, 0, 10)
    assert auc_difference(np.array(labels), other, other, draws.codes, draws).estimate.blank == why


def test_complete_separation_gives_no_interval():
    draws = Draws.of(np.arange(20))
    labels = np.repeat([0, 1], 10)
    found = auc_clustered(labels, labels.astype(float), draws.codes, draws)
    assert (found.value, found.low, found.blank) == (1, None, "every draw gives the same value")


def test_draws_without_a_positive_are_left_out():
    labels, patients = np.repeat([1, 0], [5, 95]), np.arange(100)
    draws = Draws.of(patients)
    without = ~draws.weights[:, :5].any(axis=1)
    assert without.any()
    found = auc_clustered(labels, np.linspace(1, 0, 100) + 0.2 * (patients % 7), draws.codes, draws)
    assert 0 < found.low < found.value < found.high <= 1


def test_mean_and_proportion_are_those_of_the_plain_loop():
    draws = Draws.of(PATIENTS, count=300)
    uneven = RANDOM.random(300) < 0.7  # patients of different numbers of slices
    values, patients = SCORES[uneven], PATIENTS[uneven]
    drawn = [np.average(values, weights=weights[patients]) for weights in draws.weights]
    found = clustered_mean(values, draws.codes[uneven], draws)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))
    hits = clustered_proportion(values > 1, draws.codes[uneven], draws)
    assert hits == clustered_mean(values > 1, draws.codes[uneven], draws)


def test_difference_of_means_is_that_of_the_plain_loop():
    draws = Draws.of(PATIENTS, count=300)
    a, b = SCORES > 1, OTHER > 1
    drawn = [np.average(a, weights=w[PATIENTS]) - np.average(b, weights=w[PATIENTS]) for w in draws.weights]
    found = mean_difference(a, b, draws.codes, draws)
    assert found.estimate.value == pytest.approx(a.mean() - b.mean())
    assert (found.estimate.low, found.estimate.high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])))


@pytest.mark.parametrize("all_hit", [True, False])
def test_where_all_hit_the_interval_is_that_of_as_many_patients(all_hit):
    draws = Draws.of(PATIENTS)
    found = clustered_proportion(np.full(300, all_hit), draws.codes, draws)
    exact = clopper_pearson(30 if all_hit else 0, 30)
    assert (found.value, found.low, found.high) == (exact.value, exact.low, exact.high)
    assert found.method.startswith("Clopper-Pearson on patients")


def test_means_of_too_few_patients_have_no_interval():
    draws = Draws.of(np.repeat([1, 2, 3, 4], 5))
    found = clustered_mean(np.arange(20.0), draws.codes, draws)
    assert (found.value, found.low, found.blank) == (9.5, None, "fewer than 5 patients to resample")
    assert mean_difference(np.arange(20.0), np.zeros(20), draws.codes, draws).p_value is None


def test_no_cases_give_a_blank():
    draws = Draws.of(np.array(["a"]))
    none = draws.codes[:0]
    assert clustered_mean(np.zeros(0), none, draws).blank == "no cases"
    assert clustered_proportion(np.zeros(0, bool), none, draws).blank == "no cases"
    assert mean_difference(np.zeros(0), np.zeros(0), none, draws).estimate.blank == "no cases"


@pytest.mark.slow
def test_interval_covers_the_truth_where_slices_of_a_patient_are_alike():
    random = np.random.default_rng(2)
    patients = np.repeat(np.arange(40), 10)

    def world(count):
        """Labels and scores of slices, 10 a patient, that patients share a part of."""
        ill, shown = (np.repeat(random.normal(size=count), 10) for _ in range(2))
        labels = (ill + random.normal(size=count * 10) > 1).astype(int)
        return labels, 0.8 * shown + 1.5 * labels + random.normal(size=count * 10)

    truth = roc_auc_score(*world(40_000))
    draws = Draws.of(patients, count=400)
    clustered, independent = 0, 0
    for _ in range(200):
        labels, scores = world(40)
        found, naive = auc_clustered(labels, scores, draws.codes, draws), auc_delong(labels, scores)
        clustered += found.low <= truth <= found.high
        independent += naive.low <= truth <= naive.high
    assert 180 <= clustered <= 198  # percentiles of 40 patients are a little short of 95%
    assert independent < 174  # what taking slices as independent would claim
