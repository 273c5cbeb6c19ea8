"""From folders that an evaluation wrote to tables, figures and a page that loads nothing from outside."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from made_cases import random_cases

from hemoscope.cli.compare import compare as command
from hemoscope.evaluation.compare import compare
from hemoscope.evaluation.matching.case_files import FILES, cases_to_parquet
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
    assert not re.search(r"(src|href)=\"(?!data:)", page)


@pytest.mark.parametrize("threshold", [0.0, 1.0, 2.0])
def test_a_threshold_that_is_no_probability_is_refused(folders: list[Path], threshold: float) -> None:
    with pytest.raises(UsageError, match=r"^A threshold is a probability between 0 and 1"):
        compare(folders, threshold)
