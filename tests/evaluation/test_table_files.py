"""Tables as files: numbers apart from words in CSV, every sign that a format reads as its own escaped."""

from __future__ import annotations

import csv
import io

from hemoscope.evaluation.statistics.estimate import Estimate
from hemoscope.evaluation.table import Table
from hemoscope.evaluation.table_files import csv_of, files_of, html_of, latex_of, markdown_of

TABLE = Table(
    "areas",
    "Areas of A & B_1",
    ("finding", "slices", "ROC AUC", "threshold"),
    (
        ("any | all", 12345, Estimate(0.93124, 0.9, 0.95, "DeLong, 95%"), 0.123456789),
        ("50% <b>", 7, Estimate.none("no positives"), None),
        ("sub_dural", 0, Estimate(0.5, blank="fewer than 5 patients"), 0.5),
    ),
    ("Intervals are 95%.",),
)


def test_csv_keeps_full_precision_and_says_why_a_cell_is_blank():
    rows = list(csv.DictReader(io.StringIO(csv_of(TABLE))))
    assert rows[0] == {"finding": "any | all", "slices": "12345", "ROC AUC": "0.93124", "ROC AUC low": "0.9",
                       "ROC AUC high": "0.95", "ROC AUC interval": "DeLong, 95%", "ROC AUC blank because": "",
                       "threshold": "0.123456789"}  # fmt: skip
    assert [rows[1][f"ROC AUC{end}"] for end in ("", " low", " high")] == ["", "", ""]
    assert rows[1]["ROC AUC blank because"] == "no positives"
    assert rows[1]["threshold"] == ""
    assert rows[2]["ROC AUC"] == "0.5"
    assert rows[2]["ROC AUC blank because"] == "fewer than 5 patients"


def test_markdown_has_a_cell_for_each_column():
    lines = markdown_of(TABLE).splitlines()
    assert lines[0] == "## Areas of A & B_1"
    assert lines[3] == "| --- | ---: | --- | --- |"
    assert lines[4] == r"| any \| all | 12,345 | 0.931 (0.900 to 0.950) | 0.1235 |"
    assert lines[5] == "| 50% <b> | 7 | - (no positives) | - |"
    assert lines[-1] == "Intervals are 95%."


def test_latex_escapes_what_it_would_run():
    text = latex_of(TABLE)
    assert r"\caption{Areas of A \& B\_1. Intervals are 95\%.}" in text
    assert r"\begin{tabular}{lrll}" in text
    assert r"50\% <b> & 7 & - (no positives) & - \\" in text
    assert r"sub\_dural" in text
    assert text.startswith("% \\usepackage{booktabs}\n")


def test_html_shows_signs_and_does_not_run_them():
    text = html_of(TABLE)
    assert "50% &lt;b&gt;" in text
    assert "<b>" not in text


def test_a_table_gives_three_files():
    assert list(files_of(TABLE)) == ["areas.csv", "areas.md", "areas.tex"]
