"""What the five papers print in their tables, as data: published.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from hemoscope.findings import FINDING_NAMES

NOTHING = "-"  # the paper has no value here
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_INTERVAL = re.compile(r"[(\[](?:95% CI: )?(\d+\.\d+) ?- ?(\d+\.\d+)[)\]]")


@dataclass(frozen=True)
class Printed:
    """One cell of a printed table.

    text: as printed. row, column: its place in the table. system, finding, measure, level, threshold, set: what the
    value is, empty or None where that does not apply; a finding is one of FINDING_NAMES. unit: "fraction", "percent",
    "count", "log loss" ... data: what it was measured on.
    """

    paper: str
    table: str
    row: int
    column: int
    text: str
    what: Mapping[str, Any]
    unit: str
    data: str

    @property
    def value(self) -> float | None:
        """The number as printed (a percentage as a percentage), None where there is none."""
        number = _NUMBER.search(_INTERVAL.sub("", self.text))
        return float(number.group().replace(",", "")) if number else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The two ends of the printed 95% interval."""
        found = _INTERVAL.search(self.text)
        return (float(found.group(1)), float(found.group(2))) if found else None

    @property
    def half_unit(self) -> float:
        """Half a unit of the last printed digit: how far rounding may have moved the value."""
        number = _NUMBER.search(_INTERVAL.sub("", self.text))
        if number is None:
            raise ValueError(f"nothing is printed in {self.paper}, {self.table}, row {self.row}, column {self.column}")
        return float(0.5 * 10.0 ** -len(number.group().partition(".")[2]))

    @property
    def scale(self) -> float:
        """How many of the printed unit make 1."""
        return 100.0 if self.unit == "percent" else 1.0


@dataclass(frozen=True)
class PrintedTable:
    """A printed table; `keys` name the first cells of `rows`, the printed cells follow in the order of `heads`."""

    paper: str
    name: str
    title: str
    caption: str
    data: str
    keys: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cells: tuple[tuple[Printed, ...], ...]

    def labels(self, row: int) -> tuple[str, ...]:
        """The first cells of a row, in the paper's words."""
        return tuple(str(label) for label in self.rows[row][: len(self.keys)])


@dataclass(frozen=True)
class Paper:
    """A paper: its name here, how it is cited, its words for our findings, and its tables."""

    name: str
    title: str
    findings: Mapping[str, str]
    tables: tuple[PrintedTable, ...]

    def table(self, name: str) -> PrintedTable:
        """One of the tables; raises KeyError."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(f"{self.name} has no {name}")

    def find(self, table: str, **what: Any) -> Printed:
        """The one printed cell of a table of which all this holds; raises LookupError for none and for several."""
        found = [cell for cell in cells_of(self.table(table)) if all(cell.what.get(k) == v for k, v in what.items())]
        if len(found) != 1:
            raise LookupError(f"{len(found)} cells of {self.name}, {table} are {what}")
        return found[0]

    def number(self, table: str, **what: Any) -> float:
        """The number in that cell; raises LookupError where nothing is printed."""
        value = self.find(table, **what).value
        if value is None:
            raise LookupError(f"nothing is printed in {self.name}, {table} for {what}")
        return value


@cache
def papers() -> Mapping[str, Paper]:
    """The five papers by name; raises ValueError where published.toml is wrong."""
    read = tomllib.loads(files("hemoscope.evaluation").joinpath("published.toml").read_text(encoding="utf-8"))
    found = {}
    for name, about in read["papers"].items():
        unknown = set(about["findings"].values()) - set(FINDING_NAMES)
        if unknown:
            raise ValueError(f"{name}: unknown findings {sorted(unknown)}")
        tables = tuple(_table(table, about["findings"]) for table in read["tables"] if table["paper"] == name)
        found[name] = Paper(name, about["title"], about["findings"], tables)
    _check(found, read["tables"])
    return found


def cells_of(table: PrintedTable) -> Iterator[Printed]:
    """All printed cells of a table, row by row."""
    for row in table.cells:
        yield from row


def _table(about: Mapping[str, Any], findings: Mapping[str, str]) -> PrintedTable:
    keys, columns = tuple(about["keys"]), about["columns"]
    of_table = {key: value for key, value in about.items() if key not in ("columns", "rows", "keys", "counts")}
    cells = []
    for row, texts in enumerate(about["rows"]):
        if len(texts) != len(keys) + len(columns):
            raise ValueError(f"{about['paper']}, {about['name']}: row {row + 1} has {len(texts)} cells")
        of_row = dict(zip(keys, texts, strict=False))
        cells.append(
            tuple(
                _cell(of_table | of_row | dict(head), (row, column), text, findings)
                for column, (head, text) in enumerate(zip(columns, texts[len(keys) :], strict=True))
            )
        )
    return PrintedTable(
        about["paper"], about["name"], about["title"], about["caption"], about["data"], keys,
        tuple(column["head"] for column in columns), tuple(tuple(row) for row in about["rows"]), tuple(cells),
    )  # fmt: skip


def _cell(about: Mapping[str, Any], place: tuple[int, int], text: str, findings: Mapping[str, str]) -> Printed:
    of_paper = ("paper", "name", "title", "caption", "data", "unit", "head")
    what = {key: value for key, value in about.items() if key not in of_paper}
    if "finding" in what:
        what["finding"] = findings[what["finding"]]
    return Printed(about["paper"], about["name"], *place, text, what, about["unit"], about["data"])


def _check(found: Mapping[str, Paper], tables: list[Mapping[str, Any]]) -> None:
    """Raise ValueError for a table of no paper, for two of one name, and for a cell that is no text with a number."""
    names = [(table["paper"], table["name"]) for table in tables]
    if len(set(names)) < len(names) or any(paper not in found for paper, _ in names):
        raise ValueError("a table has the name of another, or is of no paper")
    for paper in found.values():
        for table in paper.tables:
            for cell in cells_of(table):
                if cell.text != NOTHING and cell.value is None and cell.interval is None:
                    raise ValueError(f"{paper.name}, {table.name}: '{cell.text}' has no number")
