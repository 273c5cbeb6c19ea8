"""Reports of systems that score some findings only, without heat maps and without calibration."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from hemoscope.detector.detection import Detection, OperatingPoint
from hemoscope.findings import ANY, FINDING_NAMES
from hemoscope.report import html
from hemoscope.report.chart import chart
from hemoscope.report.names import Names
from hemoscope.report.panels import overlays, slices_to_show
from hemoscope.report.results import Run, manifest, scan_record
from hemoscope.report.tables import scan_row, slice_counts, slice_rows

RUN = Run("wong 0", "ab" * 32, {})
REMARK = "Not calibrated: the probabilities are the scores of the network."


@pytest.fixture
def some(incomplete: Detection) -> Detection:
    """Only intraparenchymal and any are scored; two slices could not be read."""
    assert incomplete.slice_probabilities is not None and incomplete.scan_probabilities is not None
    slices, scan = incomplete.slice_probabilities.copy(), incomplete.scan_probabilities.copy()
    unscored = ~np.isin(FINDING_NAMES, ("intraparenchymal", "any"))
    slices[:, unscored] = scan[unscored] = np.nan
    points = {name: OperatingPoint(name, 0.5) for name in ("sensitive", "specific")}
    return replace(
        incomplete, slice_probabilities=slices, scan_probabilities=scan, maps=None, remarks=(REMARK,), **points
    )


def test_cells_of_findings_that_are_not_scored_are_empty(some: Detection) -> None:
    row = scan_row(some)
    assert row["subdural"] == row["epidural"] == "" and float(row["any"]) > 0.3 and float(row["intraparenchymal"]) > 0.2
    rows = slice_rows(some, Names(False))
    assert rows[3]["subdural"] == "" and rows[3]["any"] != ""
    assert rows[9]["any"] == ""  # not read
    assert slice_counts(some)["slices_scored"] == 26


def test_the_report_has_dashes_the_remark_and_no_heat_maps(some: Detection) -> None:
    page = html.scan_report(some, RUN, Names(False)).decode()
    table = page[page.index('<table class="findings">') :]
    table = table[: table.index("</table>")]
    assert table.count('<td class="number">\N{EN DASH}</td>') == 2 * 4  # probability and top slice of four findings
    assert table.count('<div class="bar">') == 2
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)
    assert "0.1%" not in table.replace("&lt;", "<")
    assert REMARK in page and "were not measured" in page and "set by the user" not in page
    assert "Heat map" not in page and "heat map" not in page
    assert list(overlays(some, slices_to_show(some))) == []


def test_the_chart_draws_what_is_scored(some: Detection) -> None:
    drawn = chart(some, [13])
    assert drawn is not None
    assert [line.name for line in drawn.lines] == ["intraparenchymal", "any"]


def test_the_overview_has_dashes(some: Detection) -> None:
    record = scan_record(some, Names(False), ["a/report.html"])
    assert record["probabilities"]["subdural"] is None and record["probabilities"]["any"] > 0.3
    assert record["remarks"] == [REMARK]
    page = html.overview([record], [], RUN, manifest(RUN, [record], {}, complete=True)).decode()
    assert page.count("\N{EN DASH}</td>") == 4  # and no bar


def test_the_most_suspicious_slices_do_not_need_the_subtypes(some: Detection) -> None:
    assert some.slice_probabilities is not None
    assert slices_to_show(some)[0] == int(np.nanargmax(some.slice_probabilities[:, ANY])) == 13
