"""Measures by subgroup, against scikit-learn on the rows of each group."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from evaluation_data import NAMES, held_out, manifest_of
from sklearn import metrics

from hemoscope.evaluation.matching.truth import Truth
from hemoscope.evaluation.measures.operating_points import OperatingPoint
from hemoscope.evaluation.measures.subgroups import by_subgroup
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.evaluation.statistics.proportions import clopper_pearson


@pytest.fixture(scope="module")
def cases():
    table = held_out()
    table = table[table["source"] == "physionet"].reset_index(drop=True)
    random = np.random.default_rng(0)
    thickness = random.choice([0.625, 1.999, 2, 5, 6, np.nan], len(table))
    truth = Truth.of(manifest_of(table, age=table["age_years"].to_numpy(), thickness_mm=thickness))
    order = {key: row for row, key in enumerate(truth.manifest.keys.to_pylist())}
    keys = [f"held-out/{scan}/{number:03d}.png#0" for scan, number in zip(table["scan"], table["slice"], strict=True)]
    probabilities = np.empty((len(table), 6))
    probabilities[[order[key] for key in keys]] = table[NAMES]
    return truth.slices(np.arange(len(table)), probabilities)


@pytest.fixture(scope="module")
def rows(cases):
    table = by_subgroup(cases, OperatingPoint.fixed(0.5), Draws.of(cases.patients, 100), clopper_pearson)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_each_group_has_the_area_and_the_calls_of_its_own_rows(cases, rows):
    age = cases.about["age"].to_numpy()
    groups = {"below 18 years": age < 18, "18 to below 40 years": (age >= 18) & (age < 40),
              "40 to below 65 years": (age >= 40) & (age < 65), "65 years and above": age >= 65}  # fmt: skip
    found = [row for row in rows if row["by"] == "age" and row["finding"] == "any"]
    assert [row["group"] for row in found] == list(groups)
    for row in found:
        inside = groups[row["group"]]
        labels, scores = cases.labels[inside, 5], cases.probabilities[inside, 5]
        assert (row["slices"], row["positive slices"]) == (len(labels), labels.sum())
        assert row["patients"] == len(np.unique(cases.patients[inside]))
        assert row["ROC AUC"].value == pytest.approx(metrics.roc_auc_score(labels, scores))
        assert row["sensitivity"].value == pytest.approx(metrics.recall_score(labels, scores >= 0.5))
        assert row["specificity"].value == pytest.approx(metrics.recall_score(labels, scores >= 0.5, pos_label=0))


def test_a_group_begins_at_its_number_and_the_unknown_come_last(cases, rows):
    thickness = cases.about["thickness_mm"].to_numpy()
    found = {row["group"]: row["slices"] for row in rows if row["by"] == "slice thickness" and row["finding"] == "any"}
    assert list(found) == ["below 2 mm", "2 to below 4 mm", "4 to below 6 mm", "6 mm and above", "unknown"]
    assert list(found.values()) == [
        (thickness < 2).sum(), (thickness == 2).sum(), (thickness == 5).sum(), (thickness == 6).sum(),
        np.isnan(thickness).sum(),
    ]  # fmt: skip


def test_what_is_known_of_no_case_or_the_same_of_all_is_no_subgroup(cases, rows):
    assert {row["by"] for row in rows} == {"slice thickness", "age"}  # one dataset, no scanner, no sex
    scanned = dataclasses.replace(cases, about=cases.about.assign(scanner=["GE 9"] * 5 + ["GE 10"] * (len(cases) - 5)))
    table = by_subgroup(scanned, OperatingPoint.fixed(0.5), Draws.of(cases.patients, 10), clopper_pearson)
    assert list(dict.fromkeys(row[1] for row in table.rows if row[0] == "scanner")) == ["GE 9", "GE 10"]
