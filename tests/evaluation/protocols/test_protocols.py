"""Each protocol makes its paper's tables: printed figures as printed, ours from the right cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from hemoscope.evaluation.matching.cases import Cases
from hemoscope.evaluation.measures.scan_rules import maximum
from hemoscope.evaluation.protocols.catalogue import PROTOCOLS
from hemoscope.evaluation.protocols.efficientclass2021 import balance
from hemoscope.evaluation.protocols.scans_of_slices import scans_of_slices
from hemoscope.evaluation.published import papers
from hemoscope.evaluation.statistics.challenge import WEIGHTS, losses
from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Cell, Table
from hemoscope.evaluation.table_files import files_of
from hemoscope.findings import ANY, FINDING_NAMES

SLICES_A_SCAN, SCANS = 20, 60
TABLES = {
    "burduja2020": 4,
    "efficientclass2021": 2,
    "wong2019": 3,
    "ye2019": 1,
    "patel2019": 4,
}


def cases_of(level: str, scans: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> Cases:
    names = np.array([f"{scan}#{row}" if level == "slice" else scan for row, scan in enumerate(scans)], object)
    about = pd.DataFrame({"dataset": ["cq500"] * len(scans)})
    return Cases(level, names, scans, scans, labels.astype(np.int8), probabilities, about)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def slices() -> Cases:
    random = np.random.default_rng(5)
    scans = np.repeat([f"scan {number:02}" for number in range(SCANS)], SLICES_A_SCAN).astype(object)
    bleeds = np.repeat(random.random((SCANS, 6)) < 0.4, SLICES_A_SCAN, axis=0)
    labels = bleeds & (random.random((len(scans), 6)) < 0.4)
    labels[:, ANY] = labels[:, :ANY].any(axis=1)
    return cases_of("slice", scans, labels, np.clip(0.35 * labels + 0.65 * random.random(labels.shape), 0, 1))


@pytest.fixture(scope="module")
def scans(slices: Cases) -> Cases:
    """Each with the labels, and the highest scores, of its slices."""
    by_scan = pd.Series(range(len(slices))).groupby(slices.scans)
    labels = np.stack([slices.labels[rows].max(axis=0) for _, rows in by_scan])
    return cases_of(
        "scan", np.array(list(by_scan.groups), object), labels,
        np.stack([slices.probabilities[rows].max(axis=0) for _, rows in by_scan]),
    )  # fmt: skip


def cell(table: Table, row: tuple[str, ...], column: str) -> Cell:
    found = [cells for cells in table.rows if tuple(map(str, cells[: len(row)])) == row]
    assert len(found) == 1, f"{len(found)} rows {row} in {table.name}"
    return found[0][table.columns.index(column)]


def value(table: Table, row: tuple[str, ...], column: str) -> float:
    figure = cell(table, row, column)
    assert isinstance(figure, Estimate) and figure.value is not None, figure
    return figure.value


def tables_of(name: str, *cases: Cases | None) -> dict[str, Table]:
    return {table.name: table for table in PROTOCOLS[name].tables(*cases, *[None] * (3 - len(cases)))}


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name != "default"])
def test_every_protocol_makes_tables_that_can_be_written(name: str, slices: Cases, scans: Cases) -> None:
    tables = tables_of(name, slices, scans, scans)
    assert len(tables) == TABLES[name]
    for table in tables.values():
        for content in files_of(table).values():
            assert b"nan" not in content.lower()
        assert table.notes[0].startswith(f"Printed: {papers()[name].title}")
        assert "cq500" in table.notes[1] and table.notes[1].startswith("Ours: ")
        of_values = [column for column in table.columns if column.endswith((", printed", ", ours"))]
        assert [column.rpartition(", ")[2] for column in of_values] == ["printed", "ours"] * (len(of_values) // 2)
        assert of_values


def ours_of(table: Table) -> list[Cell]:
    places = [place for place, column in enumerate(table.columns) if column.endswith(", ours")]
    return [row[place] for row in table.rows for place in places if row[place] is not None]


@pytest.mark.parametrize(
    ("name", "without_slices", "without_scans"),
    [
        ("burduja2020", "no slices predicted", "no scans predicted"),
        ("efficientclass2021", "no slices predicted", "no scans predicted"),
        ("wong2019", "no slices predicted", ""),
        ("ye2019", "", "no scans predicted"),
        ("patel2019", "no slices predicted", "no scans predicted"),
    ],
)
def test_what_is_not_predicted_is_blank_with_a_reason(
    name: str, without_slices: str, without_scans: str, slices: Cases, scans: Cases
) -> None:
    def blanks(*cases: Cases | None) -> set[str]:
        figures = [figure for table in tables_of(name, *cases).values() for figure in ours_of(table)]
        return {figure.blank for figure in figures if isinstance(figure, Estimate) and figure.value is None}

    assert (without_slices in blanks(None, scans)) is bool(without_slices)
    assert (without_scans in blanks(slices, None)) is bool(without_scans)
    assert not {"no slices predicted", "no scans predicted"} & blanks(slices, scans)
    for table in tables_of(name, None, None).values():
        assert all(isinstance(figure, Estimate) and figure.value is None for figure in ours_of(table))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_case_at_all_is_no_error(name: str, slices: Cases, scans: Cases) -> None:
    nothing = np.array([], int)
    tables = tables_of(name, slices.take(nothing), scans.take(nothing), scans.take(nothing))
    for table in tables.values():
        for content in files_of(table).values():
            assert b"nan" not in content.lower()


def test_burduja_compares_its_best_system_on_slices_and_scans(slices: Cases, scans: Cases) -> None:
    table = tables_of("burduja2020", slices, scans)["burduja2020_table_3"]
    own, plain = "ResNeXt-101 and bidirectional LSTM", "ResNeXt-101"
    assert cell(table, (own, "SDH"), "ROC AUC on slices, printed") == "0.9682"
    subdural = FINDING_NAMES.index("subdural")
    for level, cases in (("slices", slices), ("scans", scans)):
        labels, scores = cases.labels[:, subdural], cases.probabilities[:, subdural]
        assert value(table, (own, "SDH"), f"ROC AUC on {level}, ours") == pytest.approx(roc_auc_score(labels, scores))
        accuracy = value(table, (own, "SDH"), f"Accuracy on {level}, ours")
        assert accuracy == pytest.approx(accuracy_score(labels, scores >= 0.5))
    assert cell(table, (plain, "SDH"), "ROC AUC on slices, ours") is None


def test_burduja_counts_scans_and_has_no_rank(slices: Cases, scans: Cases) -> None:
    tables = tables_of("burduja2020", slices, scans)
    positives = int((scans.labels[:, FINDING_NAMES.index("intraventricular")] == 1).sum())
    assert cell(tables["burduja2020_table_4"], ("positives",), "IVH, ours") == positives
    assert cell(tables["burduja2020_table_4"], ("positives",), "IVH, printed") == "16"
    best = "ResNeXt-101 + BiLSTM 3x256, PCA + ResNeXt-101 predictions, 120"
    rank = cell(tables["burduja2020_table_2"], (best,), "Rank on Kaggle, ours")
    assert isinstance(rank, Estimate) and rank.blank == "no leaderboard"
    assert value(tables["burduja2020_table_2"], (best,), "Loss, ours") > 0


def test_efficientclass_balances_the_slices(slices: Cases) -> None:
    balanced = balance(slices)
    positives = slices.labels[:, ANY] == 1
    assert len(balanced) == 2 * min(positives.sum(), (~positives).sum())
    assert balanced.labels[:, ANY].mean() == 0.5
    assert set(balanced.names) <= set(slices.names) and len(set(balanced.names)) == len(balanced)
    assert list(balance(slices).names) == list(balanced.names)
    table = tables_of("efficientclass2021", slices)["efficientclass2021_table_1"]
    calls = balanced.probabilities[:, ANY] >= 0.7
    expected = accuracy_score(balanced.labels[:, ANY], calls)
    assert value(table, ("EffClass", "0.7"), "ACC, ours") == pytest.approx(expected)
    assert cell(table, ("EffClass", "0.7"), "ACC, printed") == "0.918"


def test_efficientclass_calls_a_scan_by_the_share_of_slices_above_0_8() -> None:
    # 20 slices a scan: 1 above 0.8 is 5%, 2 are 10%; 0.8 itself is not above
    above = {"a": 0, "b": 1, "c": 2, "d": 2}
    scans = np.repeat(list(above), 20).astype(object)
    scores = np.full((80, 6), 0.8)
    for place, count in enumerate(above.values()):
        scores[20 * place : 20 * place + count] = 0.81
    labels = np.zeros((80, 6))
    labels[25], labels[45] = 1, 1  # b and c bleed
    made = cases_of("slice", scans, labels, scores)
    of_scans = cases_of("scan", np.array(list(above), object), labels.reshape(4, 20, 6).max(axis=1), np.zeros((4, 6)))
    table = tables_of("efficientclass2021", made, of_scans)["efficientclass2021_table_2"]
    assert value(table, ("EffClass (5%)",), "TPR, ours") == pytest.approx(100)
    assert value(table, ("EffClass (5%)",), "TNR, ours") == pytest.approx(50)
    assert value(table, ("EffClass (10%)",), "TPR, ours") == pytest.approx(50)
    assert value(table, ("EffClass (10%)",), "TNR, ours") == pytest.approx(50)
    assert cell(table, ("EffClass (5%)",), "TPR, printed") == "94.9% (92.1-96.9)"
    assert cell(table, ("Aidoc [22]",), "TPR, ours") is None


def test_wong_counts_slices_by_subtypes(slices: Cases) -> None:
    tables = tables_of("wong2019", slices)
    subtypes = slices.labels[:, :ANY].sum(axis=1)
    table = tables["wong2019_table_2_right"]
    assert [cell(table, (str(count),), "# Files, ours") for count in range(6)] == [
        int((subtypes == count).sum()) for count in range(6)
    ]
    subdural = slices.labels[:, FINDING_NAMES.index("subdural")]
    weight = value(tables["wong2019_table_2_left"], ("Subdural",), "pos_weight, ours")
    assert weight == pytest.approx((subdural == 0).sum() / (subdural == 1).sum())


def test_ye_judges_subtypes_on_scans_with_bleeding(slices: Cases, scans: Cases) -> None:
    table = tables_of("ye2019", slices, scans)["ye2019_table_3"]
    bleeding = scans.labels[:, ANY] == 1
    assert 0 < bleeding.sum() < len(scans)
    parenchymal = FINDING_NAMES.index("intraparenchymal")
    for word, finding, rows in (("ICH", ANY, bleeding | True), ("CPH", parenchymal, bleeding)):
        labels, calls = scans.labels[rows, finding], scans.probabilities[rows, finding] >= 0.5
        assert value(table, (word, "Model (Sli-Lab)"), "F1 score, ours") == pytest.approx(f1_score(labels, calls))
    assert cell(table, ("CPH", "JRT (mean ± s)"), "F1 score, printed") == "0.91 ± 0.03"
    assert cell(table, ("CPH", "SR"), "F1 score, ours") is None


def test_patel_compares_rules_over_slices_with_the_scans_own_scores(slices: Cases, scans: Cases) -> None:
    own = cases_of("scan", scans.names, scans.labels, np.clip(scans.labels * 0.9 + 0.05, 0, 1))
    tables = tables_of("patel2019", slices, own)
    labels = scans.labels[:, ANY]
    highest = value(tables["patel2019_figure_3"], ("maximum of the slices",), "AUC, ours")
    assert highest == pytest.approx(roc_auc_score(labels, scans.probabilities[:, ANY]))
    assert value(tables["patel2019_figure_4"], ("two LSTM layers, end to end",), "AUC, ours") == 1
    point = cell(tables["patel2019_section_iv_b"], ("sensitivity",), "Test set, ours")
    assert isinstance(point, Estimate) and point.blank == "no validation cases to choose a threshold on"


def test_patel_applies_the_threshold_that_validation_cases_gave(scans: Cases) -> None:
    validation = scans.take(np.arange(0, SCANS, 2))
    test = scans.take(np.arange(1, SCANS, 2))
    table = tables_of("patel2019", None, test, validation)["patel2019_section_iv_b"]
    positives = np.sort(validation.probabilities[validation.labels[:, ANY] == 1, ANY])
    assert len(positives) < 50  # so that a sensitivity of 0.98 is one of 1
    calls = test.probabilities[:, ANY] >= positives[0]
    expected = (calls & (test.labels[:, ANY] == 1)).sum() / (test.labels[:, ANY] == 1).sum()
    assert value(table, ("sensitivity",), "Test set, ours") == pytest.approx(expected)


def test_slices_score_the_scans_that_they_are_of_and_no_other() -> None:
    names = np.repeat(["b", "loose", "a"], [3, 1, 2]).astype(object)
    made = cases_of("slice", names, np.ones((6, 6)), np.tile(np.linspace(0.1, 0.6, 6)[:, None], 6))
    scans = cases_of(
        "scan", np.array(["a", "b", "c"], object), np.array([[0] * 6, [-1] * 6, [1] * 6]), np.zeros((3, 6))
    )
    found = scans_of_slices(made, scans, maximum)
    assert found.names.tolist() == ["a", "b"]
    assert found.probabilities[:, ANY].tolist() == pytest.approx([0.6, 0.3])
    assert found.labels[:, ANY].tolist() == [0, -1]


def test_the_default_gives_the_challenge_metric_of_complete_slices(slices: Cases) -> None:
    labels = slices.labels.copy()
    labels[:20, 3] = -1  # the slices of one scan lack a label
    part = cases_of("slice", slices.scans, labels, slices.probabilities)
    (table,) = PROTOCOLS["default"].tables(part, None)
    known = slices.take(np.arange(20, len(slices)))
    expected = (losses(known.labels, known.probabilities) @ WEIGHTS).mean() / 7
    assert table.rows[0][:2] == (len(slices) - 20, SCANS - 1)
    assert isinstance(table.rows[0][2], Estimate)
    assert table.rows[0][2].value == pytest.approx(expected, abs=1e-12)
    assert PROTOCOLS["default"].tables(None, part) == []
