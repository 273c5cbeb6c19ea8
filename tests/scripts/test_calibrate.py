"""Thresholds and intervals of the default bundle, against hand-made cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pd = pytest.importorskip("pandas", reason="needs pip install hemoscope[evaluate]")
pytest.importorskip("scipy", reason="needs pip install hemoscope[evaluate]")
pytest.importorskip("sklearn", reason="needs pip install hemoscope[evaluate]")


@pytest.fixture
def calibrate(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts" / "default_bundle"))
    import calibrate

    return calibrate


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts" / "default_bundle"))
    import measure

    return measure


def collection(calibrate: Any) -> Any:
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


def test_thresholds_reach_their_targets_on_what_they_are_fitted_on(calibrate: Any) -> None:
    table = collection(calibrate)
    fitted = calibrate.fit(table)
    for part, targets in zip(
        calibrate.apply(table, fitted), (calibrate.SLICE_TARGETS, calibrate.SCAN_TARGETS), strict=True
    ):
        blood = part["label_any"] == 1
        assert part[blood]["sensitive_call"].mean() >= targets[0]
        assert (~part[~blood]["specific_call"]).mean() >= targets[1]


def test_slices_are_called_by_themselves(calibrate: Any) -> None:
    """As detection does with `--independent`: a slice's call does not change when its neighbours are taken away."""
    table = collection(calibrate)
    fitted = calibrate.fit(table)
    assert fitted.calibration.context.sigma_mm > 1  # neighbours count in this collection
    together, _ = calibrate.apply(table, fitted)
    alone, _ = calibrate.apply(table.assign(scan=table["scan"] + "-" + table["slice"].astype(str)), fitted)
    calls, keys = ["sensitive_call", "specific_call"], ["patient", "slice"]
    assert together.sort_values(keys)[calls].equals(alone.sort_values(keys)[calls].set_index(together.index))
    assert not np.allclose(together.sort_values(keys)["any"], alone.sort_values(keys)["any"])


def test_an_interval_of_all_or_none_is_that_of_the_patients(measure: Any) -> None:
    patients = pd.Series(np.repeat(["a", "b", "c", "d", "e"], 20))
    hit = pd.Series([True] * 100)
    assert measure.clustered_proportion(hit, patients) == "100/100, 1.00 (0.48-1.00)"  # 0.025 ** (1 / 5)
    assert measure.clustered_proportion(~hit, patients) == "0/100, 0.00 (0.00-0.52)"


def test_no_auc_of_one_class(measure: Any) -> None:
    table = pd.DataFrame({"patient": ["a", "b"], "any": [0.2, 0.9], "label_any": [1, 1]})
    for part in (table, table[:0]):
        assert measure.auc(part, "any") == "one class only"
    assert measure.auc(table.assign(label_any=[0, 1]), "any").startswith("1.000")
