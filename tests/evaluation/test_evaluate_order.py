"""The order of rows, in the predictions or in the Manifest, changes nothing."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from evaluation_data import held_out, manifest_of, slices_of, written
from hypothesis import given, settings
from hypothesis import strategies as st

from hemoscope.datasets.manifest import Manifest
from hemoscope.evaluation.evaluate import evaluate, tables_of
from hemoscope.evaluation.question import Question
from hemoscope.evaluation.table_files import csv_of


def some_scans():
    table = held_out()
    scans = table[table["source"].isin(["physionet", "rsna_series"])].groupby("run")["scan"].unique()
    chosen = np.concatenate([of_fold[-6:] for of_fold in scans])
    return table[table["scan"].isin(chosen) & (table["slice"] % 4 == 0)].reset_index(drop=True)


def tables(manifest: Manifest, slices) -> list[str]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        manifest.write(folder / "manifest.parquet")
        question = Question(folder / "manifest.parquet", written(slices, folder / "slices.csv"), validation=("fold0",))
        return [csv_of(table) for table in tables_of(evaluate(question)) if table.name != "flow"]


TABLE = some_scans()
EXPECTED = tables(manifest_of(TABLE), slices_of(TABLE))


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_table_depends_on_the_order_of_rows(seed):
    random = np.random.default_rng(seed)
    manifest = manifest_of(TABLE)
    slices = slices_of(TABLE).iloc[random.permutation(len(TABLE))]
    assert tables(manifest.take(random.permutation(len(manifest))), slices) == EXPECTED
