"""The Manifest: its columns, unknown labels, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from hemoscope.datasets.columns import COLUMN_NAMES
from hemoscope.datasets.manifest import UNKNOWN, Manifest, Split
from hemoscope.datasets.merge import merge
from hemoscope.reasons import UsageError


def manifest(dataset: str = "one", **columns: object) -> Manifest:
    given = {
        "patient": ["one:b", "one:a", "one:a"],
        "series": ["B", "A", "A"],
        "slice": [0, 1, 0],
        "path": ["b.dcm", "a.nii.gz", "a.nii.gz"],
        "frame": [None, 1, 0],
        "any": np.array([1, UNKNOWN, 0], np.int8),
        **columns,
    }
    return Manifest.from_columns(dataset, Path("/data") / dataset, given)


def test_rows_are_ordered_scan_by_scan_from_foot_to_head() -> None:
    made = manifest()
    assert made.table["patient"].to_pylist() == ["one:a", "one:a", "one:b"]
    assert made.table["slice"].to_pylist() == [0, 1, 0]
    assert made.keys.to_pylist() == ["one/a.nii.gz#0", "one/a.nii.gz#1", "one/b.dcm#0"]


def test_an_unknown_label_is_null_and_never_zero(tmp_path: Path) -> None:
    made = manifest(epidural=pd.array([None, 0, 1], dtype="Int8"), subdural=[np.nan, 1.0, 0.0])
    assert made.table["any"].to_pylist() == [0, None, 1]
    assert made.table["epidural"].to_pylist() == [1, 0, None]
    assert made.table["subdural"].to_pylist() == [0, 1, None]
    assert made.table["subarachnoid"].null_count == 3
    assert made.labels[:, -1].tolist() == [0, UNKNOWN, 1]
    made.write(tmp_path / "m.parquet")
    assert (Manifest.read(tmp_path / "m.parquet").labels == made.labels).all()


def test_written_and_read_again_it_is_the_same(tmp_path: Path) -> None:
    boxes = [[{"finding": "epidural", "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}], None, []]
    columns = {"boxes": boxes, "path": ["b.dcm", "a.nii.gz", "a.nii.gz"], "split": ["train", "test", "test"]}
    made = Manifest.from_columns("one", Path("/data"), columns, mask_values={1: "epidural"})
    made = Manifest(made.table, made.roots, made.mask_values, Split("wong2019", 7, "by slice"))
    made.write(tmp_path / "deep" / "m.parquet")
    again = Manifest.read(tmp_path / "deep" / "m.parquet")
    assert again.table.equals(made.table)
    assert (again.roots, again.mask_values, again.split) == (made.roots, made.mask_values, made.split)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["m.parquet"]
    assert pq.read_table(tmp_path / "deep" / "m.parquet").column_names == list(COLUMN_NAMES)


def test_a_label_other_than_0_and_1_is_refused() -> None:
    with pytest.raises(UsageError, match="the column any holds others"):
        manifest(any=[0, 1, 2])


def test_a_file_that_is_no_manifest_gives_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("no table")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    for name, words in (("text", "is no Parquet file"), ("other", "no Manifest"), ("absent", "There is no Manifest")):
        with pytest.raises(UsageError, match=words):
            Manifest.read(tmp_path / f"{name}.parquet")


def test_a_loose_slice_is_a_scan_of_its_own() -> None:
    made = manifest(series=[None, "A", "A"], sop_instance_uid=["ID_1", None, None])
    assert sorted(made.scans.to_pylist()) == ["one/A", "one/A", "one/ID_1"]


def test_merging_keeps_rows_and_roots_and_drops_splits() -> None:
    first, second = manifest("one", split=["train", "test", None]), manifest("two", any=[None, None, None])
    split = Manifest(first.table, first.roots, first.mask_values, Split("kfold:5", 7))
    merged = merge([split, second.with_columns({"split": ["test"] * 3})])
    assert len(merged) == 6
    assert merged.roots == {"one": Path("/data/one"), "two": Path("/data/two")}
    # the second row has no label: its "test" is the collection's own word
    assert merged.table["split"].to_pylist() == [None, "test", None] + ["test"] * 3
    assert merged.split is None


def test_a_split_that_hides_labels_cannot_be_merged_away() -> None:
    hidden = Manifest(manifest().table, {}, {}, Split("patel2019", 7))
    with pytest.raises(UsageError, match="hides slice labels"):
        merge([hidden])


def test_a_manifest_without_rows_is_one(tmp_path: Path) -> None:
    empty = manifest().take(np.zeros(3, bool))
    empty.write(tmp_path / "m.parquet")
    again = Manifest.read(tmp_path / "m.parquet")
    assert (len(again), again.labels.shape, len(again.scans), len(again.keys)) == (0, (0, 6), 0, 0)


def test_one_dataset_twice_cannot_be_merged() -> None:
    with pytest.raises(UsageError, match="in two of the Manifests"):
        merge([manifest(), manifest()])


def test_scans_without_slices_are_told_apart() -> None:
    made = manifest(path=["b.dcm", None, "a.nii.gz"], slice=[0, None, 0], scan_any=[1, 0, 1])
    assert made.is_slice.tolist() == [True, False, True]
    assert str(made) == "2 slices and 1 scans without slices"
    assert str(manifest()) == "3 slices"


def test_rows_of_splits_are_found_and_rows_of_none_are_not() -> None:
    made = manifest(split=["fold1", None, "train"])
    assert made.table["split"].to_pylist() == ["train", None, "fold1"]
    assert made.in_splits("fold1", "train").tolist() == [True, False, True]
    assert made.in_splits("fold0").tolist() == [False] * 3
