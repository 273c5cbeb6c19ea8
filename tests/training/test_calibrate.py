"""Context, calibration, thresholds and their intervals, against hand-made cases."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pd = pytest.importorskip("pandas", reason="needs pip install hemoscope[evaluate]")
pytest.importorskip("scipy", reason="needs pip install hemoscope[evaluate]")
pytest.importorskip("sklearn", reason="needs pip install hemoscope[evaluate]")

from hemoscope.detector.bundle import _calibration  # noqa: E402
from hemoscope.detector.curves import UNCHANGED, Isotonic, Line  # noqa: E402
from hemoscope.findings import ANY  # noqa: E402
from hemoscope.reasons import UsageError  # noqa: E402
from hemoscope.training import calibrate, measure  # noqa: E402
from hemoscope.training.held_out import each_once, write_held_out  # noqa: E402

ONE_SIGMA = calibrate.Settings(sigmas_mm=(4.0,))


def collection() -> Any:
    """40 scans of 12 slices; every other one has blood in two neighbouring slices, by logits that overlap."""
    random = np.random.default_rng(3)
    rows = []
    for scan in range(40):
        for number in range(12):
            blood = int(scan % 2 == 0 and number in (5, 6))
            logits = random.normal(2.0 * blood - 1.0, 1.0, len(calibrate.NAMES))
            row = {"run": f"fold{scan % 4}", "source": "physionet", "patient": str(scan), "scan": str(scan)}
            row |= {"slice": number, "position_mm": np.nan, **dict(zip(calibrate.NAMES, logits, strict=True))}
            rows.append(row | dict.fromkeys(calibrate.LABELS, blood))
    return pd.DataFrame(rows)


def test_thresholds_reach_their_targets_on_what_they_are_fitted_on() -> None:
    table = collection()
    fitted = calibrate.fit(table)
    for part, targets in zip(
        calibrate.apply(table, fitted), (calibrate.SLICE_TARGETS, calibrate.SCAN_TARGETS), strict=True
    ):
        blood = part["label_any"] == 1
        assert part[blood]["sensitive_call"].mean() >= targets[0]
        assert (~part[~blood]["specific_call"]).mean() >= targets[1]


def test_slices_are_called_by_themselves() -> None:
    """As detection does with `--independent`: a slice's call does not change when its neighbours are taken away."""
    table = collection()
    fitted = calibrate.fit(table)
    assert fitted.calibration.context.sigma_mm > 1  # neighbours count in this collection
    together, _ = calibrate.apply(table, fitted)
    alone, _ = calibrate.apply(table.assign(scan=table["scan"] + "-" + table["slice"].astype(str)), fitted)
    calls, keys = ["sensitive_call", "specific_call"], ["patient", "slice"]
    assert together.sort_values(keys)[calls].equals(alone.sort_values(keys)[calls].set_index(together.index))
    assert not np.allclose(together.sort_values(keys)["any"], alone.sort_values(keys)["any"])


def test_an_interval_of_all_or_none_is_that_of_the_patients() -> None:
    patients = pd.Series(np.repeat(["a", "b", "c", "d", "e"], 20))
    hit = pd.Series([True] * 100)
    assert measure.proportion(hit, patients) == "100/100, 1.00 (0.48 to 1.00)"  # 0.025 ** (1 / 5)
    assert measure.proportion(~hit, patients) == "0/100, 0.00 (0.00 to 0.52)"


def test_an_interval_of_one_case_a_patient_is_exact() -> None:
    hit = pd.Series([True] * 12 + [False] * 2)
    assert measure.proportion(hit, pd.Series(range(14))) == "12/14, 0.86 (0.57 to 0.98)"  # Clopper-Pearson
    assert measure.proportion(hit[:0], pd.Series(range(0))) == "none"


def test_no_auc_of_one_class() -> None:
    table = pd.DataFrame({"patient": ["a", "b"], "any": [0.2, 0.9], "label_any": [1, 1]})
    for part in (table, table[:0]):
        assert measure.auc(part, "any").startswith("- (no ")
    assert measure.auc(table.assign(label_any=[0, 1]), "any").startswith("1.000")


def test_a_finding_that_is_not_scored_is_left_alone() -> None:
    table = collection().assign(epidural=np.nan)
    fitted = calibrate.fit(table, ONE_SIGMA)
    assert fitted.calibration.slice.of[0] == UNCHANGED
    slices, scans = calibrate.apply(table, fitted)
    assert slices["epidural"].isna().all() and scans["epidural"].isna().all()
    assert slices["any"].notna().all() and scans["any"].notna().all()


def test_logits_of_a_network_over_the_scan_are_what_scans_are_calibrated_on() -> None:
    """Here they tell scans apart and the slices do not."""
    random = np.random.default_rng(5)
    table = collection()
    table[calibrate.NAMES] = random.normal(size=(len(table), 6))
    bleeds = table.groupby("scan")["label_any"].transform("max")
    table = table.assign(**dict.fromkeys(calibrate.SCAN_NAMES, 6.0 * bleeds - 3.0))
    settings = calibrate.Settings(sigmas_mm=())
    fitted = calibrate.fit(table, settings)
    assert fitted.calibration.context is None
    _, scans = calibrate.apply(table, fitted)
    assert (scans["any"] > 0.9).eq(scans["label_any"] == 1).all()


