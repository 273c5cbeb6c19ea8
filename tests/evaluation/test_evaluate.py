"""From real predictions and a Manifest to tables: the numbers are scikit-learn's, and nothing is lost on the way."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from evaluation_data import LABELS, NAMES, held_out, manifest_of, slices_of, written
from sklearn import metrics

from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.evaluation.evaluate import evaluate, tables_of
from hemoscope.evaluation.question import Question
from hemoscope.reasons import UsageError

DATASETS = ("physionet", "rsna_series")  # whole scans with all labels


@pytest.fixture(scope="module")
def table():
    table = held_out()
    return table[table["source"].isin(DATASETS)].reset_index(drop=True)


@pytest.fixture(scope="module")
def question(table, tmp_path_factory) -> Question:
    folder = tmp_path_factory.mktemp("evaluate")
    manifest_of(table).write(folder / "manifest.parquet")
    return Question(folder / "manifest.parquet", written(slices_of(table), folder / "slices.csv"))


@pytest.fixture(scope="module")
def tables(question):
    chosen = dataclasses.replace(question, validation=("fold0", "fold1"))
    return {table.name: table for table in tables_of(evaluate(chosen))}


def rows_of(table, **where):
    columns = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return [row for row in columns if all(row[name] == value for name, value in where.items())]


def row_of(table, **where):
    (row,) = rows_of(table, **where)
    return row


def evaluated(table, by_scan=False):
    """(labels, scores) of each finding on the folds that are evaluated."""
    part = table[~table["run"].isin(["fold0", "fold1"])]
    if by_scan:
        part = part.groupby("scan").max(numeric_only=True)  # all labels are known here
    return {name: (part[label].to_numpy(), part[name].to_numpy()) for name, label in zip(NAMES, LABELS, strict=True)}


@pytest.mark.parametrize(("unit", "by_scan"), [("slices", False), ("scans", True)])
def test_areas_and_counts_are_those_of_scikit_learn(unit, by_scan, table, tables):
    for name, (labels, scores) in evaluated(table, by_scan).items():
        row = row_of(tables[f"{unit}_areas"], finding=name)
        assert (row[unit], row[f"positive {unit}"]) == (len(labels), labels.sum())
        if labels.any():
            assert row["ROC AUC"].value == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
            assert row["PR AUC"].value == pytest.approx(metrics.average_precision_score(labels, scores), abs=1e-12)
            assert row["prevalence"].value == pytest.approx(labels.mean())
        else:
            assert row["ROC AUC"].blank == "no positives"


@pytest.mark.parametrize(("unit", "by_scan"), [("slices", False), ("scans", True)])
@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_calls_are_worth_what_scikit_learn_says(unit, by_scan, threshold, table, tables):
    checked = 0
    for name, (labels, scores) in evaluated(table, by_scan).items():
        row = row_of(tables[f"{unit}_at_points"], **{"finding": name, "operating point": f"fixed {threshold:g}"})
        calls = scores >= threshold
        tn, fp, fn, tp = metrics.confusion_matrix(labels, calls, labels=[0, 1]).ravel()
        assert (row["TP"], row["FP"], row["TN"], row["FN"]) == (tp, fp, tn, fn)
        assert row["accuracy"].value == pytest.approx(metrics.accuracy_score(labels, calls))
        for cell, hits, of in (("sensitivity", tp, tp + fn), ("specificity", tn, tn + fp), ("PPV", tp, tp + fp),
                               ("NPV", tn, tn + fn)):  # fmt: skip
            assert row[cell].value == (pytest.approx(hits / of) if of else None)
        if tp + fp + fn:
            assert row["F1"].value == pytest.approx(metrics.f1_score(labels, calls))
            checked += 1
    assert checked >= 4


def test_chosen_points_keep_their_promise_on_the_validation_folds_only(table, tables, question):
    part = table[table["run"].isin(["fold0", "fold1"])]
    labels, scores = part["label_any"].to_numpy(), part["any"].to_numpy()
    threshold = row_of(tables["slices_at_points"], finding="any", **{"operating point": "sensitivity at least 0.95"})
    assert metrics.recall_score(labels, scores >= threshold["threshold"]) >= 0.95
    others, _ = evaluated(table)["any"]
    assert threshold["TP"] + threshold["FN"] == others.sum()
    names = {row["operating point"] for row in rows_of(tables["slices_at_points"])}
    assert {"Youden", "specificity at least 0.9"} < names
    without = {table.name: table for table in tables_of(evaluate(question))}
    assert {row["operating point"] for row in rows_of(without["slices_at_points"])} == {
        "fixed 0.5", "fixed 0.7", "fixed 0.9",
    }  # fmt: skip


def test_predictive_values_at_a_stated_prevalence_follow_from_bayes(tables):
    at = row_of(tables["slices_at_points"], finding="any", **{"operating point": "fixed 0.5"})
    sensitivity, specificity = at["sensitivity"].value, at["specificity"].value
    row = row_of(tables["slices_at_prevalences"], finding="any",
                 **{"operating point": "fixed 0.5", "stated prevalence": 0.03})  # fmt: skip
    assert row["PPV"].value == pytest.approx(sensitivity * 0.03 / (sensitivity * 0.03 + (1 - specificity) * 0.97))
    assert row["NPV"].value == pytest.approx(specificity * 0.97 / (specificity * 0.97 + (1 - sensitivity) * 0.03))


def test_rules_to_scans_stand_beside_each_other_on_the_same_scans(table, tables):
    part = table[~table["run"].isin(["fold0", "fold1"])]
    labels = part.groupby("scan")["label_any"].max().to_numpy()
    percentile = part.groupby("scan")["any"].quantile(0.95).to_numpy()
    share = part.groupby("scan")["any"].agg(lambda values: (values > 0.8).mean()).to_numpy()
    rows = tables["scan_rules"]
    row = row_of(rows, finding="any", **{"score of the scan": "95th percentile", "positive from": "0.5"})
    assert row["ROC AUC"].value == pytest.approx(metrics.roc_auc_score(labels, percentile))
    assert row["sensitivity"].value == pytest.approx(metrics.recall_score(labels, percentile >= 0.5))
    for least in (5, 10):
        row = row_of(rows, finding="any", **{"positive from": f"{least}% of slices above 0.8"})
        assert row["sensitivity"].value == pytest.approx(metrics.recall_score(labels, share >= least / 100))
    assert {row["scans"] for row in rows_of(rows, finding="any")} == {len(labels)}


def test_a_systems_own_output_of_scans_comes_before_the_maximum(table, question, tmp_path):
    own = table.groupby("scan")[NAMES].mean().reset_index()
    scans = written(own.assign(scan="held-out/" + own["scan"]), tmp_path / "scans.csv")
    found = evaluate(dataclasses.replace(question, scans=scans))
    assert found.scan_score == "own output"
    labels = table.groupby("scan")["label_any"].max().to_numpy()
    tables = {one.name: one for one in tables_of(found)}
    expected = metrics.roc_auc_score(labels, own["any"].to_numpy())
    assert row_of(tables["scans_areas"], finding="any")["ROC AUC"].value == pytest.approx(expected)
    assert len({row["score of the scan"] for row in rows_of(tables["scan_rules"])}) == 5
    alone = evaluate(Question(question.manifest, scans=scans))
    assert alone.slices is None
    assert list(alone.rules) == ["own output"]


def test_every_slice_is_counted_in_the_flow(table, question, tmp_path):
    slices = slices_of(table)
    slices.loc[3:5, "source"] = ["elsewhere/a", "elsewhere/b", "elsewhere/c"]
    slices.loc[3:5, "scan"] = "elsewhere"
    slices.loc[6:7, NAMES] = np.nan
    missing = slices.drop(index=range(8, 18))
    found = evaluate(dataclasses.replace(question, slices=written(missing, tmp_path / "slices.csv")))
    flow = {(step.kind, step.what): step for step in found.steps if step.level == "slice"}
    assert flow["in", "rows of slices.csv"].count == len(table) - 10
    assert flow["set aside", "not in the Manifest"].count == 3
    assert flow["set aside", "not in the Manifest"].examples == ("elsewhere/a", "elsewhere/b", "elsewhere/c")
    assert flow["not predicted", "slices of the Manifest"].count == 13
    assert flow["of these", "without any probability"].count == 2
    assert flow["evaluated", f"slices of {table['patient'].nunique()} patients"].count == len(table) - 13
    areas = {one.name: one for one in tables_of(found)}["slices_areas"]
    row = row_of(areas, finding="any")
    assert (row["slices"], row["not scored"], row["label unknown"]) == (len(table) - 15, 2, 0)


def test_a_loose_slice_is_no_scan_and_a_scan_of_one_slice_is_counted(tmp_path):
    series, paths = ["a", "a", "b", "b", "c", None, None], list("tuvwxyz")
    of_scans = np.array([1, 1, 0, 0, 1, UNKNOWN, UNKNOWN], np.int8)
    columns = {"series": series, "path": paths, "patient": list("1122345"), "slice": [0, 1, 0, 1, 0, 0, 0],
               "any": np.array([1, 0, 0, 0, 1, 1, 0], np.int8), "scan_any": of_scans}  # fmt: skip
    Manifest.from_columns("x", tmp_path, columns).write(tmp_path / "manifest.parquet")
    scans = [f"x/{of or path}" for of, path in zip(series, paths, strict=True)]
    slices = pd.DataFrame({"scan": scans, "source": [f"x/{path}#0" for path in paths], "any": np.linspace(0, 1, 7)})
    own = slices.drop_duplicates("scan")[["scan", "any"]]
    question = Question(tmp_path / "manifest.parquet", written(slices, tmp_path / "slices.csv"),
                        written(own, tmp_path / "scans.csv"), protocol="patel2019")  # fmt: skip
    found = evaluate(question)
    steps = {(step.kind, step.what): step.count for step in found.steps if step.level == "scan"}
    assert steps == {
        ("in", "rows of scans.csv"): 5,
        ("found", "by its slices"): 5,
        ("set aside", "single slices of unknown scans"): 2,
        ("evaluated", "scans of 3 patients"): 3,
        ("of these", "with one slice in the Manifest: a part of a scan"): 1,
    }
    figure = next(table for table in tables_of(found) if table.name == "patel2019_figure_3")
    assert "3 scans" in figure.notes[1]
    assert found.scans.cases.labels[:, -1].tolist() == [1, 0, 1]


def test_slices_of_unknown_label_are_left_out_of_that_finding_and_counted(question, tmp_path):
    table = held_out()
    table = table[table["source"] == "phe_sich"].reset_index(drop=True)
    manifest_of(table).write(tmp_path / "manifest.parquet")
    found = evaluate(Question(tmp_path / "manifest.parquet", written(slices_of(table), tmp_path / "slices.csv")))
    areas = {one.name: one for one in tables_of(found)}["slices_areas"]
    assert row_of(areas, finding="subdural")["ROC AUC"].blank == "no cases"
    assert row_of(areas, finding="subdural")["label unknown"] == len(table)
    known = table[table["label_any"] >= 0]
    expected = metrics.roc_auc_score(known["label_any"], known["any"])
    assert row_of(areas, finding="any")["ROC AUC"].value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"splits": ("fold9",)}, "has no split 'fold9': it has fold0, fold1, fold2, fold3, fold4"),
        (
            {"splits": ("fold0",), "validation": ("fold0",)},
            "fold0 cannot both be evaluated and choose operating points",
        ),
        ({"slices": None}, "Give predictions"),
        ({"sensitivity": 0.0}, "lies above 0 and up to 1, not at 0"),
        ({"prevalences": (3.0,)}, "A prevalence lies between 0 and 1, not at 3"),
        ({"prevalences": (1.0,)}, "A prevalence lies between 0 and 1, not at 1"),
        ({"interval": "wald"}, "no interval 'wald'; there are clopper-pearson, wilson"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(changes, says, question):
    with pytest.raises(UsageError, match=says):
        evaluate(dataclasses.replace(question, **changes))


def test_thresholds_are_not_chosen_on_patients_that_are_evaluated(table, question, tmp_path):
    patients = table["patient"].where(table["scan"] != table["scan"].iloc[0], table["patient"].iloc[-1])
    manifest_of(table.assign(patient=patients)).write(tmp_path / "manifest.parquet")
    leaking = dataclasses.replace(question, manifest=tmp_path / "manifest.parquet", validation=("fold0",))
    with pytest.raises(UsageError, match=r"^1 patients are both evaluated and used to choose operating points \(rsna:"):
        evaluate(leaking)


def test_predictions_of_other_slices_are_refused_with_both_names(table, question, tmp_path):
    other = pd.DataFrame({"image": ["ID_0", "ID_1"], "any": 0.5})
    with pytest.raises(
        UsageError,
        match=r"None of the 2 rows of other.csv is a slice of the Manifest: the first is called"
        r" ID_0 there \(columns sop_instance_uid\), and held-out/.*\.png#0 here",
    ):
        evaluate(dataclasses.replace(question, slices=written(other, tmp_path / "other.csv")))


def test_wilson_intervals_are_given_where_no_patient_has_two_scans(table, question):
    one_scan = table[table["source"] == "physionet"]
    assert one_scan.groupby("patient")["scan"].nunique().max() == 1
    found = {}
    for interval in ("clopper-pearson", "wilson"):
        evaluation = evaluate(dataclasses.replace(question, splits=("fold2",), interval=interval))
        tables = {one.name: one for one in tables_of(evaluation)}
        found[interval] = row_of(tables["scans_at_points"], finding="any", **{"operating point": "fixed 0.5"})
    assert found["wilson"]["sensitivity"].method.startswith("Wilson")
    assert found["clopper-pearson"]["sensitivity"].method.startswith("Clopper-Pearson")
    assert found["wilson"]["sensitivity"].value == found["clopper-pearson"]["sensitivity"].value
