from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from hemoscope.detector.detection import Detection
from hemoscope.findings import FINDINGS
from hemoscope.reasons import Check, Reason, Severity
from hemoscope.report import wording
from hemoscope.report.html import overview, scan_report
from hemoscope.report.names import Names
from hemoscope.report.results import Run, manifest, scan_record

RUN = Run("default 1", "ab" * 32, {"inputs": 1, "threshold": None})
LARGEST_REPORT_BYTES = 1_500_000
VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """A page: every address it names, its text, and whether its tags close."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(data.decode())
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = ("src", "href", "srcset", "action", "data", "poster")
        self.addresses += [value or "" for name, value in attributes if name in names]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)


def report(detection: Detection, keep: bool = False) -> Page:
    return Page(scan_report(detection, RUN, Names(keep)))


@pytest.fixture(params=["negative", "incomplete", "not_analysed", "picture", "bleeding"])
def detection(request: pytest.FixtureRequest) -> Detection:
    found: Detection = request.getfixturevalue(request.param)
    return found


def test_a_report_asks_for_nothing_from_outside(detection: Detection) -> None:
    data = scan_report(detection, RUN, Names(keep_identifiers=False))
    assert all(address.startswith("data:image/jpeg;base64,") for address in Page(data).addresses)
    without_pictures = re.sub(rb"data:image/jpeg;base64,[A-Za-z0-9+/=]+", b"", data)
    assert not re.search(rb"https?:|//\w|@import|url\(|<script|<iframe|<link", without_pictures)
    assert len(data) < LARGEST_REPORT_BYTES


def test_a_report_says_twice_that_it_is_for_research(detection: Detection) -> None:
    assert report(detection).text.count("Research use only. Not a medical device.") == 2


def test_the_state_and_its_operating_points_are_said(negative: Detection) -> None:
    text = report(negative).text
    assert "Negative" in text
    assert "below the threshold of 12%. This does not rule out a hemorrhage." in text
    measured = "in cross-validation sensitivity 97% (40 with hemorrhage), specificity 71% (59 without)"
    assert f"sensitive , threshold 12%: {measured}" in text
    assert "in which 40 of 99 scans show hemorrhage" in text
    for finding in FINDINGS[:-1]:
        assert f"{finding.name.capitalize()} {finding.abbreviation} 1.0%" in text


def test_the_pictures_are_four_slices_in_three_windows_and_a_heat_map(incomplete: Detection) -> None:
    pictures = report(incomplete).addresses
    assert len(pictures) == 16
    for uri in pictures:
        data = base64.b64decode(uri.partition(",")[2])
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert max(picture.shape[:2]) == 448


def test_sides_and_scale_only_where_spacing_is_known(incomplete: Detection, picture: Detection) -> None:
    for word in ("R L A P", "50 mm"):
        assert word in report(incomplete).text
        assert word not in report(picture).text


def test_no_sides_where_the_header_leaves_them_in_doubt(incomplete: Detection) -> None:
    doubt = Check(Reason.ORIENTATION_UNKNOWN, "The sform and the qform differ.")
    without_planes = tuple(replace(record, position_mm=None) for record in incomplete.scan.slices)
    for doubtful in (
        replace(incomplete, checks=(*incomplete.checks, doubt)),
        replace(incomplete, scan=replace(incomplete.scan, slices=without_planes)),
    ):
        words = report(doubtful).words
        assert "R" not in words and "L" not in words
        assert "50 mm" in words


def test_checks_say_what_they_mean(incomplete: Detection) -> None:
    text = report(incomplete).text
    assert "SLICE_UNREADABLE A slice could not be read, so part of the head was not seen." in text
    assert "The scan can therefore not be negative." in text
    assert "Slices: 9, 20." in text
    assert "28 found, 26 read, 26 scored" in text


def test_a_scan_without_answer_says_why_and_what_to_do(not_analysed: Detection) -> None:
    page = report(not_analysed)
    assert "Not analysed No brain inside a closed skull was found in the slices." in page.text
    assert "What to do: Check that this is a head CT." in page.text
    assert len(page.addresses) == 12  # slices, but no heat maps
    for word in ("Probability", "Operating point", "Heat map", "suspicious"):
        assert word not in page.text


def test_a_report_of_no_slices_at_all(not_analysed: Detection) -> None:
    scan = replace(not_analysed.scan, hu=np.zeros((0, 512, 512), np.int16), slices=())
    assert report(replace(not_analysed, scan=scan)).addresses == []


def test_no_one_is_named_unless_asked(incomplete: Detection) -> None:
    identifiers = list(vars(incomplete.scan.identifiers).values())
    names = ["DOE", "JANE", "10.dcm", "1.2.840"]
    hidden = scan_report(incomplete, RUN, Names(keep_identifiers=False)).decode()
    kept = scan_report(incomplete, RUN, Names(keep_identifiers=True)).decode()
    assert ("Patient ID" in hidden, "Patient ID" in kept) == (False, True)
    text_only = re.sub(r"base64,[^\"]+", "", hidden)
    assert not [name for name in (*identifiers, *names) if name in text_only]
    assert all(value in kept for value in identifiers)


def test_texts_are_escaped(picture: Detection) -> None:
    check = Check(Reason.APPROXIMATE_HU, "<script>alert(1)</script>")
    scan = replace(picture.scan, name="<b>&\"'")
    data = scan_report(replace(picture, scan=scan, checks=(check,)), RUN, Names(keep_identifiers=True))
    assert b"<script" not in data
    assert b'<b>&"' not in data


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.severity is Severity.HARD])
def test_every_hard_reason_has_advice(reason: Reason) -> None:
    assert wording.ADVICE[reason].endswith(".")


def test_indeterminate_says_why(negative: Detection, incomplete: Detection) -> None:
    doubt = Check(Reason.CONTRAST_SUSPECTED, "")
    state = incomplete.state
    assert "lies between the two operating points, 12% and 61%" in wording.meaning(incomplete)
    assert "bright vessels" in wording.meaning(replace(negative, state=state, checks=(doubt,)))
    unseen = replace(negative, state=state, checks=(Check(Reason.GAP, ""),))
    assert "low where the head was seen, but not all of it was: slices are missing" in wording.meaning(unseen)


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.0, "<0.1%"), (0.0123, "1.2%"), (0.5, "50%"), (0.954, "95.4%"), (0.9995, ">99.9%"), (1.0, ">99.9%")],
)
def test_no_probability_is_certain(probability: float, said: str) -> None:
    assert wording.percent(probability) == said


def test_the_overview_links_every_report(negative: Detection, not_analysed: Detection) -> None:
    names = Names(keep_identifiers=False)
    records = [scan_record(negative, names, ["a/report.html"]), scan_record(not_analysed, names, ["b/report.html"])]
    aside = {"input": "[file]", "code": "SET_ASIDE", "severity": "note", "detail": "[file] is no image."}
    refused = [aside, aside, {"input": "x", "code": "NOT_CT", "severity": "hard", "detail": "x is MR."}]
    page = Page(overview(records, refused, RUN, manifest(RUN, records, {}, complete=False)))
    assert page.addresses == ["a/report.html", "b/report.html"]
    assert "1 x NOT_CT x is MR. 2 [file] SET_ASIDE [file] is no image." in page.text
    assert "stopped before all inputs were done" in page.text
    assert page.text.count("Research use only. Not a medical device.") == 2
