"""Differences of pairs are those of the tests by themselves, corrected over pairs and findings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_cases import NAN, random_cases
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from statsmodels.stats.multitest import multipletests

from hemoscope.evaluation.pairs import compare_pairs, differences_table
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.delong import paired_test

SYSTEMS = {name: random_cases(60, 60, seed=seed, noise=noise)
           for seed, (name, noise) in enumerate({"good": 0.5, "fair": 1.0, "poor": 2.0}.items())}  # fmt: skip


def draws_of(systems, count=50):
    return Draws.of(next(iter(systems.values())).patients, count)


def test_independent_scans_have_delong_mcnemar_and_the_bootstrap() -> None:
    good, poor = SYSTEMS["good"], SYSTEMS["poor"]
    found = [one for one in compare_pairs({"good": good, "poor": poor}, draws_of(SYSTEMS), 0.5) if one.finding == 2]
    tests = [(one.measure, one.difference.test.partition(",")[0]) for one in found]
    assert tests == [("ROC AUC", "DeLong"), ("ROC AUC", "patient-clustered bootstrap"),
                     ("PR AUC", "patient-clustered bootstrap"), ("log loss", "patient-clustered bootstrap"),
                     ("accuracy", "McNemar"), ("sensitivity", "McNemar"), ("specificity", "McNemar")]  # fmt: skip
    labels, a, b = good.labels[:, 2], good.probabilities[:, 2], poor.probabilities[:, 2]
    assert found[0].difference == paired_test(labels, a, b)
    value = roc_auc_score(labels, a) - roc_auc_score(labels, b)
    assert [one.difference.estimate.value for one in found[:2]] == [pytest.approx(value)] * 2
    right = [(scores >= 0.5) == (labels == 1) for scores in (a, b)]
    only = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    value = average_precision_score(labels, a) - average_precision_score(labels, b)
    assert found[2].difference.estimate.value == pytest.approx(value)
    assert found[3].difference.estimate.value == pytest.approx(log_loss(labels, a) - log_loss(labels, b))
    assert found[4].difference.p_value == pytest.approx(binomtest(only[0], sum(only)).pvalue)
    positive = labels == 1
    assert found[5].cases == positive.sum()
    assert found[5].difference.estimate.value == pytest.approx(right[0][positive].mean() - right[1][positive].mean())
    assert found[5].cases + found[6].cases == 60


def test_several_cases_of_a_patient_are_only_resampled() -> None:
    systems = {
        name: random_cases(60, 20, "slice", seed, noise) for seed, (name, noise) in enumerate((("a", 0.5), ("b", 2)))
    }
    found = compare_pairs(systems, draws_of(systems), 0.5)
    assert {one.difference.test.partition(",")[0] for one in found} == {"patient-clustered bootstrap"}
    accuracy = next(one for one in found if one.measure == "accuracy" and one.finding == 0)
    a, b = (((cases.probabilities[:, 0] >= 0.5) == cases.labels[:, 0]).mean() for cases in systems.values())
    assert accuracy.difference.estimate.value == pytest.approx(a - b)


def test_every_pair_is_compared_and_holm_counts_pairs_and_findings() -> None:
    found = compare_pairs(SYSTEMS, draws_of(SYSTEMS), 0.5)
    assert {(one.first, one.second) for one in found} == {("good", "fair"), ("good", "poor"), ("fair", "poor")}
    table = differences_table("scan", found, 0.5)
    rows = [row for row in table.rows if row[3] == "ROC AUC" and row[6].startswith("DeLong")]
    assert len(rows) == 18  # 3 pairs, 6 findings
    assert [row[8] for row in rows] == pytest.approx(multipletests([row[7] for row in rows], method="holm")[1])
    assert len(table.rows) == 7 * 18


def test_a_finding_that_one_of_a_pair_does_not_score_is_left_out() -> None:
    probabilities = SYSTEMS["fair"].probabilities.copy()
    probabilities[:, 3] = NAN
    systems = SYSTEMS | {"fair": replace(SYSTEMS["fair"], probabilities=probabilities)}
    pairs = {(one.first, one.second) for one in compare_pairs(systems, draws_of(systems), 0.5) if one.finding == 3}
    assert pairs == {("good", "poor")}


def test_one_class_gives_a_blank_with_its_reason() -> None:
    labels = np.zeros_like(SYSTEMS["good"].labels)
    systems = {name: replace(cases, labels=labels) for name, cases in SYSTEMS.items()}
    found = compare_pairs(systems, draws_of(systems), 0.5)
    areas = {one.difference.estimate.blank for one in found if one.measure == "ROC AUC"}
    assert areas == {"no positives"}
    sensitivities = [one.difference for one in found if one.measure == "sensitivity"]
    assert {one.estimate.blank for one in sensitivities} == {"no cases"}
    assert {row[8] for row in differences_table("scan", found, 0.5).rows if row[3] == "ROC AUC"} == {None}
