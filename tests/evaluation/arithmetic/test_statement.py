"""A printed number is held against a computed one to its last digit."""

from __future__ import annotations

import pytest

from hemoscope.evaluation.arithmetic.statement import agrees, follows
from hemoscope.evaluation.published import Printed


def printed(text: str, unit: str = "fraction") -> Printed:
    return Printed("paper", "Table 1", 0, 0, text, {}, unit, "data")


@pytest.mark.parametrize(
    ("text", "unit", "computed", "fits"),
    [
        ("0.927", "fraction", 0.9265, True),
        ("0.927", "fraction", 0.92649, False),
        ("0.927", "fraction", 0.92751, False),
        ("0.94", "fraction", 0.944, True),
        ("95.5%", "percent", 0.9546, True),
        ("95.5%", "percent", 0.9544, False),
        ("752,803", "count", 752803, True),
        ("752,803", "count", 752802, False),
        ("94.9% (92.1-96.9)", "percent", 0.949, True),
    ],
)
def test_a_number_agrees_to_half_a_unit_of_the_last_digit(text: str, unit: str, computed: float, fits: bool) -> None:
    assert agrees(printed(text, unit), computed) is fits


def test_give_is_what_rounding_of_the_inputs_may_add() -> None:
    assert not agrees(printed("0.44"), 0.45)
    assert agrees(printed("0.44"), 0.45, give=0.005)


def test_the_computed_number_is_shown_with_one_digit_more_and_counts_as_they_are() -> None:
    assert follows(printed("0.72"), 2 / 3, "").computed == "0.667"
    assert follows(printed("47.5%", "percent"), 0.4747, "").computed == "47.47"
    assert follows(printed("1554", "count"), 1544, "").computed == "1,544"
    assert follows(printed("35", "count"), 34.585, "").computed == "34.6"


def test_a_cell_without_a_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="'-' has no number"):
        agrees(printed("-"), 0.5)
