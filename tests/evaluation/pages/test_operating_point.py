"""The report says at which operating point its rates are."""

from __future__ import annotations

from types import SimpleNamespace

from made_cases import cases_of

from hemoscope.evaluation.evaluate import Part
from hemoscope.evaluation.measures.operating_points import FIXED, OperatingPoint, chosen_points
from hemoscope.evaluation.pages.operating_point import points_in_words
from hemoscope.evaluation.statistics.bootstrap import Draws

IPH = 1


def part(level, validation=None):
    cases = cases_of(IPH, [1, 0], [0.8, 0.1], "ab", level)
    points = tuple(map(OperatingPoint.fixed, FIXED))
    chosen = () if validation is None else chosen_points(validation, 0.95, 0.9)
    return Part(cases, validation, points + chosen, Draws.of(cases.patients, 2))


def words(*parts, splits=()):
    return points_in_words(SimpleNamespace(parts=parts, question=SimpleNamespace(validation=splits)))


def test_a_fixed_point_is_a_probability() -> None:
    said = words(part("slice"), part("scan"))
    assert said.startswith("Rates are at the probability 0.5, unless")


def test_a_chosen_point_says_on_what() -> None:
    slices = cases_of(IPH, [1, 0, 0], [0.7, 0.2, 0.3], "cde", "slice")
    scans = cases_of(IPH, [1, 1, 0, -1], [0.7, 0.2, 0.3, 0.4], "cdef", "scan")
    assert words(part("slice", slices), part("scan", scans), splits=("fold0",)).startswith(
        "Rates of slices at Youden's point, chosen on the split fold0 with 1 positive of 3 slices, "
        "of scans at Youden's point, chosen on the split fold0 with 2 positive of 4 scans, unless"
    )


def test_a_level_without_validation_cases_keeps_the_fixed_point() -> None:
    scans = cases_of(IPH, [1, 0], [0.7, 0.2], "cd", "scan")
    said = words(part("slice"), part("scan", scans), splits=("a", "b"))
    assert "of slices at the probability 0.5, of scans at Youden's point" in said
    assert "on the splits a and b with" in said
