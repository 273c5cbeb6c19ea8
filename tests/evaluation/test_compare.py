"""From folders that an evaluation wrote to tables, figures and a page that loads nothing from outside."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from made_cases import random_cases

from hemoscope.cli.compare import compare as command
from hemoscope.evaluation.compare import compare
from hemoscope.evaluation.matching.case_files import FILES, cases_to_parquet, read_cases
from hemoscope.evaluation.statistics.delong import unpaired_test
from hemoscope.reasons import UsageError


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("compared")
    for seed, name in enumerate(("one", "<two>")):
        (folder / name).mkdir()
        for level in FILES:
            cases = random_cases(30, 30 if level == "scan" else 15, level, seed)
            (folder / name / FILES[level]).write_bytes(cases_to_parquet(cases))
    return [folder / "one", folder / "<two>"]


def test_the_command_writes_tables_figures_and_a_page(folders: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(command, [*map(str, folders), "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    names = [f"{unit}_{what}" for unit in ("slices", "scans") for what in ("shared", "areas", "differences")]
    plots = [f"{unit}_{what}" for unit in ("slices", "scans") for what in ("roc", "precision_recall")]
    assert files == {".hemoscope-output.json", "comparison.html",
                     *(f"tables/{name}.{kind}" for name in names for kind in ("csv", "md", "tex")),
                     *(f"plots/{name}.{kind}" for name in plots for kind in ("png", "svg"))}  # fmt: skip
    table = pd.read_csv(out / "tables/scans_differences.csv")
    assert set(table["first"]) == {"one"}
    assert (table["p (Holm)"] >= table["p"]).all()
    page = (out / "comparison.html").read_text()
    assert "Comparison of one and &lt;two&gt;" in page
    assert "<two>" not in page
    assert "Research use only" in page
    assert "a positive one speaks for the first, of the log loss for the second" in page
    assert page.count("A lower log loss is better") == 2, "once for slices, once for scans"
    assert not re.search(r"(src|href)=\"(?!data:)", page)


@pytest.mark.parametrize("threshold", [0.0, 1.0, 2.0])
def test_a_threshold_that_is_no_probability_is_refused(folders: list[Path], threshold: float) -> None:
    with pytest.raises(UsageError, match=r"^A threshold is a probability between 0 and 1"):
        compare(folders, threshold)


def of_other_patients(folder: Path, prefix: str, per_patient: int) -> Path:
    """30 scans of patients of their own, so many each."""
    cases = random_cases(30, 30 // per_patient, "scan", len(prefix))
    mark = np.vectorize(lambda name: f"{prefix}{name}", otypes=[object])
    named = replace(cases, names=mark(cases.names), scans=mark(cases.scans), patients=mark(cases.patients))
    (folder / prefix).mkdir()
    (folder / prefix / FILES["scan"]).write_bytes(cases_to_parquet(named))
    return folder / prefix


def test_scans_of_other_patients_are_compared_unpaired(tmp_path: Path) -> None:
    folders = [of_other_patients(tmp_path, "here", 1), of_other_patients(tmp_path, "elsewhere", 1)]
    _, (scans,) = compare(folders)
    areas, differences = scans.tables
    assert [row[2] for row in areas.rows][:2] == [30, 30]
    first, second = (read_cases(folder / FILES["scan"]) for folder in folders)
    expected = unpaired_test(first.labels[:, 0], first.probabilities[:, 0],
                             second.labels[:, 0], second.probabilities[:, 0])  # fmt: skip
    row = differences.rows[0]
    assert (row[5], row[6], row[7]) == (expected.estimate, "DeLong, unpaired", expected.p_value)
    assert not any("log loss" in note for note in differences.notes)


def test_several_scans_of_a_patient_are_not_tested_as_independent(tmp_path: Path) -> None:
    folders = [of_other_patients(tmp_path, "here", 2), of_other_patients(tmp_path, "elsewhere", 1)]
    _, (scans,) = compare(folders)
    assert {row[5].blank for row in scans.tables[1].rows} == {"patients have several scans"}
