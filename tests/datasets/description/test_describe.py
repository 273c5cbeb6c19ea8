"""The tables of a Manifest: the papers' printed values come out of labels with the papers' counts."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from hemoscope.datasets.description.counting import Rows
from hemoscope.datasets.description.describe import describe, describe_split
from hemoscope.datasets.description.paper_tables import wong_labels, wong_numbers
from hemoscope.datasets.description.table import Table, text, to_markdown, write_tables
from hemoscope.datasets.manifest import UNKNOWN, Manifest
from hemoscope.datasets.merge import merge
from hemoscope.datasets.splitting.schemes import split
from hemoscope.findings import FINDING_NAMES
from hemoscope.reasons import UsageError

# Wong 2019, Table 2
WONG_FILES = {"epidural": 3_145, "intraparenchymal": 36_118, "intraventricular": 26_205, "subarachnoid": 35_675,
              "subdural": 47_166, "any": 107_933}  # fmt: skip
WONG_WEIGHTS = ["238.37", "19.84", "27.73", "20.10", "14.96", "5.97"]
WONG_NUMBERS = {1: 75_859, 2: 24_826, 3: 6_217, 4: 1_008, 5: 23, 0: 644_870}


def labels_with_counts(by_finding: dict[str, int], by_number: dict[int, int]) -> np.ndarray:
    """Labels [slice, finding] with given numbers of slices by finding and by number of findings."""
    left = np.array([by_finding[name] for name in FINDING_NAMES[:-1]])
    rows = []
    for number in sorted(by_number, reverse=True):
        for _ in range(by_number[number] if number else 0):
            chosen = np.argsort(-left, kind="stable")[:number]
            left[chosen] -= 1
            row = np.zeros(6, np.int8)
            row[[*chosen, 5]] = 1
            rows.append(row)
    assert not left.any()
    return np.concatenate([rows, np.zeros((by_number[0], 6), np.int8)])


def named(tables: list[Table], title: str) -> Table:
    return next(table for table in tables if table.title == title)


def test_wong_table_2_comes_out_of_its_counts() -> None:
    labels = labels_with_counts(WONG_FILES, WONG_NUMBERS)
    assert len(labels) == 752_803
    slices = {"slice": np.arange(len(labels)), **dict(zip(FINDING_NAMES, labels.T, strict=True))}
    rows = Rows.of(Manifest.from_columns("rsna2019", Path("/data"), slices))
    files = wong_labels(rows)
    assert {row[0]: row[1] for row in files.rows} == WONG_FILES
    assert [text(row[3]) for row in files.rows] == WONG_WEIGHTS
    assert {row[0]: row[1] for row in wong_numbers(rows).rows} == WONG_NUMBERS


def test_the_labels_of_stage_1_are_counted_as_published(shared_data: Path) -> None:
    table = pq.read_table(shared_data / "rsna_metadata" / "slices.parquet")
    stage_1 = table.filter(pc.equal(table["split"].cast("string"), "stage1_train"))
    columns = {"sop_instance_uid": stage_1["id"], **{name: stage_1[name] for name in FINDING_NAMES}}
    rows = Rows.of(Manifest.from_columns("rsna2019", Path("/data"), columns))
    assert [(row[1], row[1] + row[2], text(row[3])) for row in wong_labels(rows).rows] == [
        (2_761, 674_258, "243.21"), (32_564, 674_258, "19.71"), (23_766, 674_258, "27.37"),
        (32_122, 674_258, "19.99"), (42_496, 674_258, "14.87"), (97_103, 674_258, "5.94")]  # fmt: skip


@pytest.fixture
def small() -> Manifest:
    """Five patients and six scans of two datasets, one patient in both; p:5 is only labelled by scan."""
    one = Manifest.from_columns("one", Path("/one"), {
        "patient": ["p:1", "p:1", "p:1", "p:2", "p:2", "p:3", None],
        "series": ["A", "A", "B", "C", "C", "D", None],
        "slice": [0, 1, 0, 0, 1, 0, None],
        "path": list("abcdefg"),
        "window": ["40/80"] * 7,
        "any": np.array([1, 0, 0, 0, 0, 1, UNKNOWN], np.int8),
        "subdural": np.array([1, 0, 0, 0, 0, UNKNOWN, UNKNOWN], np.int8),
        "scan_any": np.array([1, 1, 0, 0, 0, 1, UNKNOWN], np.int8),
        "age": [40, 40, 42, 50, 50, 60, None],
        "sex": ["M", "M", "M", "F", "F", "M", None],
    })  # fmt: skip
    two = Manifest.from_columns("two", Path("/two"), {
        "patient": ["p:5", "p:1"], "series": ["A", "Z"], "scan_any": [1, 0], "scan_subdural": [0, 0],
    })  # fmt: skip
    return merge([one, two])


def test_datasets_count_patients_beside_slices(small: Manifest) -> None:
    table = named(describe(small), "Datasets")
    assert table.columns[1:] == ("patients", "scans", "slices", "loose slices", "slices without patient",
                                 "labelled slices", "labelled scans", "windows")  # fmt: skip
    assert [tuple(row) for row in table.rows] == [
        ("one", 3, 4, 7, 1, 1, 6, 4, "40/80"),
        ("two", 2, 2, 0, 0, 0, 0, 2, None),
    ]


def test_a_finding_counts_scans_and_patients_by_slices_or_the_scan(small: Manifest) -> None:
    rows = {row[:2]: row[2:] for row in named(describe(small), "Findings by dataset").rows}
    assert rows["one", "any"] == (2, 2, 2, 4, 3)
    assert rows["two", "any"] == (0, 1, 1, 0, 2)
    assert rows["all", "any"] == (2, 3, 3, 4, 4)
    assert rows["one", "subdural"] == (1, 1, 1, 4, 2)
    assert ("one", "epidural") not in rows


def test_patients_with_and_without_hemorrhage_have_age_and_sex(small: Manifest) -> None:
    table = named(describe(small), "Patients without and with hemorrhage")
    assert [tuple(row) for row in table.rows] == [
        ("n", 1, 3),
        ("Age (years)", "50.00 ± - (50.0 to 50.0)", "50.00 ± 14.14 (40.0 to 60.0)"),
        ("age known", 1, 2),
        ("Sex (male:female)", "0:1", "2:0"),
        ("sex known", 1, 2),
    ]


def test_positive_and_negative_scans_are_counted(small: Manifest) -> None:
    tables = describe(small)
    assert [tuple(row) for row in named(tables, "Positive and negative scans by split").rows] == [
        ("all", 3, 3, 6, 100.0, 3, 2), ("total", 3, 3, 6, 100.0, 3, 2)]  # fmt: skip
    assert tuple(named(tables, "Scans whose slices are labelled by split").rows[-1]) == ("total", 2, 2, 2, 2, 2, 3)
    burduja = named(tables, "Slices, scans and patients of each finding by split")
    counts = {name: column for name, *column in zip(burduja.columns, *burduja.rows, strict=True)}
    assert counts["ICH"] == [2, 3, 3]
    assert counts["none"] == [4, 3, 2]
    assert counts["total"] == [7, 6, 4]


def test_what_is_unknown_of_a_test_set_is_not_counted_as_none(small: Manifest) -> None:
    test_set = Manifest.from_columns("hidden", Path("/hidden"), {"patient": ["h:1"], "series": ["A"], "path": ["a"],
                                                                 "split": ["test"]})  # fmt: skip
    tables = describe(split(merge([small, test_set]), "holdout:50/50/0", 1))
    burduja = {row[:2]: row[2:] for row in named(tables, "Slices, scans and patients of each finding by split").rows}
    assert burduja["test", "slices"] == (None,) * 7 + (1,)
    assert burduja["train", "slices"][0] is not None
    for title in (
        "Slices with and without hemorrhage",
        "Positive and negative scans",
        "Scans whose slices are labelled",
    ):
        assert "test" not in [row[0] for row in named(tables, f"{title} by split").rows]


def test_training_rows_of_unknown_patient_are_counted(small: Manifest) -> None:
    unknown = small.with_columns({"any": [1, 0, 0, 0, 0, 1, 1, None, None]})
    facts = dict(describe_split(split(unknown, "holdout:50/25/25", 4))[0].rows)
    assert facts["training rows of unknown patient"] == 1
    assert "the patient of 1 slices is unknown" in split(unknown, "burduja2020", 4).split.caveat


def test_one_person_under_two_names_is_counted_once() -> None:
    one = Manifest.from_columns("one", Path("/one"), {"patient": ["a"], "sop_instance_uid": ["1"], "any": [1],
                                                      "age": [40]})  # fmt: skip
    two = Manifest.from_columns("two", Path("/two"), {"patient": ["b"], "sop_instance_uid": ["1"], "any": [1]})
    people = named(describe(merge([one, two])), "Patients without and with hemorrhage")
    assert tuple(people.rows[0]) == ("n", 0, 1)


def test_balanced_slices_are_counted_in_each_split(small: Manifest) -> None:
    (row,) = named(describe(small), "Slices with and without hemorrhage by split").rows
    assert tuple(row) == ("all", 3, 2, 2, 4, 4)


def test_a_leaking_split_is_told_with_its_count(small: Manifest) -> None:
    facts = dict(describe_split(split(small, "wong2019", 4))[0].rows)
    assert facts["scheme"] == "wong2019"
    assert facts["patients in more than one split"] == 1
    assert "1 of 3 patients are in more than one split" in str(facts["caveat"])
    clean = dict(describe_split(split(small, "holdout:50/25/25", 4))[0].rows)
    assert (clean["patients in more than one split"], clean["caveat"]) == (0, "none")


def test_a_leak_without_the_excuse_of_a_paper_is_an_error(small: Manifest) -> None:
    leaking = small.with_columns({"split": ["train", "test"] + ["train"] * 7})
    with pytest.raises(UsageError, match=r"more than one split \(1: p:1\)"):
        describe(leaking)
    assert describe(split(small, "wong2019", 4))


def test_contradictions_and_unknowns_are_listed(small: Manifest) -> None:
    wrong = small.with_columns({"any": np.array([0, 0, 0, 0, 0, 1, -1, -1, -1], np.int8)})
    doubts = dict(named(describe(wrong), "Unknown and doubtful").rows)
    assert doubts["contradictions left in slices"] == 1
    assert doubts["slices without patient"] == 1
    assert doubts["slices without any label"] == 1
    assert doubts["negative scans with a positive slice"] == 0
    denied = small.with_columns({"scan_any": [0] * 6 + [None] * 3})
    assert dict(named(describe(denied), "Unknown and doubtful").rows)["negative scans with a positive slice"] == 2
    shared = small.with_columns({"series": ["A"] * 7 + [None] * 2})
    assert dict(named(describe(shared), "Unknown and doubtful").rows)["scans of more than one patient"] == 1


def test_tables_are_written_as_csv_and_markdown(small: Manifest, tmp_path: Path) -> None:
    tables = describe(split(small, "kfold:2", 1))
    write_tables(tables, tmp_path)
    document = (tmp_path / "tables.md").read_text()
    assert all(f"## {table.title}\n" in document for table in tables)
    with (tmp_path / "tables" / "datasets.csv").open(newline="") as stream:
        assert list(csv.reader(stream))[1][:4] == ["one", "3", "4", "7"]
    assert len(list((tmp_path / "tables").iterdir())) == len(tables)


def test_markdown_sets_numbers_apart() -> None:
    table = Table("T", ("a", "b"), [("x|y", 1234567), ("z", None)], source="Somebody 2020, Table 1")
    assert to_markdown(table) == (
        "## T\n\nAfter Somebody 2020, Table 1.\n\n| a | b |\n| --- | ---: |\n| x\\|y | 1,234,567 |\n| z | - |\n"
    )
