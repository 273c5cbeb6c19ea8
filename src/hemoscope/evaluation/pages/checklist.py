"""The items of STARD-AI and CLAIM, each with what is known of it or marked as to be filled in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from hemoscope.evaluation.table import Table

FILL_IN = "not known: fill in"


@dataclass(frozen=True)
class Item:
    """One row: its numbers in the two guidelines, what is asked, what is known, and what is left to be filled in."""

    section: str
    stard_ai: tuple[str, ...]
    claim: tuple[str, ...]
    asks: str
    answer: str = ""  # the name of what is known; "" where nothing can be
    left: str = ""

    def filled(self, known: Mapping[str, str]) -> tuple[str, str]:
        """(what is known, what is to be filled in), each may be empty."""
        found = known.get(self.answer, "")
        if not found:
            return "", FILL_IN
        return found, f"{FILL_IN}: {self.left}" if self.left else ""


@cache
def items() -> tuple[Item, ...]:
    """All rows, as `checklist.toml` has them."""
    text = files("hemoscope.evaluation.pages").joinpath("checklist.toml").read_text(encoding="utf-8")
    return tuple(
        Item(section["title"], tuple(one.pop("stard_ai")), tuple(one.pop("claim")), **one)
        for section in tomllib.loads(text)["section"]
        for one in section["items"]
    )


def checklist_table(known: Mapping[str, str]) -> Table:
    """The rows as a table. known: answers by their name in `checklist.toml`."""
    rows = tuple(
        (", ".join(item.stard_ai) or None, ", ".join(item.claim) or None, item.asks,
         ". ".join(filter(None, item.filled(known))))
        for item in items()
    )  # fmt: skip
    note = f"{sum(not item.filled(known)[1] for item in items())} of {len(rows)} rows are answered in full."
    return Table("checklist", "STARD-AI and CLAIM checklist", ("STARD-AI", "CLAIM", "asked", "answer"), rows, (note,))
