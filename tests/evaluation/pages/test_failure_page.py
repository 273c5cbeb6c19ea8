"""The page of the worst mistakes says whose heat maps it shows, and on which scale those of each level are."""

from __future__ import annotations

from hemoscope.evaluation.pages.failure_page import Card, Group, failure_page
from hemoscope.findings import FINDINGS
from hemoscope.report.panels import Picture

CLAIM = "which may have been trained on these patients and need not be the system that was evaluated"


def groups(*titles: str) -> list[Group]:
    pictures = [Picture(title, "data:,") for title in titles]
    return [Group(FINDINGS[0], "missed", "1 of 2", "0.5", [Card("n", "p", "10%", "none", "", pictures)])]


def test_whose_heat_maps_they_are_and_each_level_has_its_scale() -> None:
    drawn = groups("Brain", "Heat map, epidural: 12%", "Subdural")
    page = failure_page({"slice": (drawn, 13.1), "scan": (drawn, 4.0)}, "t", "default 0.1.0").decode()
    assert f"The heat maps are of bundle default 0.1.0, {CLAIM}." in page
    assert page.count("Heat map, epidural: 12%</span>") == 2
    slices, scans = page.split("<h2>Scans</h2>")
    assert "13.1 logits" in slices and "4.0 logits" not in slices
    assert "4.0 logits" in scans and "13.1 logits" not in scans
    assert "All heat maps of these slices have this one scale" in slices


def test_without_heat_maps_nothing_is_said_of_them() -> None:
    drawn = groups("Brain", "Subdural")
    for bundle, said in ((None, "No bundle was given"), ("x 1", "The bundle x 1 gives no heat maps")):
        page = failure_page({"slice": (drawn, 4.0)}, "t", bundle).decode()
        assert said in page
        assert CLAIM not in page
        assert "logits" not in page
