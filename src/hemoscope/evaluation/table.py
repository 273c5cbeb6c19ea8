"""A table as data, and as CSV, Markdown, LaTeX and HTML."""

from __future__ import annotations

from dataclasses import dataclass

from hemoscope.evaluation.statistics.estimate import Estimate

Cell = str | int | float | Estimate | None


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns. name: of its files, without an ending; notes stand below it."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {self.name} has {len(row)} cells, not {len(self.columns)}")
