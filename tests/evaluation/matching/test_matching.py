"""Predictions find their slices and scans by any of their names, and never by a guess."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
from evaluation_data import NAMES, held_out, manifest_of, slices_of, written

from hemoscope.ct.names import hashed_name
from hemoscope.datasets.manifest import Manifest
from hemoscope.evaluation.matching.matching import NOT_THERE, SEVERAL, match_scans, match_slices
from hemoscope.evaluation.matching.predictions import Predictions
from hemoscope.evaluation.matching.targets import Targets
from hemoscope.reasons import UsageError


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return held_out()


@pytest.fixture(scope="module")
def targets(table) -> Targets:
    uids = [f"1.2.3.{number}" for number in range(len(table))]
    return Targets(manifest_of(table, sop_instance_uid=uids))


def found_rows(predictions: pd.DataFrame, targets: Targets, folder, **kinds):
    return match_slices(Predictions.read(written(predictions, folder / "slices.csv")), targets)


def rows_of(table: pd.DataFrame, manifest: Manifest) -> np.ndarray:
    """The row of the Manifest that each row of the table is, by the one way that a person would check."""
    where = {name: row for row, name in enumerate(zip(manifest.table["series"].to_pylist(),
                                                      manifest.table["slice"].to_pylist(), strict=True))}  # fmt: skip
    return np.array([where[name] for name in zip(table["scan"], table["slice"], strict=True)])


WAYS = {
    "key of the Manifest": lambda table, slices: slices[["source"]],
    "path": lambda table, slices: slices[["source"]].replace({"source": {r"^held-out/(.*)#0$": r"\1"}}, regex=True),
    "SOP instance UID": lambda table, slices: pd.DataFrame({"image": [f"1.2.3.{n}.dcm" for n in range(len(table))]}),
    "scan and slice": lambda table, slices: slices[["scan", "slice"]],
}


@pytest.mark.parametrize("way", WAYS)
def test_every_slice_is_found_by_each_kind_of_name(way, table, targets, tmp_path):
    names = WAYS[way](table, slices_of(table)).join(table[NAMES])
    shuffled = names.sample(frac=1, random_state=1)
    matches = found_rows(shuffled, targets, tmp_path)
    assert matches.ways == {way: len(table)}
    np.testing.assert_array_equal(matches.rows, rows_of(table.loc[shuffled.index], targets.manifest))


def test_hashes_of_detect_find_the_same_slices(table, tmp_path):
    uids = [f"1.2.3.{number}" for number in range(len(table))]
    targets = Targets(manifest_of(table, sop_instance_uid=[None, *uids[1:]]))
    hashes = ["sha256:" + hashlib.sha256(uid.encode()).hexdigest()[:16] for uid in uids]
    names = pd.DataFrame({"scan": "scan-000", "slice": 0, "sop_instance_uid": hashes, "source": "sha256:00"})
    matches = found_rows(names.join(table[NAMES]), targets, tmp_path)
    assert matches.ways == {"SOP instance UID": len(table) - 1}
    expected = rows_of(table, targets.manifest)
    expected[0] = NOT_THERE
    np.testing.assert_array_equal(matches.rows, expected)


def test_a_scan_is_known_by_its_series_the_hash_of_it_or_its_slices(table, targets, tmp_path):
    scans = table["scan"].unique()
    truth = {
        name: targets.scan_of[row] for name, row in zip(table["scan"], rows_of(table, targets.manifest), strict=True)
    }
    for way, called in (("series", str), ("hashed series", hashed_name)):
        names = pd.DataFrame({"scan": [called(scan) for scan in scans], "any": 0.5})
        matches = match_scans(Predictions.read(written(names, tmp_path / "scans.csv")), targets)
        assert matches.ways == {way: len(scans)}
        assert targets.scan_of[matches.rows].tolist() == [truth[scan] for scan in scans]

    own = "what nobody else calls " + table["scan"]
    slices = slices_of(table).assign(scan=own)
    read = Predictions.read(written(slices, tmp_path / "slices.csv"))
    names = Predictions.read(written(pd.DataFrame({"scan": own.unique(), "any": 0.5}), tmp_path / "scans.csv"))
    matches = match_scans(names, targets, (read, match_slices(read, targets)))
    assert matches.ways == {"its slices": len(scans)}
    assert targets.scan_of[matches.rows].tolist() == [truth[scan] for scan in scans]


def test_a_name_of_several_slices_is_not_guessed(table, tmp_path):
    part = table.head(4)
    targets = Targets(manifest_of(part, sop_instance_uid=["1.2", "1.2", "1.3", None]))
    names = pd.DataFrame({"sop_instance_uid": ["1.2", "1.3", "1.4"], "any": 0.5})
    rows = found_rows(names, targets, tmp_path).rows
    assert rows.tolist() == [SEVERAL, rows_of(part, targets.manifest)[2], NOT_THERE]


def test_a_slice_of_another_uid_is_not_matched_by_its_number(table, targets, tmp_path):
    slices = slices_of(table.head(3)).assign(sop_instance_uid=["1.2.3.0", "9.9.9", None])
    matches = found_rows(slices.drop(columns="source"), targets, tmp_path)
    expected = rows_of(table.head(3), targets.manifest)
    assert matches.rows.tolist() == [expected[0], NOT_THERE, expected[2]]
    assert matches.ways == {"SOP instance UID": 1, "scan and slice": 1}


def test_numbers_that_no_slice_has_match_nothing(table, targets, tmp_path):
    scan = table["scan"].iloc[0]
    most = int(table["slice"].max())
    names = pd.DataFrame({"scan": scan, "slice": [-1, -2, 0.5, most + 1, most + 2, 10**12, None], "any": 0.5})
    assert (found_rows(names, targets, tmp_path).rows == NOT_THERE).all()


def test_slices_of_a_volume_are_found_by_the_name_that_detect_gives_it(tmp_path):
    part = pd.DataFrame({"path": ["ct_scans/050.nii"] * 3 + ["ct_scans/051.nii"] * 2, "frame": [0, 1, 2, 0, 1],
                         "slice": [0, 1, 2, 0, 1], "series": ["a"] * 3 + ["b"] * 2})  # fmt: skip
    targets = Targets(Manifest.from_columns("ct-ich", tmp_path, dict(part)))
    names = pd.DataFrame({"scan": ["050", "050", "051"], "slice": [2, 0, 1], "source": ["050.nii"] * 2 + ["051.nii"],
                          "any": 0.5})  # fmt: skip
    matches = found_rows(names, targets, tmp_path)
    assert matches.rows.tolist() == [2, 0, 4]  # never by the file, which holds several slices
    assert matches.ways == {"scan and slice": 3}


def test_pictures_are_found_by_a_file_name_that_only_one_has(tmp_path):
    paths = ["a/ID_1.png", "a/ID_2.png", "b/same.png", "c/same.png"]
    targets = Targets(Manifest.from_columns("x", tmp_path, {"path": paths, "series": ["a", "a", "b", "c"]}))
    names = pd.DataFrame({"source": ["upload.zip!deep/ID_2.png", "same.png", "ID_9.png"], "any": 0.5})
    assert found_rows(names, targets, tmp_path).rows.tolist() == [1, SEVERAL, NOT_THERE]


def test_two_predictions_of_one_slice_are_refused(table, targets, tmp_path):
    twice = pd.concat([slices_of(table.head(10)), slices_of(table.iloc[[4]])])
    with pytest.raises(
        UsageError, match=r"^Rows 6 and 12 of slices.csv are of the same slice \(held-out/.*#0\): leave"
    ):
        found_rows(twice, targets, tmp_path)
    by_another_name = pd.concat([slices_of(table.head(2)), slices_of(table.head(1)).assign(source=None)])
    with pytest.raises(UsageError, match=r"Rows 2 and 4 of slices.csv are of the same slice"):
        found_rows(by_another_name, targets, tmp_path)
    scans = pd.DataFrame({"scan": [table["scan"].iloc[0], f"held-out/{table['scan'].iloc[0]}"], "any": 0.5})
    with pytest.raises(UsageError, match=r"Rows 2 and 3 of scans.csv are of the same scan"):
        match_scans(Predictions.read(written(scans, tmp_path / "scans.csv")), targets)
