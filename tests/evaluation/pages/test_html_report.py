"""The report of an evaluation holds what a reviewer asks for and loads nothing from outside."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from evaluation_data import held_out, manifest_of, slices_of, written

from hemoscope.evaluation.evaluate import evaluate, tables_of
from hemoscope.evaluation.output_folder import OutputFolder
from hemoscope.evaluation.pages.checklist import FILL_IN
from hemoscope.evaluation.pages.html_report import pictures_of, write_report
from hemoscope.evaluation.question import Question
from hemoscope.evaluation.statistics.bootstrap import Draws
from hemoscope.reasons import UsageError


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    table = held_out()
    table = table[table["source"] == "physionet"].iloc[::8].reset_index(drop=True)
    ages = np.where(table["patient"] == table["patient"].iloc[0], np.nan, 50.0)
    manifest_of(table, age=ages, sex=["F"] * len(table)).write(folder / "manifest.parquet")
    predictions = written(slices_of(table), folder / "slices.csv")
    with pytest.MonkeyPatch.context() as patch:
        draws = Draws.of  # few are enough for a page
        patch.setattr(Draws, "of", lambda patients: draws(patients, 20))
        evaluation = evaluate(Question(folder / "manifest.parquet", predictions, validation=("fold0",)))
    report = OutputFolder(folder / "out")
    write_report(evaluation, tables_of(evaluation), report, pictures_of(evaluation.manifest, None, "default"))
    report.finish()
    return folder / "out"


def test_every_part_is_there(out: Path) -> None:
    page = (out / "report.html").read_text()
    for heading in ("Flow of cases", "Slices", "Scans", "The worst mistakes", "STARD-AI and CLAIM checklist"):
        assert f"<h2>{heading}</h2>" in page
    assert page.count('<img class="plot"') == 6  # ROC, precision-recall and reliability of slices and scans
    assert "Areas under the curves of scans" in page
    assert "Research use only" in page
    assert " nan" not in page.lower().replace("nano", "")


def test_the_title_names_the_system_by_its_folder(out: Path) -> None:
    assert "<h1>Evaluation of out</h1>" in (out / "report.html").read_text()
    assert "<h1>The worst mistakes of out</h1>" in (out / "failures.html").read_text()


def test_the_note_of_reliability_points_to_a_table_that_is_there(out: Path) -> None:
    page = (out / "report.html").read_text()
    for level in ("slices", "scans"):
        title = f"Calls of {level} at operating points"
        assert f"<h3>{title}</h3>" in page
        assert f"0.7 and 0.9 in the table “{title}” shows it" in page
    assert "fixed 0.7" in page and "fixed 0.9" in page


def test_nothing_is_loaded_from_outside(out: Path) -> None:
    for name in ("report.html", "failures.html"):
        page = (out / name).read_text()
        assert not re.search(r"src=\"(?!data:)", page)
        assert set(re.findall(r"href=\"([^\"]*)\"", page)) <= {"failures.html"}


def test_the_checklist_is_filled_in_from_what_is_known(out: Path) -> None:
    text = (out / "tables/checklist.md").read_text()
    assert "sex known of" in text
    assert "age known of" in text and "median 50 years" in text
    assert "thresholds chosen on: fold0" in text
    assert "The patient" not in text
    scanner = next(line for line in text.splitlines() if "Scanners" in line)
    assert FILL_IN in scanner and "known of" not in scanner  # no scanner is stated


def test_without_files_the_mistakes_are_listed_with_the_reason(out: Path) -> None:
    page = (out / "failures.html").read_text()
    assert "No pictures: neither a slice store nor the files of the Manifest were given." in page
    assert "<img" not in page
    assert "missed" in (out / "tables/failures_slices.csv").read_text()


def test_a_store_or_bundle_that_is_none_is_refused(out: Path, tmp_path: Path) -> None:
    manifest = manifest_of(held_out().head(3))
    with pytest.raises(UsageError, match="holds no slice store"):
        pictures_of(manifest, tmp_path, None)
    with pytest.raises(UsageError, match="There is no bundle 'nothing'"):
        pictures_of(manifest, None, "nothing")