def test_labels_of_scans_need_not_follow_from_their_slices() -> None:
    """Scans of which no slice is labelled."""
    table = collection()
    of_scan = table.groupby("scan")["label_any"].transform("max")
    table = table.assign(**dict.fromkeys(calibrate.SCAN_LABELS, of_scan))
    known = calibrate.fit(table, ONE_SIGMA)
    unlabelled = table["patient"].astype(int) >= 20
    table.loc[unlabelled, calibrate.LABELS] = -1
    fitted = calibrate.fit(table, ONE_SIGMA)
    assert fitted.calibration.scan.of[ANY].slope == pytest.approx(known.calibration.scan.of[ANY].slope, rel=0.5)
    _, scans = calibrate.apply(table, fitted)
    assert (scans["label_any"] >= 0).all() and scans["label_any"].sum() == 20


@pytest.mark.parametrize("method", ["platt", "temperature", "isotonic"])
def test_what_is_fitted_is_what_a_bundle_reads(method: Any) -> None:
    """Through JSON, with a finding whose labels are not known and that isotonic regression leaves as it is."""
    table = collection().assign(label_subdural=-1)
    fitted = calibrate.fit(table, replace(ONE_SIGMA, method=method))
    facts = json.loads(json.dumps(fitted.facts(calibrate.NAMES)))
    assert facts["calibration"]["method"] == method
    assert _calibration(facts, calibrate.NAMES, calibrate.NAMES) == fitted.calibration
    kind = Isotonic if method == "isotonic" else Line
    assert all(isinstance(fitted.calibration.slice.of[finding], kind) for finding in (0, ANY))


def test_operating_points_are_measured_where_they_were_not_fitted() -> None:
    table = collection()
    fitted = calibrate.fit(table, ONE_SIGMA)
    slices, scans = calibrate.cross_fitted(table, ONE_SIGMA)
    points = calibrate.operating_points(fitted, slices, scans)
    assert points["scan"]["sensitive"]["threshold"] == fitted.scan_thresholds[0]
    assert (points["scan"]["specific"]["positives"], points["scan"]["specific"]["negatives"]) == (20, 20)
    assert (points["slice"]["specific"]["positives"], points["slice"]["specific"]["negatives"]) == (40, 440)
    called = slices[slices["label_any"] == 0]["specific_call"]
    assert points["slice"]["specific"]["specificity"] == pytest.approx(1 - called.mean(), abs=0.001)


def with_others(table: Any) -> Any:
    """The collection, a loose slice, a scan with an unlabelled slice, and a dataset of bleeding scans alone."""
    loose = table.iloc[[0]].assign(scan="loose", source="loose")
    unknown = table[table["scan"] == "3"].assign(scan="partly")
    unknown.loc[unknown["slice"] == 4, calibrate.LABELS] = -1
    bleeding = table[table["scan"] == "2"].assign(scan="bleeding", source="bleeding")
    return pd.concat([table, loose, unknown, bleeding], ignore_index=True)


def test_it_is_calibrated_on_whole_labelled_scans_of_datasets_with_bleeding_and_normal_ones() -> None:
    table = collection()
    chosen = calibrate.to_calibrate_on(with_others(table))
    assert set(chosen["scan"]) == set(table["scan"])
    with pytest.raises(UsageError, match="bleeding and normal scans"):
        calibrate.to_calibrate_on(table[table["scan"] == "2"])


def test_it_is_not_calibrated_on_a_few_slices_of_scans_that_are_normal_for_all_we_know() -> None:
    """A dataset of two slices of each scan: where they show no blood, the label of the scan is unknown."""
    table = collection()
    bleeds = table.groupby("scan")["label_any"].transform("max")
    whole = table.assign(**dict.fromkeys(calibrate.SCAN_LABELS, bleeds))
    few = whole[whole["slice"].isin([5, 6])].assign(source="loose", scan="few-" + whole["scan"])
    few.loc[few["label_any"] == 0, calibrate.SCAN_LABELS] = -1
    chosen = calibrate.to_calibrate_on(pd.concat([whole, few]))  # rows of several folds have the same numbers
    assert set(chosen["scan"]) == set(table["scan"])


def test_held_out_answers_become_predictions_of_every_slice_and_scan(tmp_path: Path) -> None:
    everything = with_others(collection())
    table = everything.assign(key="key" + everything.index.astype(str), sop_instance_uid=None)
    write_held_out(table, ONE_SIGMA, tmp_path)
    slices = pd.read_csv(tmp_path / "slices.csv", dtype={"scan": str}).set_index("source")
    assert set(slices.index) == set(table["key"])
    assert len(pd.read_csv(tmp_path / "scans.csv")) == table["scan"].nunique()
    # a fold's curves are those of the others
    fold = table["run"] == "fold0"
    of_others = calibrate.fit(calibrate.to_calibrate_on(table)[lambda rows: rows["run"] != "fold0"], ONE_SIGMA)
    expected, _ = calibrate.apply(table[fold], of_others)
    found = slices.loc[expected["key"], calibrate.NAMES].to_numpy()
    np.testing.assert_allclose(found, expected[calibrate.NAMES], rtol=1e-6)


def test_a_slice_of_two_datasets_has_one_prediction() -> None:
    """That of the dataset with more of its scan; slices without a UID are never taken for each other."""
    slices = pd.DataFrame(
        {
            "scan": ["a/1", "a/1", "a/1", "b/1", "b/1", "c/1", "c/2"],
            "slice": [0, 1, 2, 0, 1, 0, 0],
            "source": ["a"] * 3 + ["b"] * 2 + ["c"] * 2,
            "key": ["a0", "a1", "a2", "b0", "b1", "c0", "c1"],
            "sop_instance_uid": ["u0", "u1", "u2", "u1", "u2", None, None],
        }
    )
    assert each_once(slices)["key"].tolist() == ["a0", "a1", "a2", "c0", "c1"]
    assert each_once(slices[1:])["key"].tolist() == ["b0", "b1", "c0", "c1"]  # as many of both: the last
