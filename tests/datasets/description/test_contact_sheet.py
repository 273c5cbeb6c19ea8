"""The sheet shows slices of every dataset and finding, in the brain window, with boxes at the blood."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from hemoscope.datasets.collections.ct_ich import COLLECTION
from hemoscope.datasets.description.contact_sheet import (
    _in_column,
    _in_store,
    _of_different_patients,
    write_contact_sheet,
)
from hemoscope.datasets.description.describe import describe
from hemoscope.datasets.description.table import write_description
from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.build import build_store
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

U = -1


@pytest.fixture(scope="module")
def stored(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, SliceStore]:
    """Forty slices of CT-ICH with their boxes, in a store of 192 pixels."""

    def ignore(done: int, total: int) -> None:
        pass

    boxes = shared_data / "physionet_ct_ich_boxes" / "boxes.csv"
    whole = COLLECTION.read(shared_data / "physionet_ct_ich", "ct-ich", 1, ignore, boxes=boxes).manifest
    boxed = np.flatnonzero(whole.table["boxes"].is_valid())[:20]
    negative = np.flatnonzero(whole.labels[:, 5] == 0)[:20]
    manifest = whole.take(np.concatenate([boxed, negative]))
    folder = tmp_path_factory.mktemp("store")
    build_store(manifest, folder, 192, 1, ignore)
    return manifest, SliceStore.open(folder)


def test_the_sheet_is_drawn_and_the_same_with_the_same_seed(
    stored: tuple[Manifest, SliceStore], tmp_path: Path
) -> None:
    first, again, other = (tmp_path / f"{name}.png" for name in ("first", "again", "other"))
    write_contact_sheet(*stored, first)
    write_contact_sheet(*stored, again)
    write_contact_sheet(*stored, other, seed=5)
    pictures = [cv2.imread(str(path)) for path in (first, again, other)]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])
    assert (pictures[0] < 5).mean() > 0.2  # air around heads


def test_boxes_lie_on_the_same_tissue_in_the_store(stored: tuple[Manifest, SliceStore]) -> None:
    manifest, store = stored
    for row, number in enumerate(store.rows_of(manifest)[:20]):
        facts = manifest.take(np.array([row])).table.to_pylist()[0]
        picture = cv2.imread(str(manifest.roots["ct-ich"] / facts["path"]), cv2.IMREAD_GRAYSCALE)
        box = facts["boxes"][0]
        original = picture[int(box["ymin"]) : int(box["ymax"]), int(box["xmin"]) : int(box["xmax"])]
        left, top, width, height = _in_store(box, *picture.shape, store.shape)
        rows, columns = (slice(round(start + 0.5), round(start + 0.5 + size)) for start, size in
                         ((top, height), (left, width)))  # fmt: skip
        hu = store.hu(int(number))[rows, columns]
        assert abs(hu.mean() - (original.mean() / 255 * 120 - 20)) < 5


def test_columns_hold_what_they_say() -> None:
    labels = np.array([[1, 0, 0, 0, 0, 1], [U, U, U, U, U, 1], [0] * 6, [U] * 6, [0, 1, 0, 0, 1, 1]], np.int8)
    assert [np.flatnonzero(_in_column(labels, column)).tolist() for column in range(8)] == [
        [0], [4], [], [], [4], [1], [2], [3]]  # fmt: skip


def test_examples_are_of_different_patients_where_there_are() -> None:
    patients, shown = ["a", "a", "b", "a"], Counter[str]()
    assert _of_different_patients(np.array([0, 1, 3, 2]), patients, shown) == [0, 2]
    assert _of_different_patients(np.array([1, 0]), patients, shown) == [1, 0]  # of one only
    assert _of_different_patients(np.array([0, 2, 3]), patients, shown)[0] == 2  # "a" was shown more often
    assert shown == {"a": 4, "b": 2}


def test_a_description_holds_tables_plots_and_the_sheet(stored: tuple[Manifest, SliceStore], tmp_path: Path) -> None:
    manifest, store = stored
    tables = describe(manifest, store)
    assert tables[-1].title == "Pictures shared by patients"
    assert tables[-1].rows == []
    assert "of 40 slices were compared" in tables[-1].note
    write_description(manifest, tables, store, tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"tables", "tables.md", "positives.png", "scans.png", "people.png", "contact_sheet.png"}
    datasets = pd.read_csv(tmp_path / "tables" / "datasets.csv")
    assert datasets.loc[0, "slices"] == 40


def test_the_store_of_other_slices_is_refused(stored: tuple[Manifest, SliceStore]) -> None:
    manifest, store = stored
    other = manifest.with_columns({"path": [f"other/{row}.png" for row in range(len(manifest))]})
    with pytest.raises(UsageError, match="None of the slices is in the store"):
        describe(other, store)


def test_slices_without_labels_are_shown_too(stored: tuple[Manifest, SliceStore], tmp_path: Path) -> None:
    manifest, store = stored
    unlabelled = manifest.with_columns({name: [None] * len(manifest) for name in FINDING_NAMES})
    assert write_contact_sheet(unlabelled, store, tmp_path / "sheet.png").stat().st_size > 0
