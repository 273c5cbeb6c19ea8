"""Every item of both guidelines is there once, and what is not known is marked."""

from __future__ import annotations

import inspect
from collections import Counter

import pytest

from hemoscope.evaluation.pages import known
from hemoscope.evaluation.pages.checklist import FILL_IN, Item, checklist_table, items

# STARD-AI (2025), Table 2: 40 items, some of them in parts
PARTS = {15: "abcd", 16: "abc", 17: "ab", 26: "ab", 40: "ab"}
STARD_AI = [f"{number}{part}" for number in range(1, 41) for part in PARTS.get(number, [""])]


def test_every_item_of_both_guidelines_is_there_once() -> None:
    assert Counter(number for item in items() for number in item.stard_ai) == Counter(STARD_AI)
    assert Counter(number for item in items() for number in item.claim) == Counter(map(str, range(1, 45)))


def test_every_answer_is_one_that_an_evaluation_gives() -> None:
    source = inspect.getsource(known.known_of)
    for item in items():
        assert not item.answer or f'"{item.answer}": ' in source, item


@pytest.mark.parametrize(
    ("answer", "left", "filled"),
    [
        ("", "", ("", FILL_IN)),
        ("gone", "", ("", FILL_IN)),
        ("flow", "", ("the flow", "")),
        ("flow", "the rest", ("the flow", f"{FILL_IN}: the rest")),
    ],
)
def test_what_is_not_known_is_marked(answer: str, left: str, filled: tuple[str, str]) -> None:
    assert Item("section", ("1",), (), "asked", answer, left).filled({"flow": "the flow"}) == filled


def test_without_anything_known_the_whole_table_is_to_be_filled_in() -> None:
    table = checklist_table({})
    assert {row[3] for row in table.rows} == {FILL_IN}
    assert table.notes == (f"0 of {len(items())} rows are answered in full.",)


def test_what_is_known_stands_before_what_is_left() -> None:
    rows = {row[2]: row[3] for row in checklist_table({"sources": "two places"}).rows}
    assert rows["Where the data come from"].startswith(f"two places. {FILL_IN}: ")
