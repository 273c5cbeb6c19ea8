"""A description of a Manifest: tables as data, so that the terminal, CSV and Markdown say the same."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hemoscope.datasets.manifest import Manifest
from hemoscope.datasets.slice_store.store import SliceStore
from hemoscope.reasons import UsageError

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """One table. note: what is counted; source: the paper's table that it follows, "" for ours."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"{self.title}: a row has another number of cells than there are columns")

    @property
    def file_name(self) -> str:
        """The name of its CSV file."""
        return re.sub(r"[^a-z0-9]+", "_", self.title.lower()).strip("_") + ".csv"


def text(cell: Cell) -> str:
    """A cell to read: thousands apart, two decimals, "-" where unknown."""
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    return f"{cell:,.2f}" if isinstance(cell, float) else f"{cell:,}"


def is_numeric(table: Table, column: int) -> bool:
    """Whether a column holds numbers only, and is best set to the right."""
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(isinstance(cell, (int, float)) for cell in cells)


def to_markdown(table: Table) -> str:
    """The table as a section of a Markdown document; numbers to the right."""
    right = [is_numeric(table, column) for column in range(len(table.columns))]
    lines = [f"## {table.title}", ""]
    lines += [f"After {table.source}.", ""] if table.source else []
    lines.append("| " + " | ".join(table.columns) + " |")
    lines.append("|" + "|".join(" ---: " if numeric else " --- " for numeric in right) + "|")
    lines += ["| " + " | ".join(text(cell).replace("|", "\\|") for cell in row) + " |" for row in table.rows]
    return "\n".join([*lines, *(["", table.note] if table.note else []), ""])


def write_description(manifest: Manifest, tables: Sequence[Table], store: SliceStore | None, folder: Path) -> None:
    """Write the tables (`write_tables`), the plots and, from a store, the contact sheet to a folder.

    Raises UsageError where the folder cannot be written.
    """
    from hemoscope.datasets.description.contact_sheet import write_contact_sheet
    from hemoscope.datasets.description.plots import write_plots

    try:
        write_tables(tables, folder)
        write_plots(manifest, folder)
    except OSError as error:
        raise UsageError(f"The description cannot be written to {folder}: {error.strerror or error}.") from error
    if store is not None:
        write_contact_sheet(manifest, store, folder / "contact_sheet.png")


def write_tables(tables: Sequence[Table], folder: Path) -> None:
    """Write tables.md with all tables, and each as CSV with plain numbers (unknown is empty) in `tables/`."""
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    for table in tables:
        path = folder / "tables" / table.file_name
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        with unfinished.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([table.columns, *table.rows])
        unfinished.replace(path)
    document = folder / "tables.md"
    unfinished = document.with_name(f".{document.name}.{os.getpid()}")
    unfinished.write_text("\n".join(["# The datasets", "", *map(to_markdown, tables)]), encoding="utf-8")
    unfinished.replace(document)
