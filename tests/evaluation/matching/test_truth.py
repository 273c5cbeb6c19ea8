"""What a Manifest says of slices and scans: labels of scans, splits, patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
from evaluation_data import held_out, manifest_of

from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.evaluation.matching.truth import Truth
from hemoscope.evaluation.measures.measures import notes
from hemoscope.findings import ANY


def no_probabilities(count):
    return np.full((count, 6), np.nan)


def scans_of(truth: Truth):
    rows = truth.targets.first_rows
    return truth.scans(rows, no_probabilities(len(rows)))


def test_scans_have_the_labels_that_the_manifest_gives_them():
    table = held_out()
    cases = scans_of(Truth.of(manifest_of(table)))
    for name, labels in zip(cases.names, cases.labels, strict=True):
        slices = table[table["scan"] == name.removeprefix("held-out/")].filter(like="label_").to_numpy()
        highest, unknown = slices.max(axis=0), (slices < 0).any(axis=0)
        np.testing.assert_array_equal(labels, np.where(highest == 1, 1, np.where(unknown, UNKNOWN, 0)))
    assert cases.about["slices"].sum() == len(table)


def test_a_scan_of_unknown_label_is_positive_by_a_slice_but_never_negative(tmp_path):
    labels = np.array([1, 0, 0, 0], np.int8)
    columns = {"series": ["a", "a", "b", "c"], "path": list("wxyz"), "any": labels, "slice": [0, 1, 0, 0],
               "scan_any": np.array([UNKNOWN, UNKNOWN, UNKNOWN, 0], np.int8)}  # fmt: skip
    cases = scans_of(Truth.of(Manifest.from_columns("x", tmp_path, columns)))
    assert dict(zip(cases.names, cases.labels[:, ANY].tolist(), strict=True)) == {"x/a": 1, "x/b": UNKNOWN, "x/c": 0}
    assert (cases.labels[:, :ANY] == UNKNOWN).all()
    assert dict(zip(cases.names, cases.about["partly_known"], strict=True)) == {"x/a": True, "x/b": False, "x/c": False}
    assert notes(cases)[1].startswith("1 of these scans have a finding only because a known slice has it")
    assert len(notes(cases.take(~cases.about["partly_known"].to_numpy()))) == 1


def test_a_row_that_stands_for_a_scan_is_no_slice_of_it(tmp_path):
    columns = {"series": ["a", "a", "b"], "path": ["y", "z", None], "slice": pd.array([0, 1, None], "Int32")}
    cases = scans_of(Truth.of(Manifest.from_columns("x", tmp_path, columns)))
    assert dict(zip(cases.names, cases.about["slices"], strict=True)) == {"x/a": 2, "x/b": 0}


def test_a_scan_is_of_a_split_only_with_all_of_its_labelled_slices(tmp_path):
    columns = {"series": ["a", "a", "b", "b", "c", "c"], "path": list("uvwxyz"), "slice": [0, 1] * 3,
               "split": ["test", "test", "test", "train", "test", None]}  # fmt: skip
    truth = Truth.of(Manifest.from_columns("x", tmp_path, columns))
    names = np.array(truth.names(np.arange(6), "scan"))
    assert sorted(set(names[truth.scans_in(("test",))])) == ["x/a", "x/c"]
    assert sorted(set(names[truth.scans_in(("test", "train"))])) == ["x/a", "x/b", "x/c"]
    assert sorted(set(names[truth.scans_touching(("train",))])) == ["x/b"]
    assert truth.rows_in(("test",)).sum() == 4


def test_scans_of_unknown_patients_count_as_patients_of_their_own(tmp_path):
    columns = {"series": ["a", "a", "b", None, None], "patient": [None, None, "x:1", None, "x:1"],
               "path": list("vwxyz"), "slice": [0, 1, 0, 0, 0]}  # fmt: skip
    truth = Truth.of(Manifest.from_columns("x", tmp_path, columns))
    by_name = dict(zip(truth.names(np.arange(5), "slice"), truth.patients, strict=True))
    assert by_name == {"x/v#0": "x/a", "x/w#0": "x/a", "x/x#0": "x:1", "x/y#0": "x/y", "x/z#0": "x:1"}


def test_the_order_of_rows_in_the_manifest_is_not_seen():
    manifest = manifest_of(held_out())
    expected = Truth.of(manifest).manifest.table
    shuffled = manifest.take(np.random.default_rng(0).permutation(len(manifest)))
    assert Truth.of(shuffled).manifest.table.equals(expected)
